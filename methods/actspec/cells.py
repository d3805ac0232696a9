"""Few units -> all their coefficients, from every pattern of them under the uniform distribution.

The other units are redrawn in every row, so that rows with one pattern of the few are equal
unless another unit matters; where they differ, bisection finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.regression import Fit, discoveries
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.actspec.changes import Pairs, bisected, steps_of, threshold

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

MOST_UNITS = 12
ROUNDS = 8
# Coefficients below this share of the values' root mean square are rounding.
ROUNDING = 2e-6


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
    within
        Variance of the values within a pattern: of the noise, and of units that are not here.
    exact
        Whether rows of equal patterns had equal values up to rounding.
    """

    units: list[int]
    copies: int
    means: Float[Tensor, " patterns"]
    within: float
    exact: bool

    def found(self, fdr: float) -> dict[Subset, float]:
        """Coefficients that are not zero, largest first.

        Of ``exact`` cells all above rounding; of others those that pass a test of all of them, at
        false-discovery rate ``fdr``, on the spread within a pattern.
        """
        from scipy.stats import norm

        values = walsh_hadamard(self.means).numpy()
        if self.exact:
            size = float(self.means.square().mean().sqrt())
            real = np.abs(values) > ROUNDING * size
        else:
            error = (self.within / (self.copies * len(values))) ** 0.5
            real = np.append(False, discoveries(2 * norm.sf(np.abs(values[1:]) / error), fdr))
        places = np.flatnonzero(real)
        return {
            tuple(u for i, u in enumerate(self.units) if place >> i & 1): float(values[place])
            for place in places[np.argsort(-np.abs(values[places]), kind="stable")].tolist()
            if place
        }

    def fit(self, found: dict[Subset, float], fresh: Tensor, values: Tensor) -> Fit:
        """What was ``found`` where rows were ``exact``, with the error that others show.

        Each is a mean over all rows of the cells. What fresh rows (patterns, values) differ from
        the cells' means by is the spread that those rows did not meet.
        """
        place = ((fresh[:, self.units] < 0) * 2 ** torch.arange(len(self.units))).sum(1)
        square = (values.double() - self.means[place]).square()
        coefficients = torch.tensor([*found.values()], dtype=torch.float64)
        floor = ROUNDING * float(self.means.square().mean().sqrt())
        rows = self.copies * len(self.means)
        error = max(float(square.mean()) / rows, floor**2) ** 0.5
        # As many as the squares have, of which only a few may not be 0.
        freedom = float(square.sum() ** 2 / square.square().sum().clamp(min=1e-300))
        freedom = len(square) if error <= floor else max(freedom, 1.0)
        alike = torch.ones_like(coefficients)
        return Fit(coefficients, error * alike, freedom * alike)


def enumerated(
    queries: Queries, units: list[int], rest: list[int], rows: int, pool: Tensor
) -> tuple[Cells | None, list[int]]:
    """Every pattern of ``units``, and of those of ``rest`` that turn out to matter.

    Half of what is left of ``rows`` is asked at a time, as often as it lasts. Returns the cells,
    or None where all patterns of so many units do not fit, and the units.
    """
    problem = queries.problem
    reserve = problem.remaining - rows
    units = sorted(units)
    tables: list[Tensor] = []
    for _ in range(ROUNDS):
        count, spare = 2 ** len(units), problem.remaining - reserve
        if len(units) > MOST_UNITS or count > spare:
            break
        copies = max(spare // 2 // count, 1)
        x = problem.sample(copies * count)
        x[:, units] = all_patterns(len(units)).repeat(copies, 1)
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
            units = sorted([*units, *hits])
            rest = [unit for unit in rest if unit not in hits]
            tables = []
    return (_cells(queries, units, torch.cat(tables)) if tables else None), units


def _cells(queries: Queries, units: list[int], table: Float[Tensor, "copies patterns"]) -> Cells:
    means = table.mean(0)
    freedom = table.numel() - len(means)
    within = queries.noise
    if freedom:
        within = max(float((table - means).square().sum()) / freedom, 0.0)
    size = float(means.square().mean().sqrt())
    exact = max(within, queries.noise) <= (2 * ROUNDING * size) ** 2
    return Cells(units, len(table), means, within, exact)
