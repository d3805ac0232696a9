"""Problem -> attribution: screen, tree, test on fresh draws, joint refit.

Units that depend on each other over a data set are for `layers`. Of others the budget goes to an
influence screen, one batch a level of the tree, and fresh draws of D that test what is left. Every
query is kept for the joint refit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

from actspec_bench.methods.actspec.cells import Cells, enumerated
from actspec_bench.methods.actspec.layers import over_inputs, search_inputs
from actspec_bench.methods.actspec.loworder import further
from actspec_bench.methods.actspec.pool import usable_units
from actspec_bench.methods.actspec.queries import Queries, refitted, tested
from actspec_bench.methods.actspec.redundancy import (
    REDUNDANCY_DRAWS,
    distinct_rows,
    distinct_subsets,
    distinct_units,
    predictability,
    varying_units,
)
from actspec_bench.methods.actspec.screen import screen
from actspec_bench.methods.actspec.tree import BLOCK, LEAST_COMPLETIONS, RESTRICTIONS, branch
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

Order = Literal["influence", "given", "random"]
Basis = Literal["p-biased", "plain"]

TEST_SHARE = 0.25
# Rows held back for each subset fitted, where all patterns of few units were asked.
ROWS_A_SUBSET = 5
# Rows above this many are shared between the tree and draws, which serve what no tree finds.
TREE_ROWS = 16_384
EQUAL = 0.9


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
    basis: Basis,
) -> Attribution:
    """Find the large, non-redundant coefficients of ``problem``; see the method's docstring."""
    if over_inputs(problem):
        plain = (gamma, delta) if basis == "plain" else None
        return search_inputs(problem, tau=tau, max_branch=max_branch, fdr=fdr, plain=plain)
    pool = problem.sample(REDUNDANCY_DRAWS)
    if problem.kind == "interchange":
        pool = distinct_rows(pool)
    draws = problem.pattern(pool)
    info: dict[str, Any] = {}
    biased = basis == "p-biased" and not problem.uniform
    if biased:
        units, info["units_left_out"] = usable_units(draws, len(draws))
    else:
        units = varying_units(draws, gamma)
    varying = units
    info["units_varying"] = len(units)
    queries = Queries(problem)
    if not units:
        info["reason"] = "every unit is nearly constant under the problem's distribution"
        return Attribution.from_subsets({}, n=problem.n, info=info)
    units, doubtful = _screened(queries, units, pool, draws, EQUAL if biased else gamma, info)
    if problem.uniform and not doubtful:
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
    means = draws.mean(0) if biased else None
    candidates, info["tau"] = branch(queries, orders, rows, tau, max_branch, means)
    fresh = problem.sample(problem.remaining)
    info["units_searched"] = len(units)
    half = len(fresh) // 2
    subsets = tested(queries, fresh[:half], candidates, fdr)
    if problem.uniform:
        subsets = further(queries, subsets, units, fdr)
    queries.hold(fresh[half:])
    return _refitted(queries, subsets, tau, info, None if biased else (draws, gamma, delta))


def _refitted(
    queries: Queries,
    subsets: list[Subset],
    tau: float | None,
    info: dict[str, Any],
    plain: tuple[Tensor, float, float] | None,
) -> Attribution:
    """Report subsets; with ``plain`` (draws, gamma, delta) less those the paper's rule drops."""
    if plain is not None:
        draws, gamma, delta = plain
        subsets = [s for s in subsets if len(s) < 2 or predictability(draws, s) <= delta]
    found = refitted(queries, subsets, tau, info)
    if not found.subsets and info["units_beyond_budget"]:
        info["reason"] += (
            f"; the budget of {queries.problem.budget:,} rows left {info['units_beyond_budget']} "
            "units unsearched: a larger one is needed"
        )
    if plain is not None:
        kept = distinct_subsets(draws, found.subsets, gamma)
        if len(kept) < len(found.subsets):
            return refitted(queries, kept, tau, info)
    return found


def _screened(
    queries: Queries,
    units: list[int],
    pool: Tensor,
    draws: Tensor,
    equal: float,
    info: dict[str, Any],
) -> tuple[list[int], int]:
    """Units that matter, most influential first, and how many of them are in doubt.

    Of units that are all but ``equal`` the one with most influence is the function's own.
    """
    found = screen(queries, units, pool)
    info["units_influential"] = len(found.influence)
    info["units_bisected"] = len(found.units) - len(found.influence) - found.doubtful
    info["units_in_doubt"] = found.doubtful
    told = found.doubtful < len(found.units)
    return distinct_units(draws, found.units, equal) if told else found.units, found.doubtful


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
