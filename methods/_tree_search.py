"""Problem -> attribution by the Goldreich-Levin branch and bound.

The budget goes to an influence screen, one batch a level of the tree that all its nodes share,
and fresh draws of D that test what is left. Every query is kept for the joint refit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import ceil, comb, sqrt
from typing import TYPE_CHECKING, Any

import torch
from actspec_bench.methods._queries import Queries, refitted, tested
from actspec_bench.methods._redundancy import distinct_units, predictability, varying_units
from actspec_bench.methods._refit import least_squares
from actspec_bench.methods._screen import screen
from torch import Tensor

from actspec_bench.attribution import Attribution, Subset
from actspec_bench.spectrum import (
    all_patterns,
    characters,
    goldreich_levin_weights,
    membership,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problem import Problem

SCREEN_SHARE = 0.15
TEST_SHARE = 0.25
SCREEN_FLIPS = (2, 64)
NOISE_REPEATS = 16
SCREEN_LEVEL = 0.05
SCREEN_ROUNDING = 1e-5
LEAST_COMPLETIONS = 4
NEW = 32
BLOCK = 8
RESTRICTIONS = 8
PASSES = 8
PEEL_T = 4.5
import os
NOISE_Z = float(os.environ.get('NZ','2.5'))
LEAST_RESTRICTIONS = 2
REDUNDANCY_DRAWS = 4096
SCAN_ORDER = 3
SCAN_SUBSETS = 100_000


def search(
    problem: Problem,
    *,
    tau: float | None,
    gamma: float,
    delta: float,
    max_branch: int,
    fdr: float,
) -> Attribution:
    """Find the large, non-redundant coefficients of ``problem``; see the method's docstring."""
    pool = problem.sample(REDUNDANCY_DRAWS)
    draws = problem.pattern(pool)
    units = varying_units(draws, gamma)
    info: dict[str, Any] = {"units_varying": len(units)}
    queries = Queries(problem)
    if not units:
        info["reason"] = "every unit is nearly constant under the problem's distribution"
        return Attribution.from_subsets({}, n=problem.n, info=info)
    if problem.any_pattern:
        budget = problem.remaining
        screened = screen(queries, units, pool)
        units = screened.units
        info["units_influential"] = len(screened.influence)
        info["units_in_doubt"] = screened.doubtful
        units = distinct_units(draws, units, gamma)
        rows = problem.remaining - int(TEST_SHARE * budget)
        affordable = rows // (LEAST_COMPLETIONS * RESTRICTIONS) * BLOCK
        info["units_beyond_budget"] = max(len(units) - affordable, 0)
        units = units[:affordable]
        info["units_searched"] = len(units)
        candidates, info["tau"] = _branch(queries, units, rows, tau, max_branch)
        fresh = problem.sample(problem.remaining)
    else:
        units = distinct_units(draws, units, gamma)
        info["units_searched"] = len(units)
        given = problem.foreground
        given = given[torch.randperm(len(given), generator=problem.generator)][: problem.remaining]
        first = given[: len(given) // 2]
        values = queries.ask(first, len(first)) if len(first) else torch.zeros(0)
        candidates = _scan(problem.pattern(first), values, units, max_branch)
        fresh = given[len(first) :]
    subsets = tested(queries, fresh, candidates, fdr)
    subsets = [s for s in subsets if len(s) < 2 or predictability(draws, s) <= delta]
    return refitted(queries, subsets, tau, info)


@dataclass
class Level:
    """One level of the tree: a batch that all its nodes share.

    Attributes
    ----------
    block
        Positions, in the order of search, of the units decided here; those before are decided.
    pattern, values
        (M, R, k) patterns of the first k units in that order, and (M, R) values.
    """

    block: range
    pattern: Float[Tensor, "restrictions completions k"]
    values: Float[Tensor, "restrictions completions"]


def _levels(queries: Queries, units: list[int], rows: int) -> list[Level]:
    """Query one batch a level, from the first few units decided to all of them."""
    problem = queries.problem
    count = ceil(len(units) / BLOCK)
    bounds = [round(len(units) * i / count) for i in range(count + 1)]
    completions = rows // (count * RESTRICTIONS)
    levels = []
    for start, stop in pairwise(bounds):
        prefix = units[:stop]
        z = problem.sample(RESTRICTIONS)
        x = z.repeat_interleave(completions, dim=0)
        x[:, prefix] = problem.sample(len(x))[:, prefix]
        if stop == len(units):
            x = problem.sample(len(x))
        values = queries.ask(x, len(x) if stop == len(units) else RESTRICTIONS)
        values = values.reshape(RESTRICTIONS, completions)
        pattern = problem.pattern(x)[:, prefix].reshape(RESTRICTIONS, completions, stop)
        levels.append(Level(range(start, stop), pattern, values))
    return levels


def _walk(
    levels: list[Level], values: list[Tensor], tau: float | None, max_branch: int
) -> tuple[Bool[Tensor, "nodes k"], float]:
    """Nodes left when every level of the tree was decided, heaviest first, and tau used."""
    nodes: Bool[Tensor, "nodes k"] = torch.zeros(1, 0, dtype=torch.bool)
    bound = 0.0
    for level, outcome in zip(levels, values, strict=True):
        restrictions, completions, depth = level.pattern.shape
        grown = torch.zeros(len(nodes), depth, dtype=torch.bool)
        grown[:, : nodes.shape[1]] = nodes
        extensions = torch.zeros(2 ** len(level.block), depth, dtype=torch.bool)
        extensions[:, level.block.start :] = all_patterns(len(level.block)) < 0
        weights, errors = goldreich_levin_weights(outcome, level.pattern, grown, extensions)
        if tau is None:
            noise = sqrt(2 / (completions * (completions - 1) * restrictions))
            bound = NOISE_Z * float(outcome.square().mean()) * noise
        else:
            bound = tau**2 / 2
        heaviest = weights.argsort(descending=True)[:max_branch]
        kept = heaviest[(weights + errors)[heaviest] > bound]
        if not len(kept):
            return torch.zeros(0, depth, dtype=torch.bool), bound
        nodes = grown[kept // len(extensions)] | extensions[kept % len(extensions)]
    return nodes, bound


def _branch(
    queries: Queries, units: list[int], rows: int, tau: float | None, max_branch: int
) -> tuple[list[Subset], float | None]:
    if not units:
        return [], tau
    centre = torch.cat(queries.values).mean()
    start = len(queries.values)
    levels = _levels(queries, units, rows)
    pattern = torch.cat(queries.patterns[start:])
    values = torch.cat(queries.values[start:]) - centre
    residual = values
    found: list[Subset] = []
    candidates=[]
    for _ in range(PASSES):
        split = [part.reshape(level.values.shape) for part, level in zip(residual.split([level.values.numel() for level in levels]), levels)]
        nodes, bound = _walk(levels, split, tau, max_branch)
        new = [tuple(sorted(units[i] for i in torch.nonzero(node)[:, 0].tolist())) for node in nodes]
        candidates = found + [s for s in new if s and s not in found]
        fitted = candidates = candidates[: len(found) + NEW]
        fitted = fitted[: len(values) // 8]
        if not fitted: break
        fit = least_squares(pattern, values, fitted)
        good = (fit.coefficients.abs() / fit.errors) > PEEL_T
        kept = [s for s, g in zip(fitted, good.tolist()) if g]
        if set(kept) == set(found): break
        found = kept
        if not found: break
        fit = least_squares(pattern, values, found)
        residual = values - characters(pattern, membership(found, pattern.shape[1])).double() @ fit.coefficients
        residual = (residual - residual.mean()).float()
    return candidates, sqrt(2 * bound) if tau is None else tau


def _scan(
    pattern: Float[Tensor, "rows n"], values: Float[Tensor, " rows"], units: list[int], most: int
) -> list[Subset]:
    """Subsets of up to three units that correlate most with given values, strongest first.

    Serves given samples, where no restriction can be completed twice; the largest order is the
    one whose subsets number at most 100,000.
    """
    if not len(values):
        return []
    centred = values - values.mean()
    found: list[tuple[float, Subset]] = []
    total = 0
    for order in range(1, SCAN_ORDER + 1):
        total += comb(len(units), order)
        if total > SCAN_SUBSETS:
            break
        subsets = list(combinations(sorted(units), order))
        for start in range(0, len(subsets), 4096):
            part = subsets[start : start + 4096]
            chi = characters(pattern, membership(part, pattern.shape[1]))
            strength = (centred @ chi).abs() / len(values)
            found += zip(strength.tolist(), part, strict=True)
        found = sorted(found, key=lambda item: (-item[0], item[1]))[:most]
    return [subset for _, subset in found]
