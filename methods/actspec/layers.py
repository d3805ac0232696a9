"""Problem over a data set of dependent units -> attribution: pursuit, tree, test, estimates.

Inputs are asked in random order, and where a dense predictor of a decision is good, those first
that it is in doubt of. Four fifths choose subsets by what they add under D; a fifth tests them and
measures what is reported (`reporting`). What no sum of low-order subsets explains is left to the
tree, which asks mixtures of rows about the rest.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier.regression import on_design
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.methods.actspec import estimates
from actspec_bench.methods.actspec.dense import Dense, fitted
from actspec_bench.methods.actspec.inputs import FOLDS, Inputs
from actspec_bench.methods.actspec.pool import pooled, usable_units
from actspec_bench.methods.actspec.pursuit import Gram, ranked, shortlist
from actspec_bench.methods.actspec.queries import Queries, no_spread
from actspec_bench.methods.actspec.redundancy import predictability, varying_units
from actspec_bench.methods.actspec.reporting import FEW_INPUTS, Chosen, Trial, reported
from actspec_bench.methods.actspec.screen import screen
from actspec_bench.methods.actspec.tree import BLOCK, LEAST_COMPLETIONS, RESTRICTIONS, branch
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.distinct import first_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Int

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["correlated", "over_inputs", "search_inputs"]

JUDGED_ROWS = 4096

DONORS = 4096
DEPENDENT = 2.0
CLEAR = 5.0
DENSE_R2 = 0.5
LOW_ORDER_R2 = 0.7
OFFSET_ORDER = 2
INPUTS_A_PATTERN = 8
UNASKED = 0.2
ROWS_A_UNIT = 8
LEAST_MIXED = 256
PILOT = 2048
MOST_MIXED = 2**17
PROBE = 8
TOLD_R2 = 0.98
# Above so many inputs one fold tests; up to it five do in turn.
CROSS_VALIDATED = 5000
UNTOLD = "what is unexplained cannot be told: {why}"


def over_inputs(problem: Problem) -> bool:
    """Whether a problem's inputs are what counts, and not its units one by one.

    So it is where rows and values are given; where there are fewer than a thousand inputs, whose
    mixtures are no new ones; and where units correlate (`correlated`).
    """
    rows, inputs = problem.rows, problem.input_of_row
    if rows is None or inputs is None:
        return False
    if not problem.any_pattern:
        return True
    rows = rows[first_rows(inputs)]
    step = max(len(rows) // JUDGED_ROWS, 1)
    return len(rows) < FEW_INPUTS or correlated(problem.pattern(rows[::step]))


def correlated(pattern: Tensor) -> bool:
    """Whether units correlate: by the mean over pairs of N r^2, about 1 if they do not."""
    varying = pattern[:, pattern.mean(0).abs() < 1]
    n = varying.shape[1]
    pairs = n * (n - 1) / 2
    if not pairs:
        return False
    z = varying - varying.mean(0)
    z = z / z.square().mean(0).sqrt()
    squares = (z.T @ z / len(z)).square().sum() - n
    return bool(len(z) * squares / (2 * pairs) > DEPENDENT + CLEAR * (2 / pairs) ** 0.5)


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
    half = -(-problem.remaining // 2)
    affordable = problem.remaining
    inputs.ask(min(half, PILOT) if problem.any_pattern else problem.remaining)
    if no_spread(inputs.values[inputs.known]) is not None:
        inputs.ask(problem.remaining)
    usable, left_out = usable_units(inputs.pattern, min(affordable, inputs.count))
    if plain is not None:
        varying = set(varying_units(inputs.pattern, plain[0]))
        others = [unit for unit in usable if unit not in varying]
        left_out |= {f"squared mean above gamma={plain[0]:g}": others} if others else {}
        usable = [unit for unit in usable if unit in varying]
    info: dict[str, Any] = {"inputs": inputs.count, "units_searched": len(usable)}
    info |= {"units_left_out": left_out, "warnings": []}
    if not usable:
        told = "; ".join(f"{len(units)} units: {why}" for why, units in left_out.items())
        reason: str | None = f"no unit can be searched: {told}"
    else:
        reason = no_spread(inputs.values[inputs.known])
    if reason is not None:
        info |= {"reason": reason, "unexplained": None, "warnings": [UNTOLD.format(why=reason)]}
        return Attribution.from_subsets({}, n=problem.n, info=info)
    dense = fitted(inputs)
    more: list[Subset] = []
    if problem.any_pattern and inputs.asked < inputs.count:
        more = _probed(inputs, dense, usable, max_branch, affordable)
        inputs.ask(problem.remaining, dense.doubt if dense.r2 >= LOW_ORDER_R2 else None)
        dense = fitted(inputs)
    chosen = _choose(inputs, dense, usable, more)
    if problem.any_pattern and problem.remaining >= _least_mixed(usable):
        more = [*more, *_from_mixtures(inputs, chosen.subsets, usable, max_branch, MOST_MIXED)]
        chosen = _choose(inputs, dense, usable, more)
    if problem.any_pattern:
        info["rows_on_mixtures"] = affordable - problem.remaining - inputs.asked
    info["inputs_asked"] = inputs.asked
    trials = [Trial(inputs, chosen)]
    if inputs.chance is None and inputs.asked <= CROSS_VALIDATED:
        # What mixtures told knows of all inputs but those of the first fold.
        trials += [_trial(inputs.testing(fold), usable) for fold in range(1, FOLDS)]
        found = [subset for trial in trials for subset in trial.chosen.subsets]
        chosen = _choose(inputs.testing(None), dense, usable, [*more, *found])
    if plain is not None:
        trials = [replace(t, chosen=_less_redundant(t.chosen, inputs, plain[1])) for t in trials]
        chosen = _less_redundant(chosen, inputs, plain[1])
    info |= {"subsets_tried": chosen.pool.tried, "order_searched": chosen.pool.order}
    return reported(trials, chosen, tau, fdr, info, set(more))


def _less_redundant(chosen: Chosen, inputs: Inputs, delta: float) -> Chosen:
    """What is left where a subset goes one of whose units the others predict."""
    kept = [s for s in chosen.subsets if predictability(inputs.pattern, s) <= delta]
    return replace(chosen, subsets=kept)


def _least_mixed(units: list[int]) -> int:
    return max(ROWS_A_UNIT * len(units), LEAST_MIXED)


def _probed(
    inputs: Inputs, dense: Dense, units: list[int], max_branch: int, affordable: int
) -> list[Subset]:
    """Subsets that mixtures tell, where so far neither subsets nor the predictor tell all.

    An eighth of the budget, or of `MOST_MIXED` rows, is tried. If subsets are taken that it told,
    three eighths follow.
    """
    few = min(affordable, MOST_MIXED) // PROBE
    if not _least_mixed(units) <= few <= inputs.problem.remaining:
        return []
    chosen = _choose(inputs, dense, units)
    if max(estimates.explained(inputs, chosen.subsets)[1], dense.r2) >= TOLD_R2:
        return []
    more = _from_mixtures(inputs, chosen.subsets, units, max_branch, few)
    taken = _choose(inputs, dense, units, more).subsets
    if not (set(more) & set(taken)) - set(chosen.subsets):
        return []
    rows = min(3 * few, inputs.problem.remaining)
    return [*more, *_from_mixtures(inputs, taken, units, max_branch, rows)]


def _trial(inputs: Inputs, units: list[int]) -> Trial:
    return Trial(inputs, _choose(inputs, fitted(inputs), units))


def _choose(inputs: Inputs, dense: Dense, units: list[int], more: Sequence[Subset] = ()) -> Chosen:
    """Take subsets, with what is predicted of unasked rows if that knows more than they tell.

    The inputs that test are left out, their activations too. No subset has so many units that
    their patterns hold fewer than eight of the inputs asked each.
    """
    searched, choosing = inputs.searched, inputs.choosing
    largest = max(int(log2(max(inputs.asked / INPUTS_A_PATTERN, 1))), 1)
    uneven = inputs.chance is not None
    enough = int(choosing.sum()) > (1 + UNASKED) * int(searched.sum()) and dense.r2 >= DENSE_R2
    if uneven or enough:
        pattern = inputs.pattern[choosing]
        near = (pattern, dense.imputed(inputs)[choosing])
        chosen = _taken(near, (pattern, dense.corrected(inputs)[choosing]), units, more, largest)
        if uneven or estimates.explained(inputs, chosen.subsets)[1] <= dense.r2:
            return chosen
    plain = (inputs.pattern[searched], inputs.values[searched])
    return _taken(plain, plain, units, more, largest)


def _taken(
    near: tuple[Tensor, Tensor],
    whole: tuple[Tensor, Tensor],
    units: list[int],
    more: Sequence[Subset],
    largest: int,
) -> Chosen:
    """Shortlist on some rows, rank on all."""
    pool = pooled(*near, units)
    listed = dict.fromkeys(s for s in (*pool.subsets, *more) if len(s) <= largest)
    found, grown = shortlist(*near, list(listed), pool.associated, largest)
    pool = replace(pool, tried=pool.tried + grown, order=min(pool.order, largest))
    gram = Gram.of(*whole, found)
    return Chosen([found[i] for i in ranked(gram, pool.tried)], gram, pool)


def _from_mixtures(
    inputs: Inputs, subsets: list[Subset], units: list[int], max_branch: int, most: int
) -> list[Subset]:
    """Subsets that the tree finds on mixtures of rows, in what ``subsets`` of two units leave.

    Rows of inputs that test are not among those that are mixed. Many subsets of the units of a
    large one may make up for it under D, so those stay in.
    """
    problem = inputs.problem
    n = problem.n
    rows = inputs.searched
    mask = membership([s for s in subsets if len(s) <= OFFSET_ORDER], n)
    columns = characters(inputs.pattern[rows], mask).double()
    fit = on_design(columns, inputs.values[rows]).coefficients
    rows, pattern = inputs.rows[inputs.choosing], inputs.pattern[inputs.choosing]
    queries = Queries(
        problem,
        offset=lambda pattern: (characters(pattern, mask).double() @ fit).float(),
        draw=lambda k: rows[torch.randint(len(rows), (k,), generator=problem.generator)],
        most=most,
    )
    screened = screen(queries, units, rows[_donors(pattern[:, units] > 0)])
    levels = -(-len(screened.units) // BLOCK)
    if queries.remaining < levels * RESTRICTIONS * LEAST_COMPLETIONS or not levels:
        return []
    found, _ = branch(queries, [screened.units], queries.remaining, None, max_branch)
    return [subset for subset in found if subset]


def _donors(on: Bool[Tensor, "rows units"]) -> Int[Tensor, " donors"]:
    """The first rows, and of each unit that is in one state in those the first in the other."""
    first = on[:DONORS]
    rare = on[:, first.all(0) | ~first.any(0)]
    chosen = torch.arange(len(on)) < DONORS
    chosen[(rare != rare[0]).int().argmax(0)] = True
    return torch.nonzero(chosen)[:, 0]
