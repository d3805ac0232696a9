"""Few units -> all their coefficients, from every pattern of them under the uniform distribution.

The other units are redrawn in every row, so that rows with one pattern of the few are equal
unless another unit matters; where they differ, bisection finds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.regression import Fit, discoveries
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.actspec.changes import Pairs, bisected, steps_of, threshold
from actspec_bench.methods.actspec.queries import CLEAR_T, ROUNDING

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

MOST_UNITS = 12
ROUNDS = 8
# Share of the values' root mean square that is rounding.
TINY = 1e-100


@dataclass(frozen=True)
class Cells:
    """Means of the value in each pattern of a few units, and what they spell.

    Attributes
    ----------
    units
        Ascending; bit i of a pattern's number tells whether the i-th is off.
    copies
        How many rows of each pattern were asked.
    means
        (2^r,) their mean values.
    within, freedom
        Variance of the values within a pattern, of the noise and of units that are not here, and
        its degrees of freedom.
    """

    units: list[int]
    copies: int
    means: Float[Tensor, " patterns"]
    within: float
    freedom: float

    @property
    def rounding(self) -> float:
        """Error of the values' own precision."""
        return max(ROUNDING * float(self.means.square().mean().sqrt()), TINY)

    @property
    def error(self) -> float:
        """Standard error of each coefficient, which is a mean over all rows."""
        return max(sqrt(self.within / (self.copies * len(self.means))), self.rounding)

    def checked(self, pattern: Tensor, values: Tensor) -> Cells:
        """The same with the spread that other rows show, if they show more."""
        place = ((pattern[:, self.units] < 0) * 2 ** torch.arange(len(self.units))).sum(1)
        square = (values.double() - self.means[place]).square()
        if not len(square) or float(square.mean()) <= self.within:
            return self
        # As many as a few large squares leave: see `least_squares`.
        freedom = 3 * float(square.sum() ** 2 / square.square().sum())
        return replace(self, within=float(square.mean()), freedom=min(freedom, len(square)))

    def found(self, fdr: float) -> dict[Subset, float]:
        """Coefficients that pass a test of all of them at false-discovery rate ``fdr``."""
        from scipy.stats import norm

        values = walsh_hadamard(self.means).numpy()
        real = discoveries(2 * norm.sf(np.abs(values[1:]) / self.error), fdr)
        places = 1 + np.flatnonzero(real)
        return {
            tuple(u for i, u in enumerate(self.units) if place >> i & 1): float(values[place])
            for place in places[np.argsort(-np.abs(values[places]), kind="stable")].tolist()
        }

    def fit(self, found: dict[Subset, float]) -> Fit | None:
        """What was ``found``, if having passed the test flatters none of it."""
        coefficients = torch.tensor([*found.values()], dtype=torch.float64)
        near = (coefficients.abs() <= CLEAR_T * self.error).any()
        if near and self.error > self.rounding:
            return None
        alike = torch.ones_like(coefficients)
        return Fit(coefficients, self.error * alike, self.freedom * alike)


def enumerated(
    queries: Queries, units: list[int], varying: list[int], rows: int, pool: Tensor
) -> tuple[Cells | None, list[int]]:
    """Every pattern of ``units``, and of those other ``varying`` ones that turn out to matter.

    Half of what is left of ``rows`` is asked at a time, as often as it lasts. Returns the cells,
    or None where all patterns of so many units do not fit, and the units.
    """
    problem = queries.problem
    reserve = problem.remaining - rows
    few = sorted(units)
    rest = [unit for unit in varying if unit not in few]
    tables: list[Tensor] = []
    for _ in range(ROUNDS):
        count, spare = 2 ** len(few), problem.remaining - reserve
        if len(few) > MOST_UNITS or count > spare:
            break
        copies = max(spare // 2 // count, 1)
        x = problem.sample(copies * count)
        x[:, few] = all_patterns(len(few)).repeat(copies, 1)
        values = queries.ask_drawn(x)
        if not tables:
            first, at_first = x[:count], values[:count]
        tables.append(values.double().reshape(copies, count))
        again = torch.arange(count).repeat(copies)
        pairs = Pairs(first[again], x, at_first[again], values, queries.groups[-1])
        left = problem.remaining - reserve
        most = left // 2 // max(steps_of(rest), 1)
        moved = pairs.changed(threshold(queries, len(x)), most if rest else 0)
        if len(moved.low):
            hits = bisected(queries, moved, rest, left, pool)
            few = sorted([*few, *hits])
            rest = [unit for unit in rest if unit not in hits]
            tables = []
    if not tables:
        # In the order in which they were found, the most influential first.
        return None, [*units, *(unit for unit in few if unit not in units)]
    return _cells(queries, few, torch.cat(tables)), few


def _cells(queries: Queries, units: list[int], table: Float[Tensor, "copies patterns"]) -> Cells:
    means = table.mean(0)
    within, freedom = queries.noise, queries.noise_freedom
    if len(table) > 1:
        freedom = table.numel() - len(means)
        within = float((table - means).square().sum()) / freedom
    return Cells(units, len(table), means, within, freedom)
