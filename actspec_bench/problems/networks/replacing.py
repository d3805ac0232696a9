"""Layer -> its output seen, or replaced by other numbers, during a forward pass."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from actspec_bench.errors import nearest

__all__ = ["Site", "Units", "find_layer"]

UnitKind = Literal["all", "channels", "features"]
Key = int | str


@dataclass(frozen=True)
class Units:
    """How a layer's output (B, ...) is read as n units, and how units are written into it.

    Attributes
    ----------
    kind
        ``"all"``: every element. ``"channels"``: x_c is the mean of dimension 1's channel c
        over all other dimensions; writing x shifts each channel by a constant so that its mean
        is x_c. ``"features"``: the same with the last dimension.
    position
        With features of a (B, positions, features) output: x is what that position holds, and
        the other positions are left as they are.
    """

    kind: UnitKind = "all"
    position: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("all", "channels", "features"):
            raise ValueError(f"units must be 'all', 'channels' or 'features', not {self.kind!r}")
        if self.position is not None and self.kind != "features":
            raise ValueError("a position is one of several that hold features: units='features'")

    def read(self, output: Tensor) -> Tensor:
        """Units of an output, (B, n) in the default precision."""
        output = output.to(torch.get_default_dtype())
        if self.position is not None:
            return output[:, self.position]
        if self.kind == "all":
            return output.reshape(len(output), -1)
        return output.mean(self._averaged(output)) if output.ndim > 2 else output

    def write(self, output: Tensor, x: Tensor) -> Tensor:
        """Copy of ``output``, (1, ...) or (B, ...), that reads as ``x``, (B, n)."""
        if self.kind == "all":
            return x.to(output).reshape(-1, *output.shape[1:]).clone()
        if self.position is not None:
            changed = output.expand(len(x), *output.shape[1:]).clone()
            changed[:, self.position] = x.to(output)
            return changed
        shift = x.to(output.device) - self.read(output)
        for dimension in self._averaged(output):
            shift = shift.unsqueeze(dimension)
        return (output + shift).to(output.dtype)

    def check(self, output: Tensor) -> None:
        """Raise ValueError where an output of this shape has no such units."""
        if self.position is None:
            if output.ndim < 2:
                raise ValueError("the layer returns one number a row; choose a layer of units")
            return
        if output.ndim != 3 or not -output.shape[1] <= self.position < output.shape[1]:
            raise ValueError(
                f"position={self.position} needs a layer whose output is (rows, positions, "
                f"features) with so many positions, not {tuple(output.shape)}"
            )

    def averages(self, output: Tensor) -> bool:
        """Whether a unit stands for several numbers of such an output."""
        return self.kind != "all" and self.position is None and output.ndim > 2

    def _averaged(self, output: Tensor) -> tuple[int, ...]:
        kept = 1 if self.kind == "channels" else output.ndim - 1
        return tuple(d for d in range(1, output.ndim) if d != kept)


@dataclass(frozen=True)
class Site:
    """A tensor that a forward pass goes through.

    Attributes
    ----------
    layer
        The module that returns it.
    call
        Which of the module's runs in a pass, from 0; None where it runs once.
    output
        Index, key or field of the tensor in what the module returns; None is the first tensor.
    """

    layer: nn.Module
    call: int | None = None
    output: Key | None = None

    @contextlib.contextmanager
    def visited(self, change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        """Call ``change`` with the tensor during a pass; a tensor it returns takes its place.

        Raises
        ------
        ValueError
            The layer does not run, or runs more often and ``call`` does not say which, or
            returns no such tensor.
        """
        runs = 0

        def hook(_module: nn.Module, _inputs: Any, returned: Any) -> Any:
            nonlocal runs
            runs += 1
            if runs - 1 != (self.call or 0):
                return None
            key, tensor = _found(returned, self.output)
            changed = change(tensor)
            return None if changed is None else _with(returned, key, changed)

        handle = self.layer.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
        if runs == 0:
            raise ValueError("the layer does not run in a forward pass; choose another")
        if self.call is None and runs > 1:
            raise ValueError(
                f"the layer runs {runs} times in a forward pass; say which run's output is "
                f"meant, call=0 to call={runs - 1}"
            )
        if self.call is not None and not 0 <= self.call < runs:
            raise ValueError(
                f"the layer runs {runs} times in a forward pass, so call={self.call} is not one "
                f"of 0 to {runs - 1}"
            )


def find_layer(model: nn.Module, layer: str | nn.Module) -> nn.Module:
    """Return the module that ``layer`` is or names, or raise ValueError with a near match."""
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if isinstance(layer, nn.Module):
        if not any(module is layer for module in modules.values()):
            raise ValueError("layer is not a module of the model")
        return layer
    if layer not in modules:
        raise ValueError(f"the model has no layer {layer!r}; {nearest(layer, list(modules)[1:])}")
    return modules[layer]


def _found(returned: Any, key: Key | None) -> tuple[Key | None, Tensor]:
    """Return the tensor of a layer's output and its key in it, None for the output itself."""
    if isinstance(returned, Tensor):
        parts: dict[Any, Any] = {None: returned}
    elif isinstance(returned, Mapping):
        parts = dict(returned)
    elif isinstance(returned, (tuple, list)):
        parts = dict(enumerate(returned))
    elif dataclasses.is_dataclass(returned):
        parts = {f.name: getattr(returned, f.name) for f in dataclasses.fields(returned)}
    else:
        raise ValueError(f"the layer returns {type(returned).__name__}, not a tensor")
    tensors = {name: part for name, part in parts.items() if isinstance(part, Tensor)}
    if key is None and tensors:
        key = next(iter(tensors))
    if key not in tensors:
        raise ValueError(
            f"the layer's output has no tensor output={key!r}; it has "
            f"{', '.join(map(repr, tensors)) or 'none'}"
        )
    tensor = tensors[key]
    if not tensor.is_floating_point():
        raise ValueError(
            f"the layer's output holds {tensor.dtype} numbers, which are no activations"
        )
    return key, tensor


def _with(returned: Any, key: Key | None, tensor: Tensor) -> Any:
    """Return a layer's output with one tensor replaced; the original is left alone."""
    if key is None:
        return tensor
    if isinstance(returned, tuple):
        items = [tensor if place == key else item for place, item in enumerate(returned)]
        return type(returned)(*items) if hasattr(returned, "_fields") else tuple(items)
    if isinstance(returned, (list, Mapping)):
        changed: Any = copy.copy(returned)
        changed[key] = tensor
        return changed
    return dataclasses.replace(returned, **{str(key): tensor})
