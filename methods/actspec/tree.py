"""Units in order -> candidates: the Goldreich-Levin branch and bound.

One batch a level of the tree, which all its nodes share; a level decides several units at once.
What the tree finds is fitted and subtracted, and the tree is walked again on the same queries
until it finds no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.regression import least_squares
from actspec_bench.fourier.spectrum import (
    all_patterns,
    characters,
    goldreich_levin_weights,
    membership,
)
from actspec_bench.methods.actspec.loworder import low_order

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

BLOCK = 8
RESTRICTIONS = 8
LEAST_COMPLETIONS = 4
NOISE_Z = 4.0
PASSES = 8
NEW_A_PASS = 32
ROWS_A_PARAMETER = 8
FOUND_T = 4.5
EXPLAINED = 1e-12
# Subsets of few units taken at a time, where more than this many times the noise is left.
LOW_ORDER, LEFT_NOISE = 256, 4.0


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


def branch(
    queries: Queries,
    orders: list[list[int]],
    rows: int,
    tau: float | None,
    max_branch: int,
    means: Tensor | None = None,
) -> tuple[list[Subset], float | None]:
    """Subsets that the trees find, surest first, and tau used (of the last pass if not given).

    With ``means`` of all units' states, nodes are weighted in the p-biased basis.
    """
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
    scaled_tau = None if tau is None else tau / scale
    # Mixtures of draws are draws under the uniform distribution alone.
    uniform = queries.problem.uniform
    least = max(LEFT_NOISE * queries.noise / scale**2, EXPLAINED) if uniform else inf
    found: list[Subset] = []
    candidates: list[Subset] = []
    for _ in range(PASSES):
        walks = [
            _walk(levels, units, residual.float(), scaled_tau, max_branch, means)
            for levels, units in zip(trees, orders, strict=True)
        ]
        new = [s for subsets, _ in walks for s in subsets[:NEW_A_PASS] if s]
        bound = max(bound for _, bound in walks)
        before = set(found)
        candidates = _joined(found, new, len(values))
        found = _clear(pattern, values, candidates, groups)
        if set(found) == before and float(residual.square().mean()) > least:
            # What is left may be in many weak subsets, of which no node tells.
            new, _ = low_order(pattern, residual, orders[0], LOW_ORDER)
            candidates = _joined(found, new, len(values))
            found = _clear(pattern, values, candidates, groups)
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


def _joined(found: list[Subset], new: list[Subset], rows: int) -> list[Subset]:
    """Subsets found and new ones, as many as the rows can tell apart."""
    return [*dict.fromkeys([*found, *new])][: rows // ROWS_A_PARAMETER]


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
        x = queries.sample(RESTRICTIONS * completions)
        if stop < len(units):
            prefix = x[:, decided]
            x = queries.sample(RESTRICTIONS).repeat_interleave(completions, dim=0)
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
    levels: list[Level],
    units: list[int],
    values: Tensor,
    tau: float | None,
    max_branch: int,
    means: Tensor | None,
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
        centre = None if means is None else means[units[:depth]]
        weights, errors = goldreich_levin_weights(outcome, level.pattern, grown, extensions, centre)
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
