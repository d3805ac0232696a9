"""Problem -> the units that change the value, most influential first: what the tree searches.

Units are flipped one at a time on shared base rows; those that changed nothing are then redrawn
all together, and wherever that changes the value, bisection finds a unit that does (Blum,
Hellerstein & Littlestone 1995, section 3: relevant attributes by binary search). So where single
changes stand out of the noise, units are dropped only after the value stood still while all of
them moved; where means of several changes do, by an F test; and where neither does, not at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from actspec_bench.methods.actspec.queries import Queries

SHARE = 0.5
FLIP_SHARE = 0.12
FLIPS = (2, 64)
BASES = 32
CHANGE_Z = 3.5
ROUNDING = 2e-6
LEVEL = 0.05
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
    if needed > problem.remaining:
        raise NotApplicable(
            f"the influence screen of {len(units)} units needs at least {needed:,} rows and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    reserve = problem.remaining - int(SHARE * problem.remaining)
    first = queries.next_group
    base = _mixed(queries, BASES)
    clean = queries.ask(base, BASES).double()
    again = queries.ask(base, BASES, first=first)
    rounding = ROUNDING**2 * float(clean.square().mean())
    noise = max(float((again - clean).square().mean()), rounding)
    change = max(LEAST_CHANGE * float(clean.var()), rounding)
    clear = CHANGE_Z**2 * noise <= change
    flips = max(int(FLIP_SHARE * problem.remaining / len(units)), FLIPS[0])
    if not clear and 2 * (CHANGE_Z * noise / change) ** 2 > flips:
        return Screen(units, {}, len(units))
    flips = min(flips, FLIPS[1])
    base, clean = base[:flips], clean[:flips]
    if flips > BASES:
        more = _mixed(queries, flips - BASES)
        base = torch.cat([base, more])
        clean = torch.cat([clean, queries.ask(more, len(more))])
    flipped = _flipped(queries, base, units, pool)
    changed = queries.ask(flipped, flips, first=first).reshape(flips, len(units))
    square = (changed - clean[:, None]).square()
    moves = square.mean(0) > noise * f.isf(LEVEL, flips, BASES)
    if clear:
        moves |= square.amax(0) > CHANGE_Z**2 * noise
    influence = {
        unit: float(mean)
        for unit, mean, matters in zip(units, square.mean(0), moves, strict=True)
        if matters
    }
    if not clear:
        return Screen(sorted(influence, key=lambda unit: -influence[unit]), influence, 0)
    threshold = CHANGE_Z * noise**0.5
    found = sorted(influence, key=lambda unit: -influence[unit])
    rest = [unit for unit in units if unit not in influence]
    while rest:
        hits = _bisected(queries, rest, threshold, problem.remaining - reserve)
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
    return torch.where(coin, problem.sample(rows), problem.sample(rows))


def _flipped(queries: Queries, base: Tensor, units: list[int], pool: Tensor) -> Tensor:
    """Every base row with one of ``units`` in its other state, shape (bases units, n)."""
    problem = queries.problem
    on = problem.pattern(pool)[:, units] > 0
    base_on = problem.pattern(base)[:, units] > 0
    flipped = base[:, None, :].repeat(1, len(units), 1)
    for column, unit in enumerate(units):
        for state in (False, True):
            rows = torch.nonzero(base_on[:, column] == state)[:, 0]
            donors = torch.nonzero(on[:, column] != state)[:, 0]
            pick = torch.randint(len(donors), (len(rows),), generator=problem.generator)
            flipped[rows, column, unit] = pool[donors[pick], unit]
    return flipped.reshape(-1, problem.n)


def _bisected(queries: Queries, rest: list[int], threshold: float, most: int) -> list[int] | None:
    """Units of ``rest`` that change the value when all are redrawn, most often found first.

    None where ``most`` rows do not suffice for one.
    """
    steps = (len(rest) - 1).bit_length()
    followed = (most - 2 * BASES) // max(steps, 1)
    if followed < 1:
        return None
    first = queries.next_group
    low = _mixed(queries, BASES)
    high = low.clone()
    high[:, rest] = queries.problem.sample(BASES)[:, rest]
    at_low = queries.ask(low, BASES)
    changed = (queries.ask(high, BASES, first=first) - at_low).abs() > threshold
    moved = torch.nonzero(changed)[:followed, 0]
    low, high, at_low = low[moved], high[moved], at_low[moved]
    if not len(low):
        return []
    groups = first + moved
    left = torch.zeros(len(low), dtype=torch.long)
    right = torch.full_like(left, len(rest))
    place = torch.arange(len(rest))
    index = torch.tensor(rest)
    for _ in range(steps):
        middle = (left + right) // 2
        take = (place >= left[:, None]) & (place < middle[:, None])
        half = low.clone()
        half[:, index] = torch.where(take, high[:, index], low[:, index])
        at_half = queries.ask_in(half, groups)
        inside = (at_half - at_low).abs() > threshold
        right = torch.where(inside, middle, right)
        low = torch.where(inside[:, None], low, half)
        at_low = torch.where(inside, at_low, at_half)
        left = torch.where(inside, left, middle)
    hits = Counter(rest[i] for i in left.tolist())
    return sorted(hits, key=lambda unit: (-hits[unit], unit))
