"""Pairs of rows with different values -> the units that make the difference.

By binary search (Blum, Hellerstein & Littlestone 1995, section 3), and by flips on either side of
the change that it ends at: a unit that counts in few patterns counts there, if anywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from actspec_bench.methods.actspec.queries import Queries

CHANGE_Z = 3.5
LEVEL = 0.05
# Changes whose sides are searched, and the share of the rows allowed that goes into it.
SIDES, SIDES_SHARE = 4, 0.25


@dataclass(frozen=True)
class Pairs:
    """Rows that differ in some units alone, with their values and the group of each pair."""

    low: Tensor
    high: Tensor
    at_low: Tensor
    at_high: Tensor
    groups: Tensor

    def changed(self, threshold: float, most: int) -> Pairs:
        """At most ``most`` of the pairs whose values differ by more than ``threshold``."""
        kept = torch.nonzero((self.at_high - self.at_low).abs() > threshold)[:most, 0]
        parts = (self.low, self.high, self.at_low, self.at_high, self.groups)
        return Pairs(*(part[kept] for part in parts))


def threshold(queries: Queries, looks: int) -> float:
    """Least difference of two values that noise does not make, by Student's t over all looks."""
    from scipy.stats import t

    z = max(CHANGE_Z, float(t.isf(LEVEL / 2 / max(looks, 1), queries.noise_freedom)))
    return float(z * (2 * queries.noise) ** 0.5)


def flipped(queries: Queries, base: Tensor, units: list[int], pool: Tensor) -> Tensor:
    """Every base row with one of ``units`` in its other state, shape (bases units, n).

    A flipped unit takes its value from a row of ``pool`` that has it in the other state.
    """
    problem = queries.problem
    on = problem.pattern(pool)[:, units] > 0
    base_on = problem.pattern(base)[:, units] > 0
    rows = base[:, None, :].repeat(1, len(units), 1)
    for column, unit in enumerate(units):
        for state in (False, True):
            at = torch.nonzero(base_on[:, column] == state)[:, 0]
            donors = torch.nonzero(on[:, column] != state)[:, 0]
            pick = torch.randint(len(donors), (len(at),), generator=problem.generator)
            rows[at, column, unit] = pool[donors[pick], unit]
    return rows.reshape(-1, problem.n)


def steps_of(rest: list[int]) -> int:
    """Rows that the binary search of one pair asks."""
    return (len(rest) - 1).bit_length()


def bisected(queries: Queries, pairs: Pairs, rest: list[int], most: int, pool: Tensor) -> list[int]:
    """Units of ``rest`` that change the value, most often found first.

    ``pairs`` have different values and differ in units of ``rest`` alone; at most ``most`` rows
    are asked.
    """
    steps = steps_of(rest)
    low, high, at_low = pairs.low, pairs.high, pairs.at_low
    least = threshold(queries, len(low))
    left = torch.zeros(len(low), dtype=torch.long)
    right = torch.full_like(left, len(rest))
    place = torch.arange(len(rest))
    index = torch.tensor(rest)
    for _ in range(steps):
        middle = (left + right) // 2
        take = (place >= left[:, None]) & (place < middle[:, None])
        half = low.clone()
        half[:, index] = torch.where(take, high[:, index], low[:, index])
        at_half = queries.ask_in(half, pairs.groups)
        inside = (at_half - at_low).abs() > least
        right = torch.where(inside, middle, right)
        low = torch.where(inside[:, None], low, half)
        at_low = torch.where(inside, at_low, at_half)
        left = torch.where(inside, left, middle)
    hits = Counter(rest[i] for i in left.tolist())
    found = sorted(hits, key=lambda unit: (-hits[unit], unit))
    sides = min(SIDES, int(SIDES_SHARE * (most - steps * len(low))) // (2 * len(rest)))
    if sides < 1:
        return found
    rows = torch.arange(min(sides, len(low)))
    low, groups = low[rows], pairs.groups[rows]
    other = low.clone()
    other[rows, index[left[rows]]] = high[rows, index[left[rows]]]
    at_other = queries.ask_in(other, groups)
    either = torch.cat([low, other])
    clean = torch.cat([at_low[rows], at_other])
    asked = flipped(queries, either, rest, pool)
    values = queries.ask_in(asked, groups.repeat(2).repeat_interleave(len(rest)))
    move = (values.reshape(len(either), len(rest)) - clean[:, None]).abs()
    counts = (move > threshold(queries, move.numel())).sum(0)
    more = [rest[i] for i in counts.argsort(descending=True, stable=True).tolist() if counts[i]]
    return [*found, *(unit for unit in more if unit not in hits)]
