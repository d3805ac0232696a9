"""Columns and values -> subsets taken one after the other, each tested before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.methods.regressing.columns import Dictionary, columns
from actspec_bench.methods.regressing.observed import nothing, observed, weighed
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from actspec_bench.problems.problem import Problem

__all__ = ["Taken", "matching_pursuit", "take"]

# Share of a column that those taken must leave, and of the values that is worth explaining.
OWN_SHARE = 1e-3
EXACT = 1e-5
NOTHING_PASSED = "no column correlates with the values more than chance would have it"


@dataclass(frozen=True)
class Taken:
    """Positions of columns in the order taken, and the root of the variance that each explained."""

    positions: list[int]
    gains: list[float]
    stopped: str


def take(
    over: Dictionary,
    values: Float[Tensor, " rows"],
    group: Int[Tensor, " rows"],
    *,
    most: int,
    level: float,
) -> Taken:
    """Orthogonal matching pursuit that stops at the first column that chance could have given.

    Each step takes the column that correlates most with what is left (Pati, Rezaiifar &
    Krishnaprasad 1993, section 3), if the t statistic of its sum with what is left, of errors
    robust to unequal variances and to dependence within groups of rows, is significant at ``level``
    over the number of columns (Bonferroni).
    """
    from scipy.stats import t

    rest = values - values.mean()
    whole = float(rest.norm())
    directions = torch.empty(0, len(rest), dtype=torch.float64)
    groups = int(group.max()) + 1
    blocked: list[int] = []
    positions: list[int] = []
    gains: list[float] = []
    stopped = "as many as may be"
    while len(positions) < most:
        if float(rest.norm()) <= EXACT * whole:
            stopped = "nothing left to explain"
            break
        strength = over.correlations(rest).abs()
        strength[blocked] = 0
        best = int(strength.argmax())
        if not strength[best]:
            stopped = "no column left"
            break
        blocked.append(best)
        column = over.column(best)
        size = float(column.norm())
        for _ in range(2):
            column = column - directions.T @ (directions @ column)
        if float(column.norm()) <= OWN_SHARE**0.5 * size:
            continue
        score = torch.zeros(groups, dtype=torch.float64).index_add(0, group, rest * column)
        statistic = float(score.sum().abs() / score.norm())
        freedom = max(groups - len(positions) - 2, 1)
        if 2 * t.sf(statistic, freedom) * len(over) > level:
            stopped = "not significant"
            break
        direction = column / column.norm()
        along = float(direction @ rest)
        rest = rest - along * direction
        directions = torch.cat([directions, direction[None]])
        positions.append(best)
        gains.append(abs(along) / len(rest) ** 0.5)
    return Taken(positions, gains, stopped)


def matching_pursuit(
    problem: Problem, *, order: int | None, biased: bool, on: On, subsets: int, level: float
) -> Attribution:
    """See the method `matching-pursuit` in `methods.regressions`."""
    seen = observed(problem, on)
    if seen.constant:
        return nothing(seen, {}, "", problem.n)
    over = columns(seen.pattern, seen.values, order, biased=biased)
    most = min(subsets, seen.most_columns)
    taken = take(over, seen.values, seen.input, most=most, level=level)
    info = {**over.told, "stopped": taken.stopped}
    if not taken.positions:
        return nothing(seen, info, NOTHING_PASSED, problem.n)
    found = [over.subset(position) for position in taken.positions]
    means = seen.pattern.mean(0) if biased else None
    return weighed(seen, dict(zip(found, taken.gains, strict=True)), info, problem.n, means)
