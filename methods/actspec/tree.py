"""Problem -> attribution by the Goldreich-Levin branch and bound.

The budget goes to an influence screen, one batch a level of the tree that all its nodes share,
and fresh draws of D that test what is left. A level decides several units at once. What the
tree finds is fitted and subtracted, and the tree is walked again on the same queries until it
finds no more. Every query is kept for the joint refit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from math import ceil, comb, sqrt
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from actspec_bench.fourier import Subset
from actspec_bench.fourier.regression import least_squares
from actspec_bench.fourier.spectrum import (
    all_patterns,
    characters,
    goldreich_levin_weights,
    membership,
)
from actspec_bench.methods.actspec.queries import Queries, refitted, tested
from actspec_bench.methods.actspec.redundancy import (
    distinct_rows,
    distinct_subsets,
    distinct_units,
    predictability,
    varying_units,
)
from actspec_bench.methods.actspec.screen import screen
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problems.problem import Problem

Order = Literal["influence", "given", "random"]

TEST_SHARE = 0.25
REDUNDANCY_DRAWS = 4096
BLOCK = 8
RESTRICTIONS = 8
LEAST_COMPLETIONS = 4
NOISE_Z = 4.0
PASSES = 8
NEW_A_PASS = 32
ROWS_A_PARAMETER = 8
FOUND_T = 4.5
EXPLAINED = 1e-12
SCAN_ORDER = 3
SCAN_SUBSETS = 100_000
SCAN_POOL = 1024
OWN_SHARE = 1e-3


@dataclass(frozen=True)
class Level:
    """One level of a tree: a batch that all its nodes share.

    Attributes
    ----------
    start, stop
        Positions, in the order of search, of the units decided here; those before are decided.
    pattern
        (M, R, stop) patterns of the first ``stop`` units in that order.
    rows
        Which of the tree's rows these are, in one run.
    """

    start: int
    stop: int
    pattern: Float[Tensor, "restrictions completions units"]
    rows: slice


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
    units = varying_units(draws, gamma)
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
        affordable = rows // (restarts * RESTRICTIONS * LEAST_COMPLETIONS) * BLOCK
        info["units_beyond_budget"] = max(len(units) - affordable, 0)
        units = units[:affordable]
        orders = _orders(queries, units, order, restarts)
        candidates, info["tau"] = _branch(queries, orders, rows, tau, max_branch)
        fresh = problem.sample(problem.remaining)
    else:
        given = problem.foreground
        given = given[torch.randperm(len(given), generator=problem.generator)][: problem.remaining]
        first = given[: len(given) // 2]
        values = queries.ask_drawn(first) if len(first) else torch.zeros(0)
        pattern = problem.pattern(first)
        candidates, info["order_searched"] = _scan(pattern, values, units, max_branch)
        fresh = given[len(first) :]
    info["units_searched"] = len(units)
    half = len(fresh) // 2
    subsets = tested(queries, fresh[:half], candidates, fdr)
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


def _branch(
    queries: Queries, orders: list[list[int]], rows: int, tau: float | None, max_branch: int
) -> tuple[list[Subset], float | None]:
    """Subsets that the trees find, surest first, and tau used (of the last pass if not given)."""
    if not orders[0]:
        return [], tau
    first = len(queries.values)
    trees = [_levels(queries, units, rows // len(orders), first) for units in orders]
    pattern = torch.cat(queries.patterns[first:])
    groups = torch.cat(queries.groups[first:])
    values = torch.cat(queries.values[first:]).double()
    values = values - values.mean()
    scale = float(values.square().mean().sqrt()) or 1.0
    values = values / scale
    residual = values
    found: list[Subset] = []
    candidates: list[Subset] = []
    for _ in range(PASSES):
        walks = [
            _walk(levels, units, residual.float(), None if tau is None else tau / scale, max_branch)
            for levels, units in zip(trees, orders, strict=True)
        ]
        new = dict.fromkeys(s for subsets, _ in walks for s in subsets[:NEW_A_PASS] if s)
        candidates = [*found, *(s for s in new if s not in found)]
        bound = max(bound for _, bound in walks)
        before = set(found)
        found = _clear(pattern, values, candidates[: len(values) // ROWS_A_PARAMETER], groups)
        if set(found) == before:
            break
        coefficients = least_squares(pattern, values, found, groups).coefficients
        chi = characters(pattern, membership(found, pattern.shape[1])).double()
        residual = values - chi @ coefficients
        residual = residual - residual.mean()
        if float(residual.square().mean()) <= EXPLAINED:
            candidates = found
            break
    return candidates, scale * sqrt(2 * bound) if tau is None else tau


def _levels(queries: Queries, units: list[int], rows: int, first: int) -> list[Level]:
    """Query one batch a level, from the first few units decided to all of them.

    The rows of a level share what is not yet decided; those of the last are draws of D.
    """
    problem = queries.problem
    count = ceil(len(units) / BLOCK)
    bounds = [round(len(units) * i / count) for i in range(count + 1)]
    completions = rows // (count * RESTRICTIONS)
    asked = sum(len(values) for values in queries.values[first:])
    levels = []
    for start, stop in pairwise(bounds):
        decided = units[:stop]
        x = problem.sample(RESTRICTIONS * completions)
        if stop < len(units):
            prefix = x[:, decided]
            x = problem.sample(RESTRICTIONS).repeat_interleave(completions, dim=0)
            x[:, decided] = prefix
        if stop < len(units):
            queries.ask(x, RESTRICTIONS)
        else:
            queries.ask_drawn(x)
        pattern = problem.pattern(x)[:, decided].reshape(RESTRICTIONS, completions, stop)
        levels.append(Level(start, stop, pattern, slice(asked, asked + len(x))))
        asked += len(x)
    return levels


def _walk(
    levels: list[Level], units: list[int], values: Tensor, tau: float | None, max_branch: int
) -> tuple[list[Subset], float]:
    """Subsets left when every level of a tree was decided, heaviest first, and the last bound."""
    nodes: Bool[Tensor, "nodes k"] = torch.zeros(1, 0, dtype=torch.bool)
    bound = 0.0
    for level in levels:
        restrictions, completions, depth = level.pattern.shape
        outcome = values[level.rows].reshape(restrictions, completions)
        grown = torch.zeros(len(nodes), depth, dtype=torch.bool)
        grown[:, : level.start] = nodes
        extensions = torch.zeros(2 ** (depth - level.start), depth, dtype=torch.bool)
        extensions[:, level.start :] = all_patterns(depth - level.start) < 0
        weights, errors = goldreich_levin_weights(outcome, level.pattern, grown, extensions)
        if tau is None:
            # Standard deviation of a weight where there is none: all pairs are independent.
            pairs = restrictions * completions * (completions - 1)
            bound = NOISE_Z * float(outcome.square().mean()) * sqrt(2 / pairs)
        else:
            bound = tau**2 / 2
        heaviest = weights.topk(min(max_branch, len(weights))).indices
        kept = heaviest[(weights + errors)[heaviest] > bound]
        nodes = grown[kept // len(extensions)] | extensions[kept % len(extensions)]
        if not len(nodes):
            break
    return [
        tuple(sorted(units[i] for i in torch.nonzero(node)[:, 0].tolist())) for node in nodes
    ], bound


def _clear(
    pattern: Tensor, values: Tensor, candidates: list[Subset], groups: Tensor
) -> list[Subset]:
    """Candidates clear of noise in a joint fit, largest statistic first."""
    if not candidates:
        return []
    fit = least_squares(pattern, values, candidates, groups)
    statistic = fit.coefficients.abs() / fit.errors
    return [candidates[i] for i in statistic.argsort(descending=True) if statistic[i] > FOUND_T]


def _scan(
    pattern: Float[Tensor, "rows n"], values: Float[Tensor, " rows"], units: list[int], most: int
) -> tuple[list[Subset], int]:
    """Subsets of up to three units that explain given values, by matching pursuit, and the order.

    Serves given samples, where no restriction can be completed twice. The largest order is the
    one whose subsets number at most 100,000; of those that correlate most with the values, the
    next one taken is each time the one that correlates most with what is left of them (orthogonal
    matching pursuit: Pati, Rezaiifar & Krishnaprasad 1993), so that no twin of a subset comes in
    for what that subset explains.
    """
    if not len(values):
        return [], 0
    left = (values - values.mean()).double()
    strongest: list[tuple[float, Subset]] = []
    total = order = 0
    while order < SCAN_ORDER and total + comb(len(units), order + 1) <= SCAN_SUBSETS:
        order += 1
        total += comb(len(units), order)
        subsets = combinations(sorted(units), order)
        while part := list(islice(subsets, 4096)):
            chi = characters(pattern, membership(part, pattern.shape[1]))
            strength = (left.float() @ chi).abs() / len(values)
            strongest += zip(strength.tolist(), part, strict=True)
        strongest = sorted(strongest, key=lambda item: (-item[0], item[1]))[:SCAN_POOL]
    pool = [subset for _, subset in strongest]
    chi = characters(pattern, membership(pool, pattern.shape[1])).double()
    chi = chi - chi.mean(0)
    whole = chi.square().sum(0)
    found: list[Subset] = []
    for _ in range(min(most, NEW_A_PASS, len(pool))):
        own = chi.square().sum(0)
        open_ = own > OWN_SHARE * whole
        score = torch.where(open_, (left @ chi).square() / own.clamp(min=1e-12), 0.0)
        best = int(score.argmax())
        if score[best] <= 0:
            break
        found.append(pool[best])
        direction = chi[:, best] / own[best].sqrt()
        left = left - direction * (direction @ left)
        chi = chi - direction[:, None] * (direction @ chi)[None, :]
    return found, order
