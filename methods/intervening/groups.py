"""Pairs -> groups: units patched together, one more at a time, until they restore enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.methods.intervening.choices import Direction, ways
from actspec_bench.methods.intervening.finding import find_pairs
from actspec_bench.methods.intervening.pairs import Pairs
from actspec_bench.methods.intervening.patching import patched_values
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problems.problem import Problem

__all__ = ["grown_groups"]

SHARE_ON_PAIRS = 0.25
SHARE_ON_SINGLES = 1 / 3
# Of what remains, a step of growth may spend this share: early steps see more candidates.
SHARE_ON_STEP = 1 / 8
SHARE_ON_MEASURING = 1 / 8
ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Patched:
    """The rows of pairs with some units patched already, in one or both directions.

    Attributes
    ----------
    ways
        A direction each: rows patched into (P, n), their donors (P, n), their values (P,), and
        the sign with which their change counts.
    origin
        (ways, P) values before anything was patched.
    scale
        The full difference, which effects are shares of, times the number of directions.
    """

    ways: tuple[tuple[Tensor, Tensor, Tensor, float], ...]
    origin: Tensor
    scale: float

    @classmethod
    def of(cls, pairs: Pairs, direction: Direction) -> Patched:
        """Return the pairs with nothing patched."""
        made = []
        if direction != "noising":
            made.append((pairs.corrupt, pairs.clean, pairs.corrupt_values, 1.0))
        if direction != "denoising":
            made.append((pairs.clean, pairs.corrupt, pairs.clean_values, -1.0))
        origin = torch.stack([values for _, _, values, _ in made])
        return cls(tuple(made), origin, pairs.full_difference * len(made))

    def extended(
        self, function: Callable[[Tensor], Tensor], units: Bool[Tensor, " n"]
    ) -> list[Float[Tensor, "pairs n"]]:
        """Return the values with one more unit patched, for each of ``units``; a way each."""
        return [
            patched_values(function, into, donors, values, units)
            for into, donors, values, _ in self.ways
        ]

    def effects(self, values: list[Tensor]) -> Float[Tensor, "pairs n"]:
        """Return the joint effect on each pair, as a share, of values (P, n) a way."""
        changes = [
            sign * (value - origin[:, None])
            for (*_, sign), value, origin in zip(self.ways, values, self.origin, strict=True)
        ]
        return torch.stack(changes).sum(0) / self.scale

    def with_unit(self, unit: int, values: list[Tensor]) -> Patched:
        """Return the rows with ``unit`` patched too, whose `extended` values are known."""
        made = []
        for (into, donors, _, sign), value in zip(self.ways, values, strict=True):
            patched = into.clone()
            patched[:, unit] = donors[:, unit]
            made.append((patched, donors, value[:, unit], sign))
        return Patched(tuple(made), self.origin, self.scale)


@dataclass(frozen=True, eq=False)
class Grown:
    """A group, its mean joint effect where it was grown, and why it was grown no further."""

    units: tuple[int, ...]
    effect: float
    ended: str = ""


def grown_groups(
    problem: Problem,
    *,
    on: On,
    direction: Direction,
    share: float,
    groups: int,
    largest: int,
    pairs: int,
) -> Attribution:
    """Return groups of units that restore the difference together; see `methods.patching`."""
    function, count = explained(problem, on), ways(direction)
    found = find_pairs(
        problem, function, cost=problem.n * count, share=SHARE_ON_PAIRS, most=2 * pairs
    )
    growing, measuring = _shared_out(problem, function, found, count, groups, pairs)
    start = Patched.of(growing, direction)
    left = torch.ones(problem.n, dtype=torch.bool)
    values = start.extended(function, left)
    alone = start.effects(values).mean(0)
    kept: list[Grown] = []
    measured: dict[tuple[int, ...], float] = {}
    ended = f"{groups} groups were asked for"
    while len(kept) < groups:
        if float(alone.where(left, -torch.inf).max()) <= ROUNDING:
            ended = "no unit that is left has an effect of its own"
            break
        reserve = count * len(measuring) * (groups - len(kept))
        group = _grow(problem, function, start, values, left, share, largest, reserve)
        effects = _measured(function, measuring, direction, group.units)
        if not _beyond_chance(effects):
            ended = "the next group is within two standard errors of no effect"
            break
        kept.append(group)
        measured[tuple(sorted(group.units))] = float(effects.mean())
        left[list(group.units)] = False
    info = {
        **growing.facts,
        "pairs_measured_on": len(measuring),
        "groups": [list(group.units) for group in kept],
        "beyond_parts": [group.effect - float(alone[list(group.units)].sum()) for group in kept],
        "growth_ended": [group.ended for group in kept],
        "ended": ended,
    }
    if not kept:
        info["reason"] = ended
    return Attribution.from_subsets(measured, n=problem.n, info=info)


def _shared_out(
    problem: Problem,
    function: Callable[[Tensor], Tensor],
    found: Pairs,
    count: int,
    groups: int,
    most: int,
) -> tuple[Pairs, Pairs]:
    """Pairs to grow groups on, and others to measure them on; of a single pair, the same."""
    price = count * found.differing.sum(1)
    singles = int((price.cumsum(0) <= SHARE_ON_SINGLES * problem.remaining).sum())
    measured = int(SHARE_ON_MEASURING * problem.remaining) // (count * groups)
    grow = max(1, min(singles, most, len(found) - len(found) // 3))
    measure = min(measured, most, len(found) - grow)
    # The prices of the pairs measured on are in what is kept for them.
    price[grow:] = 0
    found = found.within(function, price[: grow + measure], problem.remaining)
    return found.part(0, grow), found.part(grow, grow + measure) if measure else found.part(0, grow)


def _grow(
    problem: Problem,
    function: Callable[[Tensor], Tensor],
    start: Patched,
    values: list[Tensor],
    left: Tensor,
    share: float,
    largest: int,
    reserve: int,
) -> Grown:
    """Start from the unit of largest effect, and add the one that raises the joint effect most.

    Where several raise it alike, or none does, the one with the largest effect of its own is
    taken; if the group does not become better again, it ends where it was best.
    """
    effects = start.effects(values).mean(0)
    alone = effects
    ranked = alone.where(left, -torch.inf).argsort(descending=True, stable=True)
    order = ranked[: int(left.sum())].tolist()
    rows, units = start, [order.pop(0)]
    best = Grown(tuple(units), float(effects[units[0]]))
    while True:
        joint = float(effects[units[-1]])
        rows = rows.with_unit(units[-1], values)
        if joint > best.effect + ROUNDING:
            best = Grown(tuple(units), joint)
        if joint >= share:
            return Grown(tuple(units), joint, "share restored")
        if len(units) == largest:
            return Grown(best.units, best.effect, "largest size")
        candidates = _affordable(rows, order, problem.remaining - reserve)
        if not candidates:
            return Grown(best.units, best.effect, "budget" if order else "no unit left")
        asked = torch.zeros_like(left)
        asked[candidates] = True
        values = rows.extended(function, asked)
        effects = rows.effects(values).mean(0)
        gains = effects[candidates] - joint
        if float(gains.max()) > ROUNDING:
            unit = candidates[int((gains >= gains.max() - ROUNDING).nonzero()[0])]
        elif float(alone[candidates[0]]) > ROUNDING:
            unit = candidates[0]
        else:
            return Grown(best.units, best.effect, "no unit raises it")
        order.remove(unit)
        units.append(unit)


def _affordable(rows: Patched, order: list[int], remaining: int) -> list[int]:
    """Units to try next, in this order, for an eighth of what remains; at least one if it can."""
    differing = torch.stack([(into != donors).sum(0) for into, donors, _, _ in rows.ways]).sum(0)
    price = differing[order].cumsum(0)
    count = int((price <= SHARE_ON_STEP * remaining).sum())
    if not count and len(price) and int(price[0]) <= remaining:
        count = 1
    return order[:count]


def _measured(
    function: Callable[[Tensor], Tensor],
    pairs: Pairs,
    direction: Direction,
    units: tuple[int, ...],
) -> Tensor:
    """Joint effect of a group on each pair, (P,), as a share of the full difference."""
    rows = Patched.of(pairs, direction)
    values = []
    for into, donors, _, _ in rows.ways:
        patched = into.clone()
        patched[:, list(units)] = donors[:, list(units)]
        values.append(function(patched)[:, None])
    return rows.effects(values)[:, 0]


def _beyond_chance(effects: Tensor) -> bool:
    """Whether the mean is above zero by two standard errors; of one pair, above zero."""
    error = float(effects.std()) / len(effects) ** 0.5 if len(effects) > 1 else 0.0
    return float(effects.mean()) > max(2 * error, ROUNDING)
