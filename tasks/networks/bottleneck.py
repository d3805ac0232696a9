"""Layer that everything after it depends on -> interchange problem of its units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.inputs import DataInputs, Originals
from actspec_bench.problems.kinds import FOREGROUND_ROWS, interchange
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.problems.source import Readout


@dataclass(frozen=True)
class Bottleneck:
    """A layer of a trained network on real data.

    Attributes
    ----------
    before, heldout
        (rows, units) what enters the layer's nonlinearity, on the data that methods see and on
        the data that scores use.
    activate
        The nonlinearity, unit by unit.
    read
        Activations -> logits (rows, classes): all of the network that follows.
    originals
        Makes the images or texts that the rows of ``before`` came from, if they did.
    """

    before: Float[Tensor, "rows units"]
    heldout: Float[Tensor, "heldout units"]
    activate: nn.Module
    read: nn.Module
    originals: Callable[[], Originals] | None = None

    def inputs(self) -> DataInputs:
        """Return the activations of the data that methods see, with what they came from."""
        if self.originals is None:
            raise ValueError("the rows of this layer came from no images or texts")
        with torch.no_grad():
            return DataInputs(self.activate(self.before), self.originals())


def hidden_units(
    layer: Bottleneck,
    *,
    readout: Readout,
    target: int,
    against: int | None = None,
    layout: tuple[int, ...] | None = None,
) -> Problem:
    """Problem of one class against the rest, or against one other, over a layer's activations.

    The rows to explain are the first 16 that the network takes for the class and the first 16
    that it does not.
    """
    read = placed(layer.read)

    def margin(x: Tensor) -> Tensor:
        return class_margin(read(x), target, against)

    with torch.no_grad():
        activations, heldout = layer.activate(layer.before), layer.activate(layer.heldout)
        is_target = class_margin(layer.read(activations), target, against) >= 0
    half = FOREGROUND_ROWS // 2
    return Problem(
        interchange(
            margin,
            activations,
            readout=readout,
            foreground=torch.cat([activations[is_target][:half], activations[~is_target][:half]]),
            heldout=heldout,
            layout=layout,
            device=chosen(),
        )
    )
