"""Network and inputs -> output, leaving no trace in the network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from actspec_bench.problems.readouts import class_margin

__all__ = ["Inputs", "Undisturbed", "margin_of"]


class Inputs:
    """Rows of what a network is called with.

    Parameters
    ----------
    given
        A tensor; a tuple or list of tensors, the network's positional arguments; or a mapping
        of tensors, its keyword arguments. All have one first dimension, the rows.
    what
        Their name, for a message.
    """

    def __init__(self, given: Any, what: str = "inputs") -> None:
        if isinstance(given, Tensor):
            given = (given,)
        named = isinstance(given, Mapping)
        self._names = list(given) if isinstance(given, Mapping) else None
        self._tensors: list[Any] = list(given.values() if named else given)
        lengths = {
            len(tensor) if isinstance(tensor, Tensor) and tensor.ndim else None
            for tensor in self._tensors
        }
        if None in lengths or len(lengths) != 1 or lengths == {0}:
            raise ValueError(
                f"{what} must be a tensor, or a tuple or dict of tensors, of which all have the "
                "same number of rows, at least 1"
            )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._tensors[0])

    def __getitem__(self, rows: slice) -> Inputs:
        """Return some of the rows."""
        return self._like([tensor[rows] for tensor in self._tensors])

    def to(self, device: torch.device) -> Inputs:
        """Return the rows on a device."""
        return self._like([tensor.to(device) for tensor in self._tensors])

    def repeated(self, count: int) -> Inputs:
        """Return the first row ``count`` times."""
        return self._like([tensor[:1].expand(count, *tensor.shape[1:]) for tensor in self._tensors])

    def output_of(self, model: nn.Module) -> Any:
        """Call the network with copies, so that what it does to its inputs stays with it."""
        copies = [tensor.clone() for tensor in self._tensors]
        if self._names is None:
            return model(*copies)
        return model(**dict(zip(self._names, copies, strict=True)))

    def _like(self, tensors: list[Tensor]) -> Inputs:
        return Inputs(
            tuple(tensors) if self._names is None else dict(zip(self._names, tensors, strict=True))
        )


class Undisturbed:
    """A network whose use leaves training flags, gradients, buffers and random numbers alone.

    Parameters
    ----------
    model
        The network, which stays where it is and as it is.
    sample
        Inputs for one pass, which tells what there is to put back.

    Attributes
    ----------
    draws
        Whether a forward pass draws random numbers even in evaluation mode. Each pass then
        draws the same ones, from one seed.
    """

    def __init__(self, model: nn.Module, sample: Inputs) -> None:
        self.model = model
        self.draws = True
        self._changing = [(module, name) for module in model.modules() for name in module._buffers]
        before = self._buffers()
        with self.pass_(), torch.no_grad():
            state = self._random_state()
            sample.to(self.device).output_of(model)
            self.draws = not all(map(torch.equal, state, self._random_state()))
            self._changing = [
                (module, name)
                for module, name, buffer, copy in before
                if module._buffers[name] is not buffer
                or (buffer is not None and not torch.equal(buffer, copy))
            ]

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are; the CPU if it has none."""
        tensors = (*self.model.parameters(), *self.model.buffers())
        return tensors[0].device if tensors else torch.device("cpu")

    @contextlib.contextmanager
    def pass_(self) -> Iterator[None]:
        """Evaluate in here; whatever happens, the network is put back as it was.

        Flags are set directly, since overridden ``eval`` and ``train`` methods may do more.
        """
        training = [module for module in self.model.modules() if module.training]
        learning = [p for p in self.model.parameters() if p.requires_grad]
        buffers = self._buffers()
        with contextlib.ExitStack() as stack:
            if self.draws:
                devices = [self.device] if self.device.type == "cuda" else []
                stack.enter_context(torch.random.fork_rng(devices=devices))
                torch.manual_seed(0)
            try:
                for module in training:
                    module.training = False
                for parameter in learning:
                    parameter.requires_grad_(False)
                yield
            finally:
                for module in training:
                    module.training = True
                for parameter in learning:
                    parameter.requires_grad_()
                for module, name, buffer, copy in buffers:
                    module._buffers[name] = buffer
                    if buffer is not None and not torch.equal(buffer, copy):
                        with torch.no_grad():
                            buffer.copy_(copy)

    def _buffers(self) -> list[tuple[nn.Module, str, Tensor | None, Any]]:
        """Buffers that a pass changes, and copies of them."""
        found = []
        for module, name in self._changing:
            buffer = module._buffers[name]
            found.append((module, name, buffer, None if buffer is None else buffer.clone()))
        return found

    def _random_state(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states


def margin_of(
    target: int | Callable[[Any], Tensor],
    of_class: Callable[[Tensor, int], Tensor] = class_margin,
) -> Callable[[Any], Tensor]:
    """Return the function from a network's output to margins, (B,), that ``target`` names.

    For a class, its logit minus the best other logit; for a single output, the output itself,
    target 0. Logits are the output, its ``logits``, or the first tensor of a tuple. ``of_class``
    computes the margin of a class from logits.
    """
    if callable(target):
        return target

    def margin(output: Any) -> Tensor:
        logits = _logits(output)
        if logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1):
            if target != 0:
                raise ValueError(f"the network has one output, so target must be 0, not {target}")
            return logits.reshape(-1)
        if logits.ndim != 2 or not 0 <= target < logits.shape[1]:
            raise ValueError(
                f"target {target} is not a class of an output of shape {tuple(logits.shape)}; "
                "give a function from the output to (rows,) margins"
            )
        return of_class(logits, target)

    return margin


def _logits(output: Any) -> Tensor:
    if isinstance(output, Mapping):
        output = output.get("logits")
    elif isinstance(output, (tuple, list)):
        output = next((item for item in output if isinstance(item, Tensor)), None)
    elif not isinstance(output, Tensor):
        output = getattr(output, "logits", None)
    if not isinstance(output, Tensor):
        raise ValueError(
            "the network's output has no logits; give as target a function from the output to "
            "(rows,) margins"
        )
    return output
