"""Network -> source: the activations of one layer become the units of an interchange problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from actspec_bench.problems.devices import rows_per_batch
from actspec_bench.problems.kinds import FOREGROUND_ROWS, interchange
from actspec_bench.problems.modules import separate_copy
from actspec_bench.problems.networks.forward import Inputs, Undisturbed, margin_of
from actspec_bench.problems.networks.replacing import Key, Site, UnitKind, Units, find_layer
from actspec_bench.problems.readouts import ClassMargin
from actspec_bench.problems.source import Readout, Source

__all__ = ["layer_source"]

PROBE_ROWS = 64
FEW_ROWS = 3
TOLERANCE = 1e-3
PRECISIONS = 16


def layer_source(
    model: nn.Module,
    *,
    layer: str | nn.Module,
    inputs: Any,
    target: int | Callable[[Any], Tensor],
    readout: Readout = "decision",
    units: UnitKind = "all",
    position: int | None = None,
    call: int | None = None,
    output: Key | None = None,
    threshold: float | Tensor | None = None,
    heldout: Any = None,
    foreground: Any = None,
) -> Source:
    """Source of an interchange problem: the units are a layer's activations over a data set.

    The layer's output is replaced during a forward pass. The network stays on its device and
    in its precision, and is evaluated as ``model.eval()`` would be; training flags,
    ``requires_grad``, hooks, buffers and random number generators are put back after every
    call, also one that fails. Rows that methods see are on the CPU in the default precision.

    Parameters
    ----------
    model, layer
        A network and one of its modules, or the module's dotted name.
    inputs
        N inputs whose activations are the problem's distribution: a tensor (N, ...), a tuple
        of such tensors (positional arguments), or a dict of them (keyword arguments).
    target
        A class: the margin is its logit minus the best other logit (for a single output: the
        output itself, target 0). Or a function from the network's output to (B,) margins.
    units
        ``"all"``: every number of the layer's output is a unit. ``"channels"``: dimension 1
        of the output holds n channels; x_c is a channel's mean over all other dimensions, and
        the network runs on the carrier's output with each channel shifted by a constant so that
        its mean is x_c. ``"features"``: the same for the last dimension.
    position
        With ``units="features"``: the units are the features at this one position (token) of
        an output (N, positions, features), and the others are the carrier's.
    call
        Which run of the layer in a forward pass, from 0, where it runs more than once. The
        later runs see what the replaced one leads to.
    output
        Index, key or field of the tensor to replace, where the layer returns a tuple, dict or
        dataclass; the first tensor if not given.
    threshold
        A unit is on where it exceeds this, a number or (n,). If not given 0; for means of
        several numbers, which after a ReLU are hardly ever 0, their mean over ``inputs``.
    heldout
        Inputs whose activations are kept for the scores; methods never see them.
    foreground
        Inputs whose activations are the rows to explain; the first 32 of ``inputs`` if not given.

    Raises
    ------
    ValueError
        The layer, the target, the inputs or the units do not fit the network, or the rows of a
        batch influence one another.

    Notes
    -----
    The carrier is ``inputs[0]``. The output depends on it where a skip connection (or an
    attention mask) bypasses the layer, and where the units are not the whole of the layer's
    output; the problem's `notes` then say so. What comes before the layer is computed for one
    copy of the carrier, not one a row, wherever that gives the same values on a few rows.

    A network that draws random numbers in evaluation mode draws the same ones in every
    call, and the notes say so.
    """
    rows = Inputs(inputs)
    site = Site(find_layer(model, layer), call, output)
    network = Undisturbed(model, rows[:1])
    cut = _Cut(network, site, Units(units, position), rows[:1], margin_of(target))
    example = cut.example()
    few = rows[:FEW_ROWS] if len(rows) > 1 else rows.repeated(2)
    function = cut.function(cut.capture(few, len(few)))
    at_a_time = rows_per_batch(lambda k: cut.direct(rows.repeated(k)), network.device)
    activations = cut.capture(rows, at_a_time)
    return interchange(
        function,
        activations,
        readout=readout,
        foreground=activations[:FOREGROUND_ROWS]
        if foreground is None
        else _further(cut, foreground, "foreground", at_a_time),
        heldout=None if heldout is None else _further(cut, heldout, "heldout", at_a_time),
        layout=tuple(example.shape[1:]) if units == "all" and example.ndim > 2 else None,
        threshold=_threshold(threshold, activations, of_means=cut.units.averages(example)),
        notes=cut.notes(rows[: min(PROBE_ROWS, at_a_time)]),
        device=network.device,
        batch_rows=rows_per_batch(
            lambda k: function(activations[:1].expand(k, -1)), network.device
        ),
        module=None if network.draws else lambda: WholeNetwork(cut, target),
    )


def _further(cut: _Cut, given: Any, what: str, at_a_time: int) -> Tensor:
    """Activations of other inputs than those that have been run."""
    try:
        return cut.capture(Inputs(given, what), at_a_time)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"{what} must be like inputs, which the network takes: of these it says {error}"
        ) from error


@dataclass(frozen=True)
class _Cut:
    """A network cut at a layer: what comes before it runs on the carrier, one row of inputs."""

    network: Undisturbed
    site: Site
    units: Units
    carrier: Inputs
    readout: Callable[[Any], Tensor]

    def direct(self, inputs: Inputs) -> Tensor:
        """Margins of inputs through the whole network."""
        with torch.no_grad(), self.network.pass_():
            return self.readout(inputs.to(self.network.device).output_of(self.network.model))

    def margin(self, x: Tensor, copies: int) -> Tensor:
        """Margins with units ``x`` in the layer, from ``copies`` (one, or one a row) carriers."""
        carrier = self.carrier.to(self.network.device)
        if copies > 1:
            carrier = carrier.repeated(copies)
        with self.network.pass_(), self.site.visited(lambda seen: self.units.write(seen, x)):
            return self.readout(carrier.output_of(self.network.model))

    def capture(self, inputs: Inputs, at_a_time: int) -> Tensor:
        """Units of the layer's output over ``inputs``, (N, n), on the CPU."""
        found = []
        for start in range(0, len(inputs), at_a_time):
            output = self._output(inputs[start : start + at_a_time])
            found.append(self.units.read(output).cpu())
        return torch.cat(found)

    def example(self) -> Tensor:
        """The layer's output for the carrier, (1, ...)."""
        output = self._output(self.carrier)
        self.units.check(output)
        return output

    def function(self, few: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the margin of x, from one carrier where that does on the rows ``few``.

        Raises
        ------
        ValueError
            A row's margin depends on the other rows of its batch.
        """

        def from_copies(x: Tensor) -> Tensor:
            return self.margin(x, copies=len(x))

        def from_one(x: Tensor) -> Tensor:
            return self.margin(x, copies=1)

        with torch.no_grad():
            values = from_copies(few)
            if self.network.draws:
                return from_copies
            if not self._equal(values[:1], from_copies(few[:1])):
                raise ValueError(
                    "a row's margin depends on the other rows of its batch (as in batch norm "
                    "without running statistics), so it is no function of the units"
                )
            try:
                same = self._equal(values, from_one(few))
            except Exception:
                # What follows the layer cannot do with one carrier: it gets one a row.
                same = False
        return from_one if same else from_copies

    def notes(self, inputs: Inputs) -> tuple[str, ...]:
        """Sentences about the carrier and chance, from what the network does on ``inputs``."""
        found = []
        x = self.capture(inputs, len(inputs))
        with torch.no_grad():
            through = self.margin(x, copies=len(x))
        if not self._equal(through, self.direct(inputs)):
            found.append(
                "the layer is bypassed: the carrier input is fixed to the first input"
                if self.units.kind == "all"
                else "the units are not all that matters: the carrier input, which gives the "
                "rest of the layer's output and whatever bypasses it, is fixed to the first input"
            )
        if self.network.draws:
            found.append(
                "the network draws random numbers even in evaluation mode: every call draws the "
                "same ones, so that a row's value depends on its place in the batch"
            )
        return tuple(found)

    def apart(self) -> _Cut:
        """Return the same cut of a copy of the network."""
        model = self.network.model
        name = next(name for name, part in model.named_modules() if part is self.site.layer)
        made = separate_copy(model)
        site = replace(self.site, layer=made.get_submodule(name))
        return replace(self, network=Undisturbed(made, self.carrier), site=site)

    def _output(self, inputs: Inputs) -> Tensor:
        seen: list[Tensor] = []
        with (
            torch.no_grad(),
            self.network.pass_(),
            self.site.visited(lambda output: seen.append(output.detach().clone())),
        ):
            inputs.to(self.network.device).output_of(self.network.model)
        if seen[0].ndim == 0 or len(seen[0]) != len(inputs):
            raise ValueError(
                f"the layer returns shape {tuple(seen[0].shape)} for {len(inputs)} inputs: its "
                "first dimension must be the inputs'"
            )
        return seen[0]

    def _equal(self, one: Tensor, other: Tensor) -> bool:
        """Whether margins agree up to the network's precision."""
        if one.shape != other.shape:
            return False
        precision = torch.finfo(one.dtype).eps if one.is_floating_point() else 0.0
        relative = max(TOLERANCE, PRECISIONS * precision)
        absolute = max(TOLERANCE / 10, PRECISIONS * precision)
        return torch.allclose(one.double(), other.double(), rtol=relative, atol=absolute)


def _threshold(given: float | Tensor | None, activations: Tensor, *, of_means: bool) -> Tensor:
    if given is None:
        return activations.mean(0) if of_means else torch.zeros(activations.shape[1])
    if isinstance(given, Tensor):
        return given.to(activations)
    return torch.full((activations.shape[1],), float(given))


class WholeNetwork(nn.Module):
    """A copy of a network, run on the carrier with each row's units in the layer.

    Modules before the layer run too, on as many carriers as there are rows, so that whatever is
    hooked sees one input a row.

    Parameters
    ----------
    cut
        The network, its layer and its units.
    target
        As for `layer_source`; the margin of a class is computed by modules too.
    """

    def __init__(self, cut: _Cut, target: int | Callable[[Any], Tensor]) -> None:
        super().__init__()
        apart = cut.apart()
        self.model = apart.network.model
        self.read: nn.Module | None = None
        self._cut = replace(apart, readout=margin_of(target, self._of_class))
        self._cut.direct(apart.carrier)  # which tells the number of classes

    def forward(self, x: Tensor) -> Tensor:
        """Return the margin of each row of units, (B, n) -> (B,)."""
        return self._cut.margin(x, copies=len(x))

    def _of_class(self, logits: Tensor, target: int) -> Tensor:
        if self.read is None:
            self.read = ClassMargin(logits.shape[1], target)
        margin: Tensor = self.read(logits)
        return margin
