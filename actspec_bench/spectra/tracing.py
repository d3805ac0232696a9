"""Found subset -> what drives its character: the two classes of inputs and its joint table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier.energy import Z_95, Estimate
from actspec_bench.problems.inputs import DataInputs
from actspec_bench.problems.views import ScoringView
from actspec_bench.seeds import seed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["JointRow", "Side", "Trace", "mean_images", "strongest_rows", "trace", "traced"]

DRAWS = 16_384
STRONGEST = 6
TIES = 6


@dataclass(frozen=True)
class Side:
    """The rows at which a subset's character has one value.

    Attributes
    ----------
    character
        +1 or -1.
    rows, share
        How many they are, and of all rows looked at which share.
    mean
        Mean value of the function over them; None if they are too few.
    strongest
        Numbers of the inputs of the data set behind the problem that drive it most (see
        `strongest_rows`), strongest first; none of draws.
    """

    character: int
    rows: int
    share: float
    mean: Estimate | None
    strongest: tuple[int, ...]


@dataclass(frozen=True)
class JointRow:
    """One joint pattern of a subset's units: its share of the rows and the mean value there.

    ``mean`` is None where there is a single margin.
    """

    states: tuple[int, ...]
    share: float
    mean: Estimate | None


@dataclass(frozen=True)
class Trace:
    """What drives the character of one subset.

    Attributes
    ----------
    units
        The subset.
    coefficient
        What the method reported of it.
    rows, of
        How many rows were looked at, and what they are: ``"held-out inputs"``, ``"inputs"`` of
        the data set behind the problem, or ``"fresh draws"`` of D.
    sides
        The rows with character +1, then those with -1.
    table
        Joint patterns that occur, most frequent first.
    """

    units: Subset
    coefficient: float
    rows: int
    of: str
    sides: tuple[Side, Side]
    table: tuple[JointRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def traced(
    subsets: dict[Subset, float],
    problem: Problem,
    inputs: object = None,
    *,
    seed: int = 0,
    strongest: int = STRONGEST,
) -> list[Trace]:
    """Trace each subset over held-out inputs, where there are none over those behind the problem.

    Where no data set is behind it either, over draws of D. Values are unmetered and without
    noise.

    Parameters
    ----------
    subsets
        Subsets with their coefficients.
    problem, inputs
        The problem, and what `Instance.inputs` makes.
    seed
        Of the draws.
    strongest
        How many inputs to name on each side, of those that `inputs` holds.
    """
    view = ScoringView(problem, seed_from(seed, "tracing"))
    scored = view.scored_rows(DRAWS)
    x, values, of = scored.rows, scored.values, scored.of
    named: dict[Subset, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    if isinstance(inputs, DataInputs):
        activations = inputs.activations
        with torch.no_grad():
            margins = view.margin(activations)
        if of != "held-out inputs":
            x, values, of = activations, view.read(margins), "inputs"
        pattern = view.pattern(activations)
        scale = activations.std(0)
        distance = (activations - view.threshold).abs() / torch.where(scale > 0, scale, 1.0)
        named = {
            subset: strongest_rows(subset, coefficient, pattern, distance, margins, strongest)
            for subset, coefficient in subsets.items()
        }
    return [
        trace(
            subset,
            coefficient,
            view.pattern(x),
            values.double(),
            decision=view.readout == "decision",
            of=of,
            strongest=named.get(subset, ((), ())),
        )
        for subset, coefficient in subsets.items()
    ]


def strongest_rows(
    subset: Subset,
    coefficient: float,
    pattern: Float[Tensor, "rows n"],
    distance: Float[Tensor, "rows n"],
    margins: Float[Tensor, " rows"],
    most: int,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    r"""Numbers of the rows that drive a subset's character most to +1, and to -1.

    A row drives the character the more, the further the subset's units are from their
    thresholds, :math:`\sum_{i \in S} |x_i - t_i| / sd(x_i)`: the less a small change of them
    could flip it. Where this is equal, as among rows at which all of its ReLU units are off, the
    row comes first whose margin lies further to the side to which the coefficient says that the
    character goes.

    Parameters
    ----------
    pattern, distance
        State of each unit, and how far it is from its threshold, in standard deviations.
    margins
        The function before any sign is taken.
    most
        How many to name on each side.
    """
    character = pattern[:, list(subset)].prod(1)
    strength = distance[:, list(subset)].sum(1)
    first, second = (
        _strongest(character == sign, strength, margins * sign * (1 if coefficient >= 0 else -1))
        for sign in (1, -1)
    )
    return tuple(first[:most]), tuple(second[:most])


def _strongest(there: Tensor, strength: Tensor, along: Tensor) -> list[int]:
    rows = torch.nonzero(there)[:, 0]
    order = rows[along[rows].argsort(descending=True, stable=True)]
    ties = (strength[order] * 10**TIES).round()
    numbers: list[int] = order[ties.argsort(descending=True, stable=True)].tolist()
    return numbers


def trace(
    subset: Subset,
    coefficient: float,
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    *,
    decision: bool,
    of: str,
    strongest: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
) -> Trace:
    """Trace one subset over given rows.

    Parameters
    ----------
    pattern, values
        State of each unit, and the function, in each row.
    decision
        Whether values are signs.
    of
        What the rows are.
    strongest
        What `strongest_rows` names.
    """
    members = pattern[:, list(subset)]
    character = members.prod(1)
    sides = []
    for sign, named in zip((1, -1), strongest, strict=True):
        there = values[character == sign]
        mean = _mean(there, decision=decision)
        sides.append(Side(sign, len(there), len(there) / len(values), mean, named))
    states, cell, counts = torch.unique(members, dim=0, return_inverse=True, return_counts=True)
    table = [
        JointRow(
            tuple(int(state) for state in states[i].tolist()),
            int(counts[i]) / len(values),
            _mean(values[cell == i], decision=decision),
        )
        for i in counts.argsort(descending=True, stable=True).tolist()
    ]
    first, second = sides
    return Trace(subset, coefficient, len(values), of, (first, second), tuple(table))


def mean_images(
    traces: Sequence[Trace],
    images: Float[Tensor, "rows height width"],
    pattern: Float[Tensor, "rows n"],
) -> Float[ndarray, "traces 2 height width"]:
    """Mean image of inputs with character +1, and of those with -1; NaN where there are none."""
    means = [
        images[pattern[:, list(one.units)].prod(1) == side.character].mean(0)
        for one in traces
        for side in one.sides
    ]
    stacked: Float[ndarray, "traces 2 height width"] = torch.stack(means).numpy()
    return stacked.reshape(len(traces), 2, *images.shape[1:])


def _mean(values: Tensor, *, decision: bool) -> Estimate | None:
    """Mean with its interval: of decisions, which are +1 or -1, Wilson's (1927, JASA 22:209)."""
    draws, mean = len(values), float(values.mean()) if len(values) else 0.0
    if decision and draws:
        share, z2 = (mean + 1) / 2, Z_95**2 / draws
        middle = (share + z2 / 2) / (1 + z2)
        half = (z2 * share * (1 - share) + z2**2 / 4) ** 0.5 / (1 + z2)
        return Estimate(mean, 2 * (middle - half) - 1, 2 * (middle + half) - 1)
    if draws < 2:
        return None
    return Estimate.normal(mean, float(values.std() / draws**0.5))
