"""Parts of one input of a network -> margin: each between its own value and a blank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actspec_bench.problems.readouts import ClassMargin

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["Switched"]


class Switched(nn.Module):
    """Margin of ``label`` with each part of an input between blank (-1) and its own (+1).

    Parameters
    ----------
    model
        (rows, *shape) -> logits (rows, classes).
    label
        The class.
    own, off
        ``shape``: the input, and what stands there where a part is off.
    part_of
        Part of each element, of a shape that goes with ``shape``.
    """

    middle: Tensor
    reach: Tensor
    part_of: Tensor

    def __init__(
        self,
        model: nn.Module,
        label: int,
        own: Float[Tensor, " ..."],
        off: Float[Tensor, " ..."],
        part_of: Int[Tensor, " ..."],
    ) -> None:
        super().__init__()
        with torch.no_grad():
            classes = model(own[None]).shape[1]
        self.network = nn.Sequential(model, ClassMargin(classes, label))
        self.register_buffer("middle", (own + off) / 2)
        self.register_buffer("reach", (own - off) / 2)
        self.register_buffer("part_of", part_of)

    def forward(self, x: Float[Tensor, "rows parts"]) -> Float[Tensor, " rows"]:
        """Return the margin of each row of states in [-1, +1]."""
        shown = torch.addcmul(self.middle, x[:, self.part_of], self.reach)
        margin: Tensor = self.network(shown)
        return margin
