"""Faithfulness metrics: whether the function behaves under ablation as the attribution says.

Insertion and deletion curves ablate units of the foreground rows under a named intervention:
``baseline`` (the problem's own baseline), ``zero``, or ``resample`` (the ablated units of a row
are taken together from another draw of D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actspec_bench.errors import Undefined
from actspec_bench.registry import metric

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.outcome import Outcome
    from actspec_bench.problem import Problem

Intervention = Literal["baseline", "zero", "resample"]

CURVE_STEPS = 16
CURVE_ROWS = 32
RESAMPLE_DRAWS = 8
SURROGATE_SUBSETS = 16
SURROGATE_DRAWS = 4096
JOINT_SUBSETS = 10
JOINT_DRAWS = 8192
JOINT_ORDER = 10
JOINT_MINIMUM_T = 3.0


@metric("deletion_auc", family="faithfulness", higher_is_better=False)
def deletion_auc(outcome: Outcome) -> float:
    """Area under the deletion curve, most important unit first, ablated to the baseline.

    The curve is the similarity to the clean output (see `similarity_curve`) against the share
    of units ablated (Petsiuk, Das & Saenko 2018, section 3.2). Read from its end it is the
    insertion curve with the least important unit first.
    """
    return _curve_area(outcome, "baseline", delete=True)


@metric("deletion_auc_zero", family="faithfulness", higher_is_better=False)
def deletion_auc_zero(outcome: Outcome) -> float:
    """Area under the deletion curve, units ablated to zero."""
    return _curve_area(outcome, "zero", delete=True)


@metric("deletion_auc_resample", family="faithfulness", higher_is_better=False)
def deletion_auc_resample(outcome: Outcome) -> float:
    """Area under the deletion curve, ablated units taken from another draw of D."""
    return _curve_area(outcome, "resample", delete=True)


@metric("insertion_auc", family="faithfulness", higher_is_better=True)
def insertion_auc(outcome: Outcome) -> float:
    """Area under the insertion curve, most important unit first, from the baseline.

    Read from its end it is the deletion curve with the least important unit first.
    """
    return _curve_area(outcome, "baseline", delete=False)


@metric("insertion_auc_zero", family="faithfulness", higher_is_better=True)
def insertion_auc_zero(outcome: Outcome) -> float:
    """Area under the insertion curve, starting from units ablated to zero."""
    return _curve_area(outcome, "zero", delete=False)


@metric("insertion_auc_resample", family="faithfulness", higher_is_better=True)
def insertion_auc_resample(outcome: Outcome) -> float:
    """Area under the insertion curve, starting from another draw of D."""
    return _curve_area(outcome, "resample", delete=False)


def _curve_area(outcome: Outcome, intervention: Intervention, *, delete: bool) -> float:
    import numpy as np

    importance = outcome.attribution.units(outcome.problem.n)
    shuffled = outcome.generator("ties").permutation(len(importance))
    order = shuffled[np.argsort(-importance[shuffled], kind="stable")]
    view = outcome.view("ablation")
    shares, similarity = similarity_curve(view, order, intervention, delete=delete)
    return float(np.trapezoid(similarity, shares))


def similarity_curve(
    problem: Problem,
    order: Float[np.ndarray, " n"],
    intervention: Intervention,
    *,
    delete: bool,
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]:
    r"""Similarity to the clean output as units are deleted or inserted in ``order``.

    .. math:: s(A) = 1 - \frac{E_x |f(x_{\setminus A}) - f(x)|}{E_x |f(x_{\setminus all}) - f(x)|}

    over at most 32 foreground rows x, with the units A ablated: 1 for the clean output, 0 for
    the fully ablated one; it may leave [0, 1] between and is not clipped.

    Returns
    -------
    shares, similarity
        The share of units deleted (or inserted), at most 17 steps from 0 to 1, and s there.

    Raises
    ------
    Undefined
        Ablating every unit does not change the output.
    """
    import numpy as np
    import torch

    rows = problem.foreground[:CURVE_ROWS]
    if intervention == "resample":
        rows = rows.repeat_interleave(RESAMPLE_DRAWS, dim=0)
        ablated = problem.sample(len(rows))
    elif intervention == "baseline":
        ablated = problem.baseline.expand_as(rows)
    else:
        ablated = torch.zeros_like(rows)
    n = problem.n
    sizes = np.unique(np.linspace(0, n, min(n, CURVE_STEPS) + 1).round().astype(int))
    rank = torch.empty(n, dtype=torch.long)
    rank[torch.from_numpy(np.ascontiguousarray(order))] = torch.arange(n)
    reached = rank[None, :] < torch.from_numpy(sizes)[:, None]
    kept = ~reached if delete else reached
    mixed = torch.where(kept[:, None, :], rows[None], ablated[None])
    clean = problem.value(rows)
    moved = (problem.value(mixed.reshape(-1, n)).reshape(len(sizes), -1) - clean).abs().mean(1)
    whole = moved[-1] if delete else moved[0]
    if whole <= 1e-9 * clean.abs().mean():
        raise Undefined("ablating every unit does not change the output")
    return sizes / n, (1 - moved / whole).double().numpy()


@metric("surrogate_r2", family="faithfulness", higher_is_better=True, best=1)
def surrogate_r2(outcome: Outcome) -> float:
    """R^2 of the linear model on the characters of the top 16 subsets, on fresh draws.

    Least squares with an intercept, fitted on 4096 draws of D and scored on 4096 others (rows
    that methods never saw, where the task keeps such rows). Negative values are kept.
    """
    import torch

    from actspec_bench.spectrum import characters, membership

    view = outcome.view("surrogate")
    top = outcome.attribution.top(SURROGATE_SUBSETS, outcome.generator("ties"))
    mask = membership([(), *top], view.n)
    fit, score = view.sample(SURROGATE_DRAWS), view.sample_heldout(SURROGATE_DRAWS)
    values = view.value(score).double()
    spread = values.var(correction=0)
    if spread == 0:
        raise Undefined("the function is constant on its distribution")
    design = characters(view.pattern(fit), mask).double()
    weights = torch.linalg.lstsq(design, view.value(fit).double()[:, None], driver="gelsd").solution
    predicted = (characters(view.pattern(score), mask).double() @ weights)[:, 0]
    return float(1 - (values - predicted).square().mean() / spread)


@metric("joint_share", family="faithfulness", higher_is_better=True)
def joint_share(outcome: Outcome) -> float:
    r"""Share of the top subsets' joint effect that all of their parts together do not explain.

    The joint effect of S is :math:`V_S = Var(E[f | p_S])`, p the pattern: the closed Sobol'
    index (Sobol' 2001, section 4) of its units' states. What the parts explain is the largest
    variance of a sum of functions of proper subsets of S. The rest is carried by the character
    of S alone; for uniform patterns :math:`\hat f(S)^2` of
    :math:`V_S = \sum_{\emptyset \ne T \subseteq S} \hat f(T)^2`. The score is the ratio of the
    sums over the ten top subsets of 2 to 10 units. Both are least-squares sums of squares over
    8192 draws of D, less what noise of the same variance would give.

    Raises
    ------
    Undefined
        No subset of 2 to 10 units was reported, or their joint effect cannot be told from zero
        (less than three standard errors).
    """
    reported = outcome.attribution.top(len(outcome.attribution.subsets), outcome.generator("ties"))
    joint = [subset for subset in reported if 1 < len(subset) <= JOINT_ORDER][:JOINT_SUBSETS]
    if not joint:
        raise Undefined(f"no subset of 2 to {JOINT_ORDER} units was reported")
    view = outcome.view("joint")
    x = view.sample(JOINT_DRAWS)
    pattern, values = view.pattern(x), view.value(x).double()
    parts = [_joint_effect(pattern[:, list(subset)], values) for subset in joint]
    whole, alone, variance = (sum(column) for column in zip(*parts, strict=True))
    if not whole > JOINT_MINIMUM_T * variance**0.5:
        raise Undefined("the joint effect of the reported subsets cannot be told from zero")
    return float(alone / whole)


def _joint_effect(
    pattern: Float[Tensor, "draws units"], values: Float[Tensor, " draws"]
) -> tuple[float, float, float]:
    """Variance explained by a subset's pattern, and by its character beyond its parts.

    Both are unbiased under noise of constant variance; the third number is the squared standard
    error of the first where there is no effect.
    """
    import torch

    from actspec_bench.spectrum import all_patterns, characters

    draws, units = pattern.shape
    cell = ((pattern < 0).long() * 2 ** torch.arange(units)).sum(1)
    cells = 2**units
    counts = torch.zeros(cells, dtype=values.dtype).index_add(0, cell, torch.ones_like(values))
    sums = torch.zeros(cells, dtype=values.dtype).index_add(0, cell, values)
    means = sums / counts.clamp(min=1)
    seen = counts > 0
    between = (counts * (means - values.mean()).square()).sum()
    freedom = int(seen.sum()) - 1
    noise = (values - means[cell]).square().sum() / max(draws - freedom - 1, 1)
    proper = all_patterns(units)[:-1] < 0
    design = characters(all_patterns(units), proper).double() * counts.sqrt()[:, None]
    target = means * counts.sqrt()
    solution = torch.linalg.lstsq(design[seen], target[seen, None], driver="gelsd").solution
    beyond = (target[seen] - (design[seen] @ solution)[:, 0]).square().sum()
    whole = float(between - freedom * noise) / draws
    alone = float(beyond - noise * (freedom + 1 == cells)) / draws
    return whole, alone, 2 * freedom * float(noise / draws) ** 2
