"""Problem -> the units that change the value, most influential first: what the tree searches.

Units are flipped one at a time on shared base rows; those that changed nothing are then redrawn
all together, and wherever that changes the value, bisection finds a unit that does. So where
single changes stand out of the noise, units are dropped only after the value stood still while all
of them moved, in more rows the larger the budget; where means of several changes do, by an F test;
and where neither does, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.actspec.changes import (
    CHANGE_Z,
    LEVEL,
    Pairs,
    bisected,
    flipped,
    steps_of,
    threshold,
)
from actspec_bench.methods.actspec.queries import ROUNDING

if TYPE_CHECKING:
    from actspec_bench.methods.actspec.queries import Queries

SHARE = 0.5
FLIP_SHARE = 0.12
FLIPS = (2, 64)
BASES = 32
# Pairs of rows that bisection starts from, as a share of what is left of the budget.
PAIRS_SHARE = 1 / 64
LEAST_CHANGE = 0.1


@dataclass(frozen=True)
class Screen:
    """Units in the order of search, and what was learned about them.

    Attributes
    ----------
    units
        Most influential first, then those found by bisection, then those still in doubt.
    influence
        Mean squared change of the value of those whose flip changed it.
    doubtful
        Units kept without having been seen to change anything.
    """

    units: list[int]
    influence: dict[int, float]
    doubtful: int


def screen(queries: Queries, units: list[int], pool: Tensor) -> Screen:
    """Find which of ``units`` matter, with at most a share of what is left of the budget.

    Base rows mix two draws of D unit by unit, as the tree's rows do, since on real rows alone
    a robust network's decision hardly ever hangs on one unit. A flipped unit takes its value
    from a row of ``pool`` that has it in the other state. Base rows asked twice tell the noise.
    If it would hide a change of a tenth of the variance, nothing more is asked and all units
    are kept.
    """
    from scipy.stats import f

    problem = queries.problem
    needed = 2 * BASES + FLIPS[0] * len(units)
    if needed > queries.remaining:
        raise NotApplicable(
            f"the influence screen of {len(units)} units needs at least {needed:,} rows and "
            f"{queries.remaining:,} of the budget of {problem.budget:,} remain"
        )
    reserve = queries.remaining - int(SHARE * queries.remaining)
    first = queries.next_group
    base = _mixed(queries, BASES)
    clean = queries.ask(base, BASES).double()
    again = queries.ask(base, BASES, first=first)
    rounding = ROUNDING**2 * float(clean.square().mean())
    noise = max(float((again - clean).square().mean()), rounding)
    queries.noise, queries.noise_freedom = noise / 2, BASES
    change = max(LEAST_CHANGE * float(clean.var()), rounding)
    clear = noise <= rounding or CHANGE_Z**2 * noise <= change
    flips = max(int(FLIP_SHARE * queries.remaining / len(units)), FLIPS[0])
    if not clear and 2 * (CHANGE_Z * noise) ** 2 > flips * change**2:
        return Screen(units, {}, len(units))
    flips = min(flips, FLIPS[1])
    base, clean = base[:flips], clean[:flips]
    if flips > BASES:
        more = _mixed(queries, flips - BASES)
        base = torch.cat([base, more])
        clean = torch.cat([clean, queries.ask(more, len(more))])
    changed = queries.ask(flipped(queries, base, units, pool), flips, first=first).reshape(
        flips, len(units)
    )
    square = (changed - clean[:, None]).square()
    moves = square.mean(0) > noise * f.isf(LEVEL, flips, BASES)
    if clear:
        moves |= square.amax(0) > CHANGE_Z**2 * noise
    influence = {
        unit: float(mean)
        for unit, mean, matters in zip(units, square.mean(0), moves, strict=True)
        if matters
    }
    found = sorted(influence, key=lambda unit: -influence[unit])
    rest = [unit for unit in units if unit not in influence]
    if not clear:
        return Screen(found, influence, 0)
    pairs = max(BASES, int(PAIRS_SHARE * queries.remaining))
    while rest:
        hits = _redrawn(queries, rest, pairs, queries.remaining - reserve, pool)
        if hits is None:
            return Screen(found + rest, influence, len(rest))
        if not hits:
            break
        found += hits
        rest = [unit for unit in rest if unit not in hits]
    return Screen(found, influence, 0)


def _mixed(queries: Queries, rows: int) -> Tensor:
    problem = queries.problem
    coin = torch.rand(rows, problem.n, generator=problem.generator) < 0.5
    return torch.where(coin, queries.sample(rows), queries.sample(rows))


def _redrawn(
    queries: Queries, rest: list[int], pairs: int, most: int, pool: Tensor
) -> list[int] | None:
    """Units of ``rest`` that change the value when all are redrawn, most often found first.

    None where ``most`` rows do not suffice for one.
    """
    pairs = min(pairs, (most - steps_of(rest)) // 2)
    if pairs < BASES:
        return None
    first = queries.next_group
    low = _mixed(queries, pairs)
    high = low.clone()
    high[:, rest] = queries.sample(pairs)[:, rest]
    at_low = queries.ask(low, pairs)
    at_high = queries.ask(high, pairs, first=first)
    drawn = Pairs(low, high, at_low, at_high, first + torch.arange(pairs))
    most -= 2 * pairs
    moved = drawn.changed(threshold(queries, pairs), most // max(steps_of(rest), 1))
    return bisected(queries, moved, rest, most, pool) if len(moved.low) else []
