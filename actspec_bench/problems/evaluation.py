"""Rows -> values: moved to the function's device, in batches, every gradient metered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.meter import Meter

__all__ = ["Evaluator", "Noise", "checked_finite"]


class Evaluator:
    """A function of rows on a device, for rows that are somewhere else.

    Each batch is a fresh copy on the function's device, and its values come back to where the
    rows are. Where a GPU's memory runs out, the batch is halved and tried again.

    Parameters
    ----------
    function
        (B, n) -> (B,), each value depending on its own row alone.
    device
        Where the function expects its rows.
    batch_rows
        Rows at a time.
    """

    def __init__(
        self, function: Callable[[Tensor], Any], *, device: torch.device, batch_rows: int
    ) -> None:
        self._function = function
        self._device = device
        self.batch_rows = batch_rows

    def __call__(self, x: Tensor, meter: Meter) -> Tensor:
        """Return the values of rows ``x``, (B, n) -> (B,), differentiable where x asks for it.

        The backward pass is counted on ``meter`` before the function's own begins. It is exact
        for rows in several batches too: each batch is evaluated again for its gradient, so that
        one batch's intermediate results are held at a time.

        Raises
        ------
        ValueError
            The function returned a wrong shape.
        """
        if torch.is_grad_enabled() and x.requires_grad:
            output: Tensor = _Metered.apply(x, self, meter)  # type: ignore[no-untyped-call]
            return output
        if not len(x):
            return torch.empty(0, device=x.device)
        with torch.no_grad():
            return self.in_batches(x, lambda part: self.values(x[part]))

    def values(self, rows: Tensor) -> Tensor:
        """Evaluate one batch; the values are on the function's device."""
        output = self._function(rows.to(self._device, copy=True))
        if not isinstance(output, Tensor):
            output = torch.as_tensor(output)
        if output.shape != (len(rows),):
            raise ValueError(
                f"the function returned shape {tuple(output.shape)} for {len(rows)} rows; "
                f"it must return ({len(rows)},)"
            )
        return output.to(torch.get_default_dtype())

    def in_batches(self, x: Tensor, work: Callable[[slice], Tensor]) -> Tensor:
        """Concatenate ``work`` over slices of ``x``, where x is."""
        if not len(x):
            return work(slice(0, 0)).to(x.device)
        done: list[Tensor] = []
        start = 0
        while start < len(x):
            size = min(self.batch_rows, len(x) - start)
            try:
                done.append(work(slice(start, start + size)).to(x.device))
                start += size
                continue
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
            # Out here the exception, which held the batch's tensors, is gone.
            self.batch_rows = size // 2
            torch.cuda.empty_cache()
        return torch.cat(done)


class Noise:
    """Normal noise of evaluations, independent from one to the next.

    Parameters
    ----------
    deviation
        Its standard deviation; nothing is drawn where that is 0.
    seed
        Of its draws.
    """

    def __init__(self, deviation: float, seed: int) -> None:
        self._deviation = deviation
        self._draws = np.random.default_rng(seed)

    def __call__(self, x: Tensor, output: Tensor) -> Tensor:
        """Return noisy values of rows ``x``, whose gradients are noisy where x asks for them."""
        if not self._deviation:
            return output
        output = output + self._deviation * self._normal(x.shape[0])
        if x.requires_grad:
            # A central difference of two noisy values, half of y(+1) - y(-1), has the
            # noise's standard deviation over the square root of 2: so has a gradient.
            slope = self._deviation / 2**0.5 * self._normal(*x.shape)
            output = output + ((x - x.detach()) * slope).sum(1)
        return output

    def _normal(self, *shape: int) -> Tensor:
        drawn = torch.from_numpy(self._draws.standard_normal(shape))
        return drawn.to(torch.get_default_dtype())


def checked_finite(values: Tensor) -> Tensor:
    """Return values, or raise ValueError where one is not finite."""
    if not torch.isfinite(values).all():
        raise ValueError("the function returned a value that is not finite (NaN or infinity)")
    return values


class _Metered(torch.autograd.Function):
    """An evaluation whose backward pass is counted before the function's own begins.

    Second derivatives could not be counted this way and are refused.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, evaluator: Evaluator, meter: Meter) -> Tensor:
        ctx.save_for_backward(x)
        ctx.evaluator, ctx.meter, ctx.recorded = evaluator, meter, None

        def work(part: slice) -> Tensor:
            if part.stop - part.start < len(x):
                return evaluator.values(x[part])
            ctx.recorded = _recorded(evaluator, x)
            output: Tensor = ctx.recorded[1]
            return output.detach()

        return evaluator.in_batches(x, work)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        if torch.is_grad_enabled():
            raise NotApplicable("second derivatives cannot be metered: leave out create_graph")
        (x,) = ctx.saved_tensors
        (upstream,) = gradients
        ctx.meter.spend(len(x), "backward")

        def work(part: slice) -> Tensor:
            recorded, ctx.recorded = ctx.recorded, None
            if recorded is None or part.stop - part.start < len(x):
                recorded = _recorded(ctx.evaluator, x[part])
            leaf, output = recorded
            return _slope(leaf, output, upstream[part])

        return ctx.evaluator.in_batches(x, work), None, None


def _recorded(evaluator: Evaluator, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as the leaf of a graph, and their values."""
    with torch.enable_grad():
        leaf = rows.detach().requires_grad_()
        return leaf, evaluator.values(leaf)


def _slope(leaf: Tensor, output: Tensor, upstream: Tensor) -> Tensor:
    if not output.requires_grad:
        raise NotApplicable(
            "the function has no derivatives: it must be torch code from rows to values"
        )
    (slope,) = torch.autograd.grad(
        output, leaf, upstream.to(output.device), allow_unused=True, materialize_grads=True
    )
    return slope
