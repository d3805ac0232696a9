"""Network -> problem: the activations of one layer become the units of an interchange problem."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actspec_bench.errors import nearest
from actspec_bench.problem import Problem, Readout
from actspec_bench.readouts import class_margin
from actspec_bench.sources import FOREGROUND_ROWS, interchange

__all__ = ["from_module"]


def from_module(
    model: nn.Module,
    *,
    layer: str | nn.Module,
    inputs: Tensor,
    target: int | Callable[[Tensor], Tensor],
    readout: Readout = "decision",
    heldout: Tensor | None = None,
    foreground: Tensor | None = None,
    budget: int | None = None,
    seed: int = 0,
) -> Problem:
    """Interchange problem: the units are a layer's activations over a data set.

    The layer's output is flattened to n units and replaced during a forward pass; hooks,
    train/eval flags and ``requires_grad`` are put back after every call.

    Parameters
    ----------
    model, layer
        A network and one of its modules, or the module's dotted name. The layer must run once
        in a forward pass and return a tensor.
    inputs
        (N, ...) inputs whose activations are the problem's distribution.
    target
        A class: the margin is its logit minus the best other logit (for a single output: the
        output itself, target 0). Or a function from the network's output to (B,) margins.
    heldout
        Inputs whose activations are kept for the scores; methods never see them.
    foreground
        Inputs whose activations are the rows to explain; the first 32 of ``inputs`` if not given.

    Notes
    -----
    Where a skip connection bypasses the layer the output also depends on the carrier input.
    The carrier is then ``inputs[0]``, and the problem's `notes` say so.
    """
    module = _find_layer(model, layer)
    activations, shape = _capture(model, module, inputs)
    carrier = inputs[:1]
    readout_of = _margin_of(target)

    def margin(x: Tensor) -> Tensor:
        with _untouched(model), _replaced(module, x.reshape(-1, *shape)):
            return readout_of(model(carrier.expand(len(x), *carrier.shape[1:])))

    notes: tuple[str, ...] = ()
    probe = slice(0, 64)
    with torch.no_grad(), _untouched(model):
        direct = readout_of(model(inputs[probe]))
        through = margin(activations[probe])
    if not torch.allclose(direct, through, rtol=1e-3, atol=1e-4):
        notes = ("the layer is bypassed: the carrier input is fixed to the first input",)
    explained = inputs[:FOREGROUND_ROWS] if foreground is None else foreground
    source = interchange(
        margin,
        activations,
        readout=readout,
        foreground=_capture(model, module, explained)[0],
        heldout=None if heldout is None else _capture(model, module, heldout)[0],
        layout=tuple(shape) if len(shape) > 1 else None,
        notes=notes,
    )
    return Problem(source, budget=budget, seed=seed)


def _find_layer(model: nn.Module, layer: str | nn.Module) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if isinstance(layer, nn.Module):
        if not any(module is layer for module in modules.values()):
            raise ValueError("layer is not a module of the model")
        return layer
    if layer not in modules:
        raise ValueError(f"the model has no layer {layer!r}; {nearest(layer, list(modules)[1:])}")
    return modules[layer]


def _margin_of(target: int | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    if callable(target):
        return target

    def margin(output: Tensor) -> Tensor:
        if output.ndim == 1 or output.shape[1] == 1:
            if target != 0:
                raise ValueError(f"the network has one output, so target must be 0, not {target}")
            return output.reshape(-1)
        if output.ndim != 2 or not 0 <= target < output.shape[1]:
            raise ValueError(
                f"target {target} is not a class of an output of shape {tuple(output.shape)}; "
                "give a function from the output to (rows,) margins"
            )
        return class_margin(output, target)

    return margin


@contextlib.contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Evaluate without training behaviour or parameter gradients, and put all of it back."""
    training = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, flag in training:
            module.training = flag
        for parameter, flag in gradients:
            parameter.requires_grad_(flag)


@contextlib.contextmanager
def _replaced(module: nn.Module, activation: Tensor) -> Iterator[None]:
    runs = 0

    def swap(_module: nn.Module, _inputs: Any, _output: Any) -> Tensor:
        nonlocal runs
        runs += 1
        if runs > 1:
            raise ValueError("the layer runs more than once in a forward pass; choose another")
        return activation

    handle = module.register_forward_hook(swap)
    try:
        yield
    finally:
        handle.remove()


def _capture(model: nn.Module, module: nn.Module, inputs: Tensor) -> tuple[Tensor, torch.Size]:
    """Return the layer's activations over ``inputs``, (N, n), and the shape of one of them."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise ValueError(f"the layer returns {type(output).__name__}, not a tensor")
        seen.append(output.detach().clone())

    handle = module.register_forward_hook(keep)
    try:
        with torch.no_grad(), _untouched(model):
            model(inputs)
    finally:
        handle.remove()
    if len(seen) != 1:
        raise ValueError(
            f"the layer runs {len(seen)} times in a forward pass; choose one that runs once"
        )
    return seen[0].reshape(len(inputs), -1), seen[0].shape[1:]
