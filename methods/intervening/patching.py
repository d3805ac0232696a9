"""Pairs -> effects: single units patched from one row of a pair into the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.methods.intervening.choices import Direction, ways
from actspec_bench.methods.intervening.finding import find_pairs, find_pairs_for_gradients
from actspec_bench.methods.intervening.pairs import Pairs
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.distinct import first_rows, numbered
from actspec_bench.problems.explaining import Aggregate, On, aggregated, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problems.problem import Problem

__all__ = ["attribution_patching", "patched_singly", "patched_values", "single_effects"]

ROWS_A_CALL = 2**13
SHARE_ON_PAIRS = 0.25


def patched_singly(
    problem: Problem, *, on: On, direction: Direction, aggregate: Aggregate
) -> Attribution:
    """Return the effect of each unit, patched alone, as `methods.patching` describes it."""
    function, count = explained(problem, on), ways(direction)
    pairs = find_pairs(problem, function, cost=problem.n * count, share=SHARE_ON_PAIRS)
    pairs = pairs.within(function, count * pairs.differing.sum(1), problem.remaining)
    effects = single_effects(function, pairs, direction)
    return _scored(effects, aggregate, pairs, "no single unit changes the function")


def single_effects(
    function: Callable[[Tensor], Tensor], pairs: Pairs, direction: Direction
) -> Float[Tensor, "pairs n"]:
    """Return the effect of each unit of each pair, as a share of the mean full difference.

    One row a unit that differs within its pair and a direction; the others have effect 0.
    """
    every = torch.ones(pairs.clean.shape[1], dtype=torch.bool)
    total = torch.zeros_like(pairs.clean)
    if direction != "noising":
        value = pairs.corrupt_values
        total += patched_values(function, pairs.corrupt, pairs.clean, value, every)
        total -= value[:, None]
    if direction != "denoising":
        value = pairs.clean_values
        total -= patched_values(function, pairs.clean, pairs.corrupt, value, every)
        total += value[:, None]
    return total / (ways(direction) * pairs.full_difference)


def patched_values(
    function: Callable[[Tensor], Tensor],
    into: Float[Tensor, "pairs n"],
    donors: Float[Tensor, "pairs n"],
    values: Float[Tensor, " pairs"],
    units: Bool[Tensor, " n"],
) -> Float[Tensor, "pairs n"]:
    """Return the function where one unit of a row is its donor's, for each row and unit.

    Units outside ``units``, and those equal in the donor, keep the value of the row as it is, and
    cost nothing.

    Parameters
    ----------
    function
        (B, n) -> (B,).
    into, donors
        Rows, and where their units come from.
    values
        The function at ``into``.
    units
        Which units to patch.
    """
    found = values[:, None].expand(into.shape).clone()
    asked = torch.nonzero((into != donors) & units)
    for part in torch.split(asked, ROWS_A_CALL):
        row, unit = part.T
        patched = into[row]
        patched[torch.arange(len(part)), unit] = donors[row, unit]
        found[row, unit] = function(patched)
    return found


def attribution_patching(
    problem: Problem, *, direction: Direction, aggregate: Aggregate
) -> Attribution:
    """Return gradient times difference, as `methods.patching` describes it."""
    pairs = find_pairs_for_gradients(problem, problem.margin, direction=direction)
    price = torch.zeros(len(pairs), dtype=torch.long)
    if direction != "noising":
        price[first_rows(numbered(pairs.corrupt))] += 2
    if direction != "denoising":
        price[first_rows(numbered(pairs.clean))] += 2
    pairs = pairs.within(problem.margin, price, problem.remaining)
    slope = torch.zeros_like(pairs.clean)
    if direction != "noising":
        slope += _gradient(problem, pairs.corrupt)
    if direction != "denoising":
        slope += _gradient(problem, pairs.clean)
    effects = slope * (pairs.clean - pairs.corrupt)
    effects /= ways(direction) * pairs.full_difference
    return _scored(effects, aggregate, pairs, "the gradient is zero wherever units differ")


def _scored(effects: Tensor, aggregate: Aggregate, pairs: Pairs, reason: str) -> Attribution:
    scores = aggregated(effects, aggregate)
    info = pairs.facts if bool(scores.any()) else {**pairs.facts, "reason": reason}
    return Attribution.from_units(scores, info=info)


def _gradient(problem: Problem, rows: Tensor) -> Tensor:
    """Gradient of the margin at each row; of equal rows once, which saves their queries."""
    number = numbered(rows)
    leaf = rows[first_rows(number)].requires_grad_()
    slope: Tensor = torch.autograd.grad(problem.margin(leaf).sum(), leaf)[0]
    return slope[number]
