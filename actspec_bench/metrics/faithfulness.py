"""Faithfulness metrics: whether the function behaves under ablation as the attribution says.

Insertion and deletion curves ablate units of the foreground rows under a named intervention:
``baseline`` (the problem's own baseline), ``zero``, or ``resample`` (the ablated units of a row
are taken together from another draw of D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actspec_bench.errors import Undefined
from actspec_bench.registry.decorators import metric

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.metrics.outcome import Outcome
    from actspec_bench.problems.problem import Problem

Intervention = Literal["baseline", "zero", "resample"]

CURVE_STEPS = 16
CURVE_ROWS = 32
RESAMPLE_DRAWS = 8
SURROGATE_SUBSETS = 16
SURROGATE_DRAWS = 4096
JOINT_SUBSETS = 10
JOINT_DRAWS = 8192
JOINT_NULLS = 199


@metric("deletion_auc", family="faithfulness", track="units", higher_is_better=False)
def deletion_auc(outcome: Outcome) -> float:
    """Area under the deletion curve, most important unit first, ablated to the baseline.

    The curve is the similarity to the clean output (see `similarity_curve`) against the share
    of units ablated (Petsiuk, Das & Saenko 2018, section 3.2). Read from its end it is the
    insertion curve with the least important unit first.
    """
    return _curve_area(outcome, "baseline", delete=True)


@metric("deletion_auc_zero", family="faithfulness", track="units", higher_is_better=False)
def deletion_auc_zero(outcome: Outcome) -> float:
    """Area under the deletion curve, units ablated to zero."""
    return _curve_area(outcome, "zero", delete=True)


@metric("deletion_auc_resample", family="faithfulness", track="units", higher_is_better=False)
def deletion_auc_resample(outcome: Outcome) -> float:
    """Area under the deletion curve, ablated units taken from another draw of D."""
    return _curve_area(outcome, "resample", delete=True)


@metric("insertion_auc", family="faithfulness", track="units", higher_is_better=True)
def insertion_auc(outcome: Outcome) -> float:
    """Area under the insertion curve, most important unit first, from the baseline.

    Read from its end it is the deletion curve with the least important unit first.
    """
    return _curve_area(outcome, "baseline", delete=False)


@metric("insertion_auc_zero", family="faithfulness", track="units", higher_is_better=True)
def insertion_auc_zero(outcome: Outcome) -> float:
    """Area under the insertion curve, starting from units ablated to zero."""
    return _curve_area(outcome, "zero", delete=False)


@metric("insertion_auc_resample", family="faithfulness", track="units", higher_is_better=True)
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


@metric("surrogate_r2", family="faithfulness", track="subsets", higher_is_better=True, best=1)
def surrogate_r2(outcome: Outcome) -> float:
    """R^2 of the linear model on the characters of the top 16 subsets, on fresh draws.

    Least squares with an intercept, fitted on 4096 draws of D and scored on 4096 others (rows
    that methods never saw, where the task keeps such rows). Negative values are kept.
    """
    from actspec_bench.fourier.regression import fresh_r2

    view = outcome.view("surrogate")
    top = outcome.attribution.top(SURROGATE_SUBSETS, outcome.generator("ties"))
    fit, score = view.sample(SURROGATE_DRAWS), view.sample_heldout(SURROGATE_DRAWS)
    values = view.value(score)
    if not values.double().var():
        raise Undefined("the function is constant on its distribution")
    return fresh_r2((view.pattern(fit), view.value(fit)), (view.pattern(score), values), top)


@metric("joint_share", family="faithfulness", track="subsets", higher_is_better=True)
def joint_share(outcome: Outcome) -> float:
    r"""Share of the top subsets' joint effect that all of their parts together do not explain.

    All of it is about on/off states under D, and nothing is intervened on: of units that depend
    on each other, or whose activations matter by how far they are on, even a sum of functions of
    single activations may have a share above zero (`fourier.interaction` has what such a sum has
    none of; it is told by `spectrum` and no metric, as boards keep their columns).

    The joint effect of S is :math:`V_S = Var(E[f | p_S])`, p the pattern: the closed Sobol'
    index (Sobol' 2001, section 4) of its units' states. What the parts explain is the largest
    variance of a sum of functions of proper subsets of S. The rest is carried by the character
    of S alone; for uniform patterns :math:`\hat f(S)^2` of
    :math:`V_S = \sum_{\emptyset \ne T \subseteq S} \hat f(T)^2`. The score is the ratio of the
    sums over the ten top subsets of 2 to 10 units. Both are estimated from the function at 8192
    draws of D, without bias whatever the variance in each cell of patterns (see
    `fourier.joint`), and the cells' probabilities, unless patterns are known to be uniform, from
    65,536 draws; a pattern that none of them has counts as one more draw would, so patterns that
    are impossible take the rest towards zero.

    Raises
    ------
    Undefined
        No subset of 2 to 10 units was reported, or their joint effect cannot be told from
        zero: it does not exceed that of 199 copies of the centred values with random signs
        (wild bootstrap; Liu 1988, Annals of Statistics 16:1696), which without an effect happens
        about once in 200 times, however the subsets overlap.
    """
    import torch

    from actspec_bench.fourier.joint import (
        JOINT_ORDER,
        beyond_parts,
        cells_of,
        joint_variance,
        occupancy,
    )

    reported = outcome.attribution.top(len(outcome.attribution.subsets), outcome.generator("ties"))
    joint = [subset for subset in reported if 1 < len(subset) <= JOINT_ORDER][:JOINT_SUBSETS]
    if not joint:
        raise Undefined(f"no subset of 2 to {JOINT_ORDER} units was reported")
    view = outcome.view("joint")
    x = view.sample(JOINT_DRAWS)
    pattern, values = view.pattern(x), view.value(x).double()
    values = values - values.mean()
    copies = values[:, None] * _random_signs(outcome, view, x)
    columns = torch.cat([values[:, None], copies], dim=1)
    cells = [cells_of(pattern[:, list(subset)]) for subset in joint]
    sampled = None if view.uniform else lambda k: view.pattern(view.sample(k))
    pairs = list(zip(cells, occupancy(sampled, joint), strict=True))
    squares = values.square()[:, None]  # of the copies too
    effects = [joint_variance(cell, len(held), columns, squares) for cell, held in pairs]
    whole = torch.stack(effects).sum(0)
    if not whole[0] > whole[1:].max():
        raise Undefined("the joint effect of the reported subsets cannot be told from zero")
    alone = sum(beyond_parts(cell, values, held) for cell, held in pairs)
    return float(alone / whole[0])


def _random_signs(outcome: Outcome, view: Problem, x: Tensor) -> Float[Tensor, "draws copies"]:
    """Fair signs for 199 copies of the values at draws ``x``.

    Where a problem answers at given rows alone, a row drawn twice brings its noise twice: its
    draws share their sign, so that the copies do the same.
    """
    import torch

    rows = torch.arange(len(x))
    if not view.any_pattern:
        rows = torch.unique(x, dim=0, return_inverse=True)[1]
    signs = outcome.generator("signs").choice([-1.0, 1.0], (len(x), JOINT_NULLS))
    return torch.from_numpy(signs)[rows]
