"""Parts of an input -> masked problem, with its spectrum where all patterns can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from actspec_bench.problems.devices import chosen
from actspec_bench.problems.inputs import MaskedImage
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.problem import Problem
from actspec_bench.tasks.enumeration.choosing import drawn_margins, enumerated_margins, searched
from actspec_bench.tasks.enumeration.truth import decision_changes, enumeration

if TYPE_CHECKING:
    from actspec_bench.problems.source import Readout

__all__ = ["Parts", "masked_instance"]


MOST_PARTS = 22


class MarginOf(Protocol):
    """Input -> its margin as a function of (B, parts) coordinates in [-1, +1].

    The network is on the CPU, or with ``on_device`` on the device of problems: inputs are chosen
    on the CPU, so that they are the same everywhere.
    """

    def __call__(self, position: int, *, on_device: bool) -> Callable[[Tensor], Tensor]: ...


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a network's inputs, each switched between its own value (+1) and a blank (-1).

    Attributes
    ----------
    name
        First part of the name of the cache's file.
    candidates
        Makes the positions of the inputs that may serve, in the order in which they are tried.
    margin
        Input -> margin of its own class; see `MarginOf`.
    names
        Input -> one name a part.
    facts
        Input -> figures and words for the records.
    depends_on
        Everything that the margins depend on, such as a digest of the network, as JSON: the
        input is chosen once and kept under this key, the name and the seed.
    layout
        Shape in which the parts are drawn.
    traced
        Input -> the image whose parts they are, if it is one.
    """

    name: str
    candidates: Callable[[], Sequence[int]]
    margin: MarginOf
    names: Callable[[int], tuple[str, ...]]
    facts: Callable[[int], dict[str, Any]]
    depends_on: dict[str, Any]
    layout: tuple[int, ...] | None = None
    traced: Callable[[int], MaskedImage] | None = None


def masked_instance(
    parts: Parts, seed: int, *, readout: Readout, subsets: int | None = None
) -> Instance:
    """Build the instance of the first input that serves; see `kinds.masked.masked_task`.

    Without ``subsets`` the patterns are not enumerated, and there is no truth.

    Raises
    ------
    RuntimeError
        None of the inputs serves.
    ValueError
        An input has too many parts for all their patterns.
    """

    def count(position: int) -> int:
        parts_of_input = len(parts.names(position))
        if subsets is not None and parts_of_input > MOST_PARTS:
            raise ValueError(
                f"{parts_of_input} parts have too many patterns to enumerate, {MOST_PARTS} are the "
                "most: declare the task with enumerated=False"
            )
        return parts_of_input

    position, margins = searched(
        parts.name,
        parts.candidates,
        lambda position: parts.margin(position, on_device=False),
        count,
        {**parts.depends_on, "seed": seed},
        margins_of=drawn_margins if subsets is None else enumerated_margins,
    )
    truth, facts = None, dict(parts.facts(position))
    if subsets is None:
        facts["decision_changes"] = decision_changes(margins)
    else:
        found = enumeration(margins, readout=readout, subsets=subsets)
        truth, facts = found.truth, {**facts, **found.facts}
    names, traced = parts.names(position), parts.traced
    source = masked(
        parts.margin(position, on_device=True),
        len(names),
        readout=readout,
        unit_names=names,
        layout=parts.layout,
        device=chosen(),
    )
    inputs = None if traced is None else lambda: traced(position)
    return Instance(Problem(source), truth, facts, inputs)
