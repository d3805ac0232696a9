"""Network -> what its units go through: modules, how often each, and functions besides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from actspec_bench.problems.explaining import affordable_rows

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.problems.problem import Problem

__all__ = ["AfterLayer", "Call", "Passage", "after_layer", "passage"]


@dataclass(frozen=True, eq=False)
class Call:
    """A function of torch that was called with what depends on the units.

    Attributes
    ----------
    function
        Its name.
    inside
        The innermost module that was running.
    dependent
        How many of its arguments depend on the units.
    first
        Whether its first argument does.
    """

    function: str
    inside: nn.Module
    dependent: int
    first: bool


@dataclass(frozen=True, eq=False)
class Passage:
    """The way of one row of units through a network.

    Attributes
    ----------
    names
        Name of each module.
    runs
        How often each module without parts of its own ran on what depends on the units, in the
        order in which they first did.
    calls
        The functions that were called, in order, of which something depends on the units.
    """

    names: dict[nn.Module, str]
    runs: dict[nn.Module, int]
    calls: tuple[Call, ...]

    def named(self, module: nn.Module) -> str:
        """Name and kind of a module, as a message has it."""
        return f"{self.names[module]!r} ({type(module).__name__})"


def passage(network: nn.Module, row: Float[Tensor, "1 n"]) -> Passage:
    """Run one row through a network, which costs one forward row, and return its way.

    Arguments that depend on the units are those that require a gradient: the parameters of a
    metered copy do not.
    """
    runs: dict[nn.Module, int] = {}
    running: list[nn.Module] = []

    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        running.append(module)
        if not list(module.children()) and _dependent([args, kwargs]):
            runs[module] = runs.get(module, 0) + 1

    def leave(*_: Any) -> None:
        running.pop()

    with contextlib.ExitStack() as stack:
        for module in network.modules():
            before = module.register_forward_pre_hook(enter, with_kwargs=True, prepend=True)
            stack.callback(before.remove)
            stack.callback(module.register_forward_hook(leave).remove)
        listening = _Listening(running)
        with torch.enable_grad(), listening:
            network(row.clone().requires_grad_())
    names = {module: name.removeprefix("network.") for name, module in network.named_modules()}
    return Passage(names, runs, tuple(listening.calls))


class _Listening(TorchFunctionMode):
    """Notes calls of functions that pass on a dependence on the units."""

    def __init__(self, running: list[nn.Module]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._running = running

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        dependent = _dependent([args, kwargs])
        first = bool(args) and bool(_dependent([args[0]]))
        returned = func(*args, **kwargs)
        name = getattr(func, "__name__", repr(func))
        if dependent and self._running and (_dependent([returned]) or name == "__setitem__"):
            self.calls.append(Call(name, self._running[-1], dependent, first))
        return returned


def _dependent(values: Iterable[Any]) -> int:
    """How many tensors in nested values require a gradient."""
    return sum(value.requires_grad for value in _tensors(values))


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            yield from _tensors(value.values())
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


class AfterLayer(nn.Module):
    """A network from units to margins as Captum may hook it: only where the units go through.

    Captum hooks what `apply` visits, and cannot hook modules that run on what does not depend
    on the units, such as those before the layer. Each module visited works on a copy of its
    inputs, since Captum's hooks would else take the gradient of a skip connection for its own.

    Parameters
    ----------
    network
        What is evaluated: a copy that may be hooked.
    way
        The way of a row of units through it.
    """

    def __init__(self, network: nn.Module, way: Passage) -> None:
        super().__init__()
        self.network = network
        self.way = way
        self.latest = torch.empty(0)
        for module in way.runs:
            module.register_forward_pre_hook(_of_its_own)

    def forward(self, x: Float[Tensor, "rows n"]) -> Float[Tensor, " rows"]:
        """Return the margin of each row, and keep those of the latest rows alone."""
        output: Tensor = self.network(x)
        self.latest = output.detach()
        return output

    def apply(self, fn: Callable[[nn.Module], None]) -> AfterLayer:
        """Call ``fn`` with every module that the units go through."""
        for module in self.way.runs:
            fn(module)
        return self


def _of_its_own(_module: nn.Module, args: Any) -> Any:
    return tuple(
        arg.clone() if isinstance(arg, Tensor) and arg.requires_grad else arg for arg in args
    )


def after_layer(problem: Problem, *, cost: int) -> AfterLayer:
    """Return the network after a problem's layer; costs one row.

    Raises
    ------
    NotApplicable
        There is none, or no budget for that row and another ``cost`` rows.
    """
    row = affordable_rows(problem, 1 + cost)[:1]
    network = problem.module()
    return AfterLayer(network, passage(network, row))
