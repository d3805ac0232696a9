"""Problem -> attribution: screen, tree or scan, test on fresh draws, joint refit.

The budget goes to an influence screen, one batch a level of the tree, and fresh draws of D that
test what is left. Every query is kept for the joint refit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from actspec_bench.methods.actspec.cells import Cells, enumerated
from actspec_bench.methods.actspec.loworder import further
from actspec_bench.methods.actspec.queries import Queries, refitted, tested
from actspec_bench.methods.actspec.redundancy import (
    distinct_rows,
    distinct_subsets,
    distinct_units,
    predictability,
    varying_units,
)
from actspec_bench.methods.actspec.scan import scan
from actspec_bench.methods.actspec.screen import screen
from actspec_bench.methods.actspec.tree import BLOCK, LEAST_COMPLETIONS, RESTRICTIONS, branch
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

Order = Literal["influence", "given", "random"]

TEST_SHARE = 0.25
# Rows held back for each subset fitted, where all patterns of few units were asked.
ROWS_A_SUBSET = 5
# Rows above this many are shared between the tree and draws, which serve what no tree finds.
TREE_ROWS = 16_384
REDUNDANCY_DRAWS = 4096


def search(
    problem: Problem,
    *,
    tau: float | None,
    gamma: float,
    delta: float,
    max_branch: int,
    order: Order,
    restarts: int,
    fdr: float,
) -> Attribution:
    """Find the large, non-redundant coefficients of ``problem``; see the method's docstring."""
    pool = problem.sample(REDUNDANCY_DRAWS)
    if problem.kind == "interchange":
        pool = distinct_rows(pool)
    draws = problem.pattern(pool)
    units = varying = varying_units(draws, gamma)
    info: dict[str, Any] = {"units_varying": len(units)}
    queries = Queries(problem)
    if not units:
        info["reason"] = "every unit is nearly constant under the problem's distribution"
        return Attribution.from_subsets({}, n=problem.n, info=info)
    if problem.any_pattern:
        screened = screen(queries, units, pool)
        units = screened.units
        info["units_influential"] = len(screened.influence)
        info["units_bisected"] = len(units) - len(screened.influence) - screened.doubtful
        info["units_in_doubt"] = screened.doubtful
        if screened.doubtful < len(units):
            units = distinct_units(draws, units, gamma)
        if problem.uniform and not screened.doubtful:
            cells, units = enumerated(queries, units, varying, _untested(problem), pool)
            if cells is not None:
                return _of_cells(queries, cells, tau, fdr, info)
        rows = _untested(problem)
        if problem.uniform:
            rows = min(rows, (TREE_ROWS + rows) // 2)
        affordable = rows // (restarts * RESTRICTIONS * LEAST_COMPLETIONS) * BLOCK
        info["units_beyond_budget"] = max(len(units) - affordable, 0)
        units = units[:affordable]
        orders = _orders(queries, units, order, restarts)
        candidates, info["tau"] = branch(queries, orders, rows, tau, max_branch)
        fresh = problem.sample(problem.remaining)
    else:
        candidates, fresh = _given(queries, units, max_branch, info)
    info["units_searched"] = len(units)
    half = len(fresh) // 2
    subsets = tested(queries, fresh[:half], candidates, fdr)
    if problem.uniform:
        subsets = further(queries, subsets, units, fdr)
    queries.hold(fresh[half:])
    subsets = [s for s in subsets if len(s) < 2 or predictability(draws, s) <= delta]
    found = refitted(queries, subsets, tau, info)
    if not found.subsets:
        info["reason"] += _what_was_left(problem, info)
    kept = distinct_subsets(draws, found.subsets, gamma)
    return found if len(kept) == len(found.subsets) else refitted(queries, kept, tau, info)


def _what_was_left(problem: Problem, info: dict[str, Any]) -> str:
    """What else the reason of an empty result says: what the budget or the rows were short of."""
    if info.get("units_beyond_budget"):
        return (
            f"; the budget of {problem.budget:,} rows left {info['units_beyond_budget']} "
            "units unsearched: a larger one is needed"
        )
    if problem.any_pattern:
        return ""
    return (
        f"; half of {problem.spent['forward']:,} distinct rows chose subsets of up to "
        f"{info['order_searched']} units, the other half tested them"
    )


def _given(
    queries: Queries, units: list[int], max_branch: int, info: dict[str, Any]
) -> tuple[list[Subset], Tensor]:
    """Subsets that half of the rows given choose, and the other half."""
    problem = queries.problem
    given = problem.foreground
    given = given[torch.randperm(len(given), generator=problem.generator)][: problem.remaining]
    first = given[: len(given) // 2]
    values = queries.ask_drawn(first) if len(first) else torch.zeros(0)
    candidates, info["order_searched"] = scan(problem.pattern(first), values, units, max_branch)
    return candidates, given[len(first) :]


def _untested(problem: Problem) -> int:
    """Rows left for the search: those of the tests and the estimates are set aside."""
    return max(problem.remaining - int(TEST_SHARE * problem.budget), 0)


def _of_cells(
    queries: Queries, cells: Cells, tau: float | None, fdr: float, info: dict[str, Any]
) -> Attribution:
    """Report what all patterns of few units spell, by a joint fit where the test flatters some."""
    problem = queries.problem
    info |= {"units_searched": len(cells.units), "units_enumerated": len(cells.units)}
    fresh = problem.sample(problem.remaining)
    cells = cells.checked(problem.pattern(fresh), queries.hold(fresh))
    found = cells.found(fdr)
    fit = cells.fit(found)
    subsets = [*found] if fit else [*found][: len(fresh) // ROWS_A_SUBSET]
    return refitted(queries, subsets, tau, info, fit)


def _orders(queries: Queries, units: list[int], order: Order, restarts: int) -> list[list[int]]:
    """Orders in which units are decided: the one asked for, then random ones."""
    first = sorted(units) if order == "given" else units
    shuffled = restarts if order == "random" else restarts - 1
    generator = queries.problem.generator
    random = [
        [units[i] for i in torch.randperm(len(units), generator=generator).tolist()]
        for _ in range(shuffled)
    ]
    return random if order == "random" else [first, *random]
