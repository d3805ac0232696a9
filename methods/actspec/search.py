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
    from actspec_bench.problems.problem import Problem

Order = Literal["influence", "given", "random"]

TEST_SHARE = 0.25
# Rows held back for each subset fitted, where all patterns of few units were asked.
ROWS_A_SUBSET = 5
# Rows for the tree of which half go into draws, which serve what no tree finds.
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
        rows = max(problem.remaining - int(TEST_SHARE * problem.budget), 0)
        if problem.uniform and not screened.doubtful:
            dropped = [unit for unit in varying if unit not in screened.units]
            cells, units = enumerated(queries, units, dropped, rows, pool)
            if cells is not None:
                return _of_cells(queries, cells, tau, fdr, info)
            rows = max(problem.remaining - int(TEST_SHARE * problem.budget), 0)
        rows = min(rows, TREE_ROWS + max(rows - TREE_ROWS, 0) // 2)
        affordable = rows // (restarts * RESTRICTIONS * LEAST_COMPLETIONS) * BLOCK
        info["units_beyond_budget"] = max(len(units) - affordable, 0)
        units = units[:affordable]
        orders = _orders(queries, units, order, restarts)
        candidates, info["tau"] = branch(queries, orders, rows, tau, max_branch)
        fresh = problem.sample(problem.remaining)
    else:
        given = problem.foreground
        given = given[torch.randperm(len(given), generator=problem.generator)][: problem.remaining]
        first = given[: len(given) // 2]
        values = queries.ask_drawn(first) if len(first) else torch.zeros(0)
        pattern = problem.pattern(first)
        candidates, info["order_searched"] = scan(pattern, values, units, max_branch)
        fresh = given[len(first) :]
    info["units_searched"] = len(units)
    half = len(fresh) // 2
    subsets = tested(queries, fresh[:half], candidates, fdr)
    if problem.uniform:
        subsets = further(queries, subsets, units, fdr)
    queries.hold(fresh[half:])
    subsets = [s for s in subsets if len(s) < 2 or predictability(draws, s) <= delta]
    found = refitted(queries, subsets, tau, info)
    if not found.subsets and info.get("units_beyond_budget"):
        info["reason"] += (
            f"; the budget of {problem.budget:,} rows left {info['units_beyond_budget']} "
            "units unsearched: a larger one is needed"
        )
    if not found.subsets and not problem.any_pattern:
        info["reason"] += (
            f"; half of {len(given):,} distinct rows chose subsets of up to "
            f"{info['order_searched']} units, the other half tested them"
        )
    kept = distinct_subsets(draws, found.subsets, gamma)
    return found if len(kept) == len(found.subsets) else refitted(queries, kept, tau, info)


def _of_cells(
    queries: Queries, cells: Cells, tau: float | None, fdr: float, info: dict[str, Any]
) -> Attribution:
    """Report what all patterns of few units spell; by a joint fit where equal ones differ."""
    problem = queries.problem
    info |= {"units_searched": len(cells.units), "units_enumerated": len(cells.units)}
    found = cells.found(fdr)
    fresh = problem.sample(problem.remaining)
    values = queries.hold(fresh)
    if cells.exact:
        fit = cells.fit(found, problem.pattern(fresh), values)
        return refitted(queries, [*found], tau, info, fit)
    return refitted(queries, [*found][: len(fresh) // ROWS_A_SUBSET], tau, info)


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
