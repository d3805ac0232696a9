"""Problem over a data set of dependent units -> attribution: pursuit, tree, test, estimates.

Inputs are asked in random order. Two thirds choose subsets by what they add under D; a third
tests them and measures what is reported. What no sum of low-order subsets explains is left to
the tree, which asks mixtures of rows about the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from actspec_bench.fourier.energy import Estimate
from actspec_bench.fourier.regression import on_design
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.methods.actspec import estimates
from actspec_bench.methods.actspec.dense import Dense, fitted
from actspec_bench.methods.actspec.inputs import Inputs
from actspec_bench.methods.actspec.pool import Pool, pooled, usable_units
from actspec_bench.methods.actspec.pursuit import Gram, ranked, shortlist
from actspec_bench.methods.actspec.queries import Queries, no_spread
from actspec_bench.methods.actspec.redundancy import predictability, varying_units
from actspec_bench.methods.actspec.screen import screen
from actspec_bench.methods.actspec.tree import branch
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["depends", "search_inputs"]

DEPENDENCE_DRAWS = 4096
DEPENDENT = 2.0
CLEAR = 5.0
DENSE_R2 = 0.5
LOW_ORDER_R2 = 0.7
UNASKED = 0.2
ROWS_A_UNIT = 8
PILOT = 2048
VAGUE = 0.1
NOTHING = Estimate(0.0, 0.0, 0.0)


def depends(pattern: Tensor) -> bool:
    """Whether units depend on each other: the mean over pairs of N r^2, about 1 if they do not."""
    varying = pattern[:, pattern.mean(0).abs() < 1]
    n = varying.shape[1]
    pairs = n * (n - 1) / 2
    if not pairs:
        return False
    z = varying - varying.mean(0)
    z = z / z.square().mean(0).sqrt()
    squares = (z.T @ z / len(z)).square().sum() - n
    return bool(len(z) * squares / (2 * pairs) > DEPENDENT + CLEAR * (2 / pairs) ** 0.5)


@dataclass(frozen=True)
class Chosen:
    """Subsets in their order, best first, and what could stand in the place of any of them.

    Attributes
    ----------
    subsets
        As taken and ranked.
    gram
        Inner products of all that came near being taken.
    pool
        What they were taken from.
    """

    subsets: list[Subset]
    gram: Gram
    pool: Pool


def search_inputs(
    problem: Problem,
    *,
    tau: float | None,
    max_branch: int,
    fdr: float,
    plain: tuple[float, float] | None,
) -> Attribution:
    """Find the subsets that explain a function of dependent units, ranked by what each adds.

    ``plain`` are gamma and delta where the paper's rule is to drop units and subsets.
    """
    inputs = Inputs.of(problem)
    info: dict[str, Any] = {"inputs": inputs.count}
    half = -(-problem.remaining // 2)
    inputs.ask(min(half, PILOT) if problem.any_pattern else problem.remaining)
    usable, left_out = usable_units(inputs.pattern, int(inputs.known.sum()))
    if plain is not None:
        varying = set(varying_units(inputs.pattern, plain[0]))
        others = [unit for unit in usable if unit not in varying]
        left_out |= {f"squared mean above gamma={plain[0]:g}": others} if others else {}
        usable = [unit for unit in usable if unit in varying]
    info |= {"units_searched": len(usable), "units_left_out": left_out}
    if (reason := _nothing_to_search(inputs, usable)) is not None:
        return Attribution.from_subsets({}, n=problem.n, info={**info, "reason": reason})
    dense = fitted(inputs)
    if problem.any_pattern and inputs.asked < inputs.count:
        low_order = dense.r2 >= LOW_ORDER_R2
        inputs.ask(problem.remaining if low_order else half - inputs.asked)
        dense = fitted(inputs)
    chosen, used = _choose(inputs, dense, usable)
    if problem.any_pattern and problem.remaining:
        low_order = max(estimates.explained(inputs, chosen.subsets)[0].value, dense.r2)
        more: list[Subset] = []
        if low_order < LOW_ORDER_R2 and problem.remaining >= ROWS_A_UNIT * len(usable):
            info["rows_on_mixtures"] = problem.remaining
            more = _from_mixtures(inputs, chosen.subsets, usable, max_branch)
            info["rows_on_mixtures"] -= problem.remaining
        elif inputs.asked < inputs.count:
            inputs.ask(problem.remaining)
            dense = fitted(inputs)
        chosen, used = _choose(inputs, dense, usable, more)
    info["inputs_asked"] = inputs.asked
    if plain is not None:
        kept = [s for s in chosen.subsets if predictability(inputs.pattern, s) <= plain[1]]
        chosen = replace(chosen, subsets=kept)
    info |= {"subsets_tried": chosen.pool.tried, "order_searched": chosen.pool.order}
    return _reported(inputs, dense.predicted if used else None, chosen, tau, fdr, info)


def _nothing_to_search(inputs: Inputs, units: list[int]) -> str | None:
    if not units:
        return "every unit is nearly constant under the problem's distribution"
    return no_spread(inputs.values[inputs.known])


def _choose(
    inputs: Inputs, dense: Dense, units: list[int], more: Sequence[Subset] = ()
) -> tuple[Chosen, bool]:
    """Take subsets, with what is predicted of unasked rows if that knows more than they tell."""
    searched = inputs.searched
    unasked = int((~searched).sum()) > UNASKED * int(searched.sum())
    plain = (inputs.pattern[searched], inputs.values[searched])
    if unasked and dense.r2 >= DENSE_R2:
        imputed, corrected = dense.imputed(inputs), dense.corrected(inputs)
        first = searched.float().argsort(descending=True, stable=True)
        near = (inputs.pattern[first], imputed[first])
        chosen = _taken(near, (inputs.pattern, corrected), units, more)
        if estimates.explained(inputs, chosen.subsets)[1] <= dense.r2:
            return chosen, True
    return _taken(plain, plain, units, more), False


def _taken(
    near: tuple[Tensor, Tensor],
    whole: tuple[Tensor, Tensor],
    units: list[int],
    more: Sequence[Subset],
) -> Chosen:
    """Shortlist on some rows, rank on all."""
    pool = pooled(*near, units)
    listed = shortlist(
        *near, [*pool.subsets, *(s for s in more if s not in set(pool.subsets))], pool.associated
    )
    gram = Gram.of(*whole, listed)
    return Chosen([listed[i] for i in ranked(gram, pool.tried)], gram, pool)


def _from_mixtures(
    inputs: Inputs, subsets: list[Subset], units: list[int], max_branch: int
) -> list[Subset]:
    """Subsets that the tree finds in what ``subsets`` leave, on mixtures of rows."""
    problem = inputs.problem
    n = problem.n
    known = inputs.known
    mask = membership(subsets, n)
    columns = characters(inputs.pattern[known], mask).double()
    fit = on_design(columns, inputs.values[known]).coefficients
    queries = Queries(
        problem, offset=lambda pattern: (characters(pattern, mask).double() @ fit).float()
    )
    pool = inputs.rows[:DEPENDENCE_DRAWS]
    screened = screen(queries, units, pool)
    if not screened.units:
        return []
    found, _ = branch(queries, [screened.units], problem.remaining, None, max_branch)
    return [subset for subset in found if subset]


def _reported(
    inputs: Inputs,
    predicted: Tensor | None,
    chosen: Chosen,
    tau: float | None,
    fdr: float,
    info: dict[str, Any],
) -> Attribution:
    """Test, measure and report what was chosen, no more than the inputs support."""
    n = inputs.problem.n
    passed, level = estimates.real(inputs, predicted, chosen.subsets, fdr)
    kept = passed[: estimates.supported(inputs, passed, chosen.pool.tried)]
    warnings = []
    if len(kept) < len(passed):
        warnings.append(
            f"{inputs.asked:,} inputs support {len(kept)} of the {len(passed)} subsets that passed "
            "the test: more would explain much of these inputs and less of others"
        )
    told = estimates.explained(inputs, kept)[0] if kept else NOTHING
    info["unexplained"] = [1 - told.value, 1 - told.high, 1 - told.low]
    if told.high - told.value > VAGUE * told.value:
        warnings.append(
            f"{inputs.asked:,} inputs say little of how much the {len(kept)} subsets explain: "
            f"{100 * told.low:.0f} to {100 * told.high:.0f}% of the variance"
        )
    info["warnings"] = warnings
    if not kept:
        info["reason"] = _why_none(inputs, chosen, passed)
        return Attribution.from_subsets({}, n=n, info=info)
    adds = chosen.gram.sequential(kept)
    fit = estimates.joint(inputs, predicted, kept)
    rows = list(
        zip(kept, fit.coefficients.tolist(), fit.half_widths(level).tolist(), adds, strict=True)
    )
    rows = [row for row in rows if tau is None or abs(row[1]) >= tau]
    rows.sort(key=lambda row: (-row[3], len(row[0]), row[0]))
    if not rows:
        info["reason"] = f"no |coefficient| reaches tau={tau}"
    info["intervals_95"] = [[c - half, c + half] for _, c, half, _ in rows]
    info["stand_ins"] = _stand_ins(chosen, [row[0] for row in rows])
    return Attribution.from_subsets(
        {s: c for s, c, _, _ in rows},
        n=n,
        info=info,
        importance={s: adds for s, _, _, adds in rows},
    )


def _stand_ins(chosen: Chosen, kept: list[Subset]) -> list[list[list[int]]]:
    """For each subset kept, those that would do in its place."""
    place = {subset: i for i, subset in enumerate(chosen.gram.subsets)}
    told = []
    for k, subset in enumerate(kept):
        taken = [place[s] for s in kept[:k]]
        could = chosen.gram.stand_ins(taken, place[subset])
        told.append([list(s) for s in could if s not in kept])
    return told


def _why_none(inputs: Inputs, chosen: Chosen, passed: list[Subset]) -> str:
    counts = (
        f"{chosen.pool.tried:,} subsets were looked at on {int(inputs.searched.sum()):,} rows and "
        f"tested on {int(inputs.tested.sum()):,} others"
    )
    if passed:
        return f"so few inputs support no subset: {counts}"
    return f"no coefficient can be told from zero: {counts}"
