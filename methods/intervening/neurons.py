"""Problem -> Shapley values of units in the game of ablated networks, sampled until told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from numpy import ndarray

    from actspec_bench.problems.problem import Problem

__all__ = ["Game", "Sums", "Walk", "half_widths", "neuron_shapley", "undecided", "walked"]

# A permutation is cut after more than this many coalitions in a row near the ablated network.
PATIENCE = 5
# An interval that reaches less far than this share of the spread of performances is a point.
TOLERANCE = 0.05
FIRST_ROUND = 16
ROWS_A_CALL = 2**13


@dataclass(frozen=True, eq=False)
class Game:
    """Performance of a network of which only a coalition of units is left.

    Attributes
    ----------
    function
        What is explained, (B, n) -> (B,).
    rows
        (R, n) rows on which the network performs.
    baseline
        (n,) values of units outside the coalition.
    signs
        (R,) the decision of the whole network at each row, -1 or +1.
    whole, ablated
        (R,) the function at each row, and at the baseline, times the row's sign.
    """

    function: Callable[[Tensor], Tensor]
    rows: Float[Tensor, "rows n"]
    baseline: Float[Tensor, " n"]
    signs: Float[Tensor, " rows"]
    whole: Float[Tensor, " rows"]
    ablated: Float[Tensor, " rows"]

    @classmethod
    def of(cls, function: Callable[[Tensor], Tensor], rows: Tensor, baseline: Tensor) -> Game:
        """Evaluate the whole and the ablated network: R + 1 rows."""
        values = function(torch.cat([rows, baseline[None]]))
        signs = torch.where(values[:-1] >= 0, 1.0, -1.0)
        return cls(function, rows, baseline, signs, signs * values[:-1], signs * values[-1])

    def performance(
        self, coalitions: Bool[Tensor, "coalitions n"], batches: Tensor
    ) -> Float[Tensor, " coalitions"]:
        """Return V of each coalition, on its own batch of rows: (C, b) numbers of ``rows``."""
        kept = torch.where(coalitions[:, None], self.rows[batches], self.baseline)
        values = self.function(kept.flatten(0, 1)).view(batches.shape)
        return (values * self.signs[batches]).mean(1)


@dataclass(eq=False)
class Sums:
    """What is known of each unit's contributions: how many, their sum, and that of squares."""

    count: Float[ndarray, " n"]
    total: Float[ndarray, " n"]
    squares: Float[ndarray, " n"]

    @classmethod
    def none(cls, n: int) -> Sums:
        """Nothing known of n units."""
        return cls(np.zeros(n), np.zeros(n), np.zeros(n))

    def add(self, units: ndarray, contributions: ndarray) -> None:
        """Count one contribution for each of ``units``, which may come more than once."""
        np.add.at(self.count, units, 1)
        np.add.at(self.total, units, contributions)
        np.add.at(self.squares, units, contributions**2)

    @property
    def mean(self) -> Float[ndarray, " n"]:
        """Mean contribution of each unit."""
        mean: Float[ndarray, " n"] = self.total / np.maximum(self.count, 1)
        return mean

    @property
    def variance(self) -> Float[ndarray, " n"]:
        """Unbiased variance of each unit's contributions; infinite of fewer than two."""
        spread = np.maximum(self.squares - self.count * self.mean**2, 0)
        few = self.count < 2
        return np.where(few, np.inf, spread / np.where(few, 1, self.count - 1))


@dataclass(frozen=True, eq=False)
class Walk:
    """Contributions met on random permutations: the unit, and what its removal took away.

    ``low`` and ``high`` bound the performances met, and ``cut`` counts permutations cut short.
    """

    units: ndarray
    contributions: ndarray
    low: float
    high: float
    cut: int


def neuron_shapley(
    problem: Problem,
    *,
    on: On,
    rows: int,
    batch: int,
    permutations: int,
    truncation: float,
    top: int | None,
    delta: float,
) -> Attribution:
    """Return the sampled values, as `methods.neuron_shapley` describes them."""
    n, function = problem.n, explained(problem, on)
    least = n + 1
    if problem.remaining < least:
        raise NotApplicable(
            f"one permutation of the units on one row costs {least:,} rows and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    played, batch = _planned(problem, rows, batch, permutations)
    game = Game.of(function, played, problem.baseline)
    sums, active = Sums.none(n), np.ones(n, dtype=bool)
    sampled, cut, low, high = 0, 0, np.inf, -np.inf
    if n == 1:
        sums.add(np.zeros(len(played), dtype=int), (game.whole - game.ablated).double().numpy())
    while n > 1:
        dearest = batch * min(n - 1, 2 * int(active.sum()))
        count = min(problem.remaining // dearest, max(FIRST_ROUND, sampled // 2))
        if not count:
            break
        walk = walked(game, problem.generator, count, batch, active, truncation)
        sums.add(walk.units, walk.contributions)
        low, high = min(low, walk.low), max(high, walk.high)
        sampled, cut = sampled + count, cut + walk.cut
        active = undecided(sums, top, delta, high - low)
    info: dict[str, Any] = {
        "rows": len(played),
        "rows_a_coalition": batch,
        "permutations": sampled,
        "permutations_cut_short": cut,
        "least_samples_of_a_unit": int(sums.count.min()),
        "performance": float(game.whole.mean()),
        "performance_ablated": float(game.ablated.mean()),
    }
    if not sums.mean.any():
        info["reason"] = "no removal of a unit changed the performance"
    return Attribution.from_units(sums.mean, info=info)


def _planned(
    problem: Problem, rows: int, batch: int, permutations: int
) -> tuple[Float[Tensor, "rows n"], int]:
    """Rows to perform on, and how many of them a coalition is evaluated on.

    Batches, then rows, are fewer where the budget would not serve ``permutations`` otherwise; but
    up to a tenth of it goes on rows, if one permutation is left.
    """
    played = problem.foreground
    if problem.kind != "masked" and len(played) < rows:
        played = torch.cat([played, problem.sample(rows - len(played))])
    served = (problem.remaining - 1) // (permutations * (problem.n - 1) + 1)
    batch = max(1, min(batch, len(played), served))
    left = problem.remaining - 1 - permutations * batch * (problem.n - 1)
    if batch == 1:
        tenth = min(problem.remaining // 10, problem.remaining - problem.n)
        left = max(left, tenth)
    return played[: max(batch, min(rows, left))], batch


def walked(
    game: Game,
    generator: torch.Generator,
    count: int,
    batch: int,
    active: Bool[ndarray, " n"],
    truncation: float,
) -> Walk:
    """Remove the units in ``count`` random orders, each on a random batch of the game's rows.

    Only coalitions before and after an ``active`` unit are evaluated. An order is cut after more
    than five of them in a row whose performance is near that of the ablated network, by at most
    ``truncation`` of what the whole network is above it: units removed later contribute 0.
    """
    n = game.rows.shape[1]
    orders = torch.rand(count, n, generator=generator).argsort(1)
    batches = torch.rand(count, len(game.rows), generator=generator).argsort(1)[:, :batch]
    wanted = torch.from_numpy(active)[orders]
    needed = torch.zeros(count, n + 1, dtype=torch.bool)
    needed[:, :-1] |= wanted
    needed[:, 1:] |= wanted
    values = torch.zeros(count, n + 1)
    values[:, 0] = game.whole[batches].mean(1)
    values[:, n] = game.ablated[batches].mean(1)
    height = values[:, 0] - values[:, n]
    near_floor = values[:, n] + truncation * height
    present = torch.ones(count, n, dtype=torch.bool)
    alive, near = torch.ones(count, dtype=torch.bool), torch.zeros(count)
    for j in range(1, n):
        present[torch.arange(count), orders[:, j - 1]] = False
        asked = torch.nonzero(alive & needed[:, j])[:, 0]
        if not len(asked):
            continue
        for part in torch.split(asked, max(1, ROWS_A_CALL // batch)):
            values[part, j] = game.performance(present[part], batches[part])
        close = (values[asked, j] <= near_floor[asked]) & (height[asked] > 0) & (truncation > 0)
        near[asked] = (near[asked] + 1) * close
        cut = asked[near[asked] > PATIENCE]
        alive[cut] = False
        values[cut, j + 1 :] = values[cut, j][:, None]
    lost = (values[:, :-1] - values[:, 1:])[wanted]
    met = values[needed]
    return Walk(
        orders[wanted].numpy(),
        lost.double().numpy(),
        float(met.min()),
        float(met.max()),
        int((~alive).sum()),
    )


def half_widths(sums: Sums, delta: float, spread: float) -> Float[ndarray, " n"]:
    r"""Return how far to each side the interval of each unit's value reaches, (n,).

    A contribution is a difference of two performances, and with R the ``spread`` of performances
    it lies in an interval of length 2 R. Of t independent ones with sample variance v, the value
    is on neither side further from their mean, with probability 1 - ``delta``, than

    .. math::
        \sqrt{\frac{2 v \ln(4/\delta)}{t}} + \frac{7 \cdot 2 R \ln(4/\delta)}{3 (t - 1)}

    (Maurer & Pontil 2009, theorem 4, which is of one side and of a range of 1: each side is given
    delta / 2). It is so for one unit, looked at once, if R is all that performances span; the
    bandit's R is what it met so far. Infinite of fewer than two contributions.
    """
    logarithm = np.log(4 / delta)
    few = sums.count < 2
    count = np.where(few, 2, sums.count)
    variance = np.where(few, 0, sums.variance)
    width = np.sqrt(2 * variance * logarithm / count)
    width += 7 * 2 * spread * logarithm / (3 * (count - 1))
    return np.where(few, np.inf, width)


def undecided(sums: Sums, top: int | None, delta: float, spread: float) -> Bool[ndarray, " n"]:
    """Return which units may be on either side of the top ones still.

    Those whose interval (`half_widths`) holds the value of rank ``top`` + 1. A unit whose interval
    reaches less than `TOLERANCE` of the ``spread`` of performances to each side is decided too, or
    the bandit would spend everything on units that are alike. All units are returned where at most
    one is left: the question of the bandit is answered, and what the budget has left makes all
    values better.
    """
    n = len(sums.count)
    every = np.ones(n, dtype=bool)
    if top is None or n <= top:
        return every
    width = half_widths(sums, delta, spread)
    threshold = np.sort(sums.mean)[-top - 1]
    open_ = (np.abs(sums.mean - threshold) < width) & (width > TOLERANCE * spread)
    return open_ if open_.sum() > 1 else every
