"""Network after a layer -> a metered nn.Module of its own, for methods that hook modules."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.evaluation import checked_finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float

    from actspec_bench.problems.meter import Meter

__all__ = ["MeteredModule", "separate_copy"]


def separate_copy(module: nn.Module) -> nn.Module:
    """Copy a network so that hooks and modes of the copy leave the original alone.

    The copy is in evaluation mode, has no parameters that learn, and writes over no activation:
    hooks see what a module returned, not what the next one made of it.

    Raises
    ------
    NotApplicable
        The network cannot be copied.
    """
    try:
        made = copy.deepcopy(module)
    except Exception as error:
        raise NotApplicable(
            f"the network cannot be copied, and hooks must not touch the original ({error})"
        ) from error
    for part in made.modules():
        part.training = False
        if isinstance(getattr(part, "inplace", None), bool):
            setattr(part, "inplace", False)  # noqa: B010 - torch types attributes as modules
    return made.requires_grad_(False)


class MeteredModule(nn.Module):
    """A network from units to margins, (B, n) -> (B,), that counts its rows.

    The rows of a batch that a method's hooks have joined or repeated count as what runs through.
    A backward pass is counted before the network's own begins. Second derivatives are refused.

    Parameters
    ----------
    network
        What is evaluated; a copy that may be hooked.
    meter
        Counts rows, forward and backward apart.
    device
        Where the network is; rows may be elsewhere.
    admit
        Counts the rows of a forward pass, or refuses them.
    """

    def __init__(
        self,
        network: nn.Module,
        meter: Meter,
        device: torch.device,
        admit: Callable[[Tensor], None],
    ) -> None:
        super().__init__()
        self.network = network
        self._meter = meter
        self._device = device
        self._admit = admit
        self.eval()

    def forward(self, x: Float[Tensor, "rows n"]) -> Float[Tensor, " rows"]:
        """Return the margin of each row.

        Raises
        ------
        BudgetExceeded
            ``x`` has more rows than remain; none of them is evaluated.
        ValueError
            The network returned a value that is not finite.
        """
        self._admit(x)
        output = checked_finite(self.network(x.to(self._device))).to(x.device)
        if torch.is_grad_enabled() and output.requires_grad:
            output = _CountedBackward.apply(output, self._meter)  # type: ignore[no-untyped-call]
        return output


class _CountedBackward(torch.autograd.Function):
    """The identity, whose backward pass is the first step of the network's."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, meter: Meter) -> Tensor:
        ctx.meter = meter
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise NotApplicable("second derivatives cannot be metered: leave out create_graph")
        (gradient,) = upstream
        ctx.meter.spend(len(gradient), "backward")
        return gradient, None
