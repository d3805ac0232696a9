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

__all__ = ["JointRow", "Side", "Trace", "mean_images", "trace", "traced"]

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
        How many they are, and of all rows which share.
    mean
        Mean value of the function over them; None if they are too few.
    strongest
        Numbers of the rows that drive it most (see `trace`), strongest first.
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
        How many rows were looked at, and what they are: ``"inputs"`` of the data set behind the
        problem, or ``"draws"`` of D.
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
    """Trace each subset over the data set behind the problem, or without one over draws of D.

    Values are unmetered and without noise.

    Parameters
    ----------
    subsets
        Subsets with their coefficients.
    problem, inputs
        The problem, and what `Instance.inputs` makes.
    seed
        Of the draws.
    strongest
        How many inputs to name on each side; of draws none are named.
    """
    view = ScoringView(problem, seed_from(seed, "tracing"))
    from_data = isinstance(inputs, DataInputs)
    x = inputs.activations if isinstance(inputs, DataInputs) else view.sample(DRAWS)
    with torch.no_grad():
        margins = view.margin(x)
    values = view.value(x).double()
    pattern = view.pattern(x)
    scale = x.std(0)
    distance = (x - view.threshold).abs() / torch.where(scale > 0, scale, 1.0)
    return [
        trace(
            subset,
            coefficient,
            pattern,
            distance,
            margins,
            values,
            decision=view.readout == "decision",
            of="inputs" if from_data else "draws",
            strongest=strongest if from_data else 0,
        )
        for subset, coefficient in subsets.items()
    ]


def trace(
    subset: Subset,
    coefficient: float,
    pattern: Float[Tensor, "rows n"],
    distance: Float[Tensor, "rows n"],
    margins: Float[Tensor, " rows"],
    values: Float[Tensor, " rows"],
    *,
    decision: bool,
    of: str,
    strongest: int,
) -> Trace:
    r"""Trace one subset over given rows.

    A row drives the character the more, the further the subset's units are from their
    thresholds, :math:`\sum_{i \in S} |x_i - t_i| / sd(x_i)`: the less a small change of them
    could flip it. Where this is equal, as among rows at which all of its ReLU units are off, the
    row comes first whose margin lies further to the side to which the coefficient says that the
    character goes.

    Parameters
    ----------
    pattern, distance
        State of each unit, and how far it is from its threshold, in standard deviations.
    margins, values
        The function before and after any sign is taken.
    decision
        Whether values are signs.
    of, strongest
        What the rows are, and how many to name on each side.
    """
    members = pattern[:, list(subset)]
    character = members.prod(1)
    strength = distance[:, list(subset)].sum(1)
    sides = []
    for sign in (1, -1):
        rows = torch.nonzero(character == sign)[:, 0]
        along = margins[rows] * sign * (1 if coefficient >= 0 else -1)
        order = along.argsort(descending=True, stable=True)
        ties = (strength[rows][order] * 10**TIES).round()
        order = order[ties.argsort(descending=True, stable=True)]
        sides.append(
            Side(
                sign,
                len(rows),
                len(rows) / len(values),
                _mean(values[rows], decision=decision),
                tuple(rows[order[:strongest]].tolist()),
            )
        )
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
    """Mean image of the rows with character +1, and of those with -1; NaN where there are none."""
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
