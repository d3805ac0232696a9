"""Layer that everything after it depends on -> interchange problem of its units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.inputs import DataInputs, Originals
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import FOREGROUND_ROWS, interchange
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import ClassMargin, class_margin

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problems.source import Readout

__all__ = ["Bottleneck", "check_classes", "hidden_instance", "hidden_units"]


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """A layer of a trained network on real data: what a network offers tasks of its units.

    Attributes
    ----------
    before, heldout
        (rows, units) what enters the layer's nonlinearity, on the data that methods see and on
        the data that scores use.
    activate
        The nonlinearity, unit by unit; a layer to be re-coded has a ReLU.
    read
        Activations -> logits (rows, classes): all of the network that follows.
    originals
        Makes the images or texts that the rows of ``before`` came from, if they did.
    labels
        Classes of the rows of ``before`` and of ``heldout``, if tasks may ask for two of them.
    layout
        Shape in which the units are drawn, such as (14, 14).
    facts
        Figures for the records, such as the network's test accuracy.
    """

    before: Float[Tensor, "rows units"]
    heldout: Float[Tensor, "heldout units"]
    activate: nn.Module
    read: nn.Module
    originals: Callable[[], Originals] | None = None
    labels: tuple[Tensor, Tensor] | None = None
    layout: tuple[int, ...] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def inputs(self) -> DataInputs:
        """Return the activations of the data that methods see, with what they came from."""
        if self.originals is None:
            raise ValueError("the rows of this layer came from no images or texts")
        with torch.no_grad():
            return DataInputs(self.activate(self.before), self.originals())

    def of_two(self, one: int, other: int) -> Bottleneck:
        """Return the layer over the inputs that are labelled as one of two classes.

        The facts gain ``two_class_accuracy``, of the logits of the two on the held-out rows.
        """
        if self.labels is None:
            raise ValueError("the rows of this layer have no labels to choose two classes by")
        seen, tested = ((labels == one) | (labels == other) for labels in self.labels)
        heldout, truth = self.heldout[tested], self.labels[1][tested]
        right = (class_margin(self._logits(heldout), one, other) >= 0) == (truth == one)
        accuracy = float(right.double().mean())
        return replace(
            self._over(seen, tested), facts={**self.facts, "two_class_accuracy": accuracy}
        )

    def predicted_as(self, one: int, other: int) -> Bottleneck:
        """Return the layer over the inputs whose largest logit is that of one of two classes."""
        seen, tested = (
            (taken_for == one) | (taken_for == other)
            for taken_for in (self._logits(x).argmax(1) for x in (self.before, self.heldout))
        )
        return self._over(seen, tested)

    def balanced(self, target: int, against: int | None = None) -> Bottleneck:
        """Return the layer over as many inputs with a decision for ``target`` as against it.

        The larger group is cut to its first, among the held-out rows too. Raises ValueError
        where all rows are decided alike.
        """
        seen, tested = (
            _as_many(class_margin(self._logits(x), target, against) >= 0)
            for x in (self.before, self.heldout)
        )
        if not (seen.any() and tested.any()):
            raise ValueError(
                f"the network decides all rows alike for target={target}, so that they cannot be "
                "balanced: choose another target, or leave balanced out"
            )
        return self._over(seen, tested)

    def _logits(self, before: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = self.read(self.activate(before))
        return logits

    def _over(self, seen: Tensor, tested: Tensor) -> Bottleneck:
        """Return the layer over those of its rows, and of its held-out ones, that are True."""
        originals = self.originals
        return replace(
            self,
            before=self.before[seen],
            heldout=self.heldout[tested],
            originals=None if originals is None else lambda: _chosen(originals(), seen),
            labels=None if self.labels is None else (self.labels[0][seen], self.labels[1][tested]),
        )


def _as_many(decided: Bool[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
    """Which rows are left when the larger group is cut to the first of it."""
    size = min(int(decided.sum()), int((~decided).sum()))
    place = torch.where(decided, decided.cumsum(0), (~decided).cumsum(0))
    return place <= size


def _chosen(originals: Originals, rows: Tensor) -> Originals:
    if isinstance(originals, Tensor):
        return originals[rows]
    return [originals[row] for row in torch.nonzero(rows)[:, 0].tolist()]


def hidden_instance(
    layer: Bottleneck,
    seed: int,
    *,
    classes: int,
    readout: Readout,
    target: int | None,
    against: int | None = None,
    rows: Literal["labelled", "predicted"] = "labelled",
    balanced: bool = False,
) -> Instance:
    """Build the instance of one class of a layer's network; see `kinds.hidden.hidden_task`.

    A target that is not given is the seed's, in turn, passing over ``against``.
    """
    check_classes(layer, classes)
    if target is None:
        target = seed % classes
        if target == against:
            target = (target + 1) % classes
    if against is not None and rows == "labelled":
        layer = layer.of_two(target, against)
    elif against is not None:
        layer, against = layer.predicted_as(target, against), None
    if balanced:
        layer = layer.balanced(target, against)
    problem = hidden_units(layer, readout=readout, target=target, against=against)
    inputs = None if layer.originals is None else layer.inputs
    return Instance(problem, None, {**layer.facts, "target": target}, inputs)


def check_classes(layer: Bottleneck, classes: int) -> None:
    """Raise ValueError unless what follows the layer has one logit a class."""
    with torch.no_grad():
        logits = layer.read(layer.activate(layer.before[:1]))
    if logits.shape != (1, classes):
        raise ValueError(
            f"what follows the layer returns shape {tuple(logits.shape)} for one row, and "
            f"(1, {classes}) is needed: one logit a class"
        )


def hidden_units(
    layer: Bottleneck, *, readout: Readout, target: int, against: int | None = None
) -> Problem:
    """Problem of one class against the rest, or against one other, over a layer's activations.

    The rows to explain are the first 16 that the network takes for the class and the first 16
    that it does not.
    """
    with torch.no_grad():
        activations, heldout = layer.activate(layer.before), layer.activate(layer.heldout)
        logits = layer.read(activations)
        is_target = class_margin(logits, target, against) >= 0
    margin = nn.Sequential(placed(layer.read), ClassMargin(logits.shape[1], target, against))
    half = FOREGROUND_ROWS // 2
    return Problem(
        interchange(
            margin,
            activations,
            readout=readout,
            foreground=torch.cat([activations[is_target][:half], activations[~is_target][:half]]),
            heldout=heldout,
            layout=layer.layout,
            device=chosen(),
        )
    )
