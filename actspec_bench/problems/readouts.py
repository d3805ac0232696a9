"""Logits -> margin -> decision: what a problem's value is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["ClassMargin", "class_margin", "decision"]


def class_margin(
    logits: Float[Tensor, "rows classes"], target: int, against: int | None = None
) -> Float[Tensor, " rows"]:
    """Logit of class ``target`` less that of ``against``, or less the best other if not given."""
    if against is not None:
        return logits[:, target] - logits[:, against]
    rivals = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    return logits[:, target] - rivals.amax(1)


class ClassMargin(nn.Module):
    """`class_margin` made of modules, for methods that hook modules to see every step.

    Parameters
    ----------
    classes
        Logits a row, 2 or more.
    target, against
        As in `class_margin`.
    """

    def __init__(self, classes: int, target: int, against: int | None = None) -> None:
        super().__init__()
        self.target = target
        self.against = against
        self.best = nn.MaxPool1d(classes - 1)

    def forward(self, logits: Float[Tensor, "rows classes"]) -> Float[Tensor, " rows"]:
        """Return the margin of each row."""
        own = logits[:, self.target]
        if self.against is not None:
            return own - logits[:, self.against]
        rivals = torch.cat([logits[:, : self.target], logits[:, self.target + 1 :]], dim=1)
        highest: Tensor = self.best(rivals[:, None])
        return own - highest[:, 0, 0]


def decision(margin: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """Sign of the margin in {-1, +1}; +1 where the margin is 0."""
    return torch.where(margin >= 0, 1.0, -1.0)
