"""Logits -> margin -> decision: what a problem's value is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["class_margin", "decision"]


def class_margin(
    logits: Float[Tensor, "rows classes"], target: int, against: int | None = None
) -> Float[Tensor, " rows"]:
    """Logit of class ``target`` less that of ``against``, or less the best other if not given."""
    if against is not None:
        return logits[:, target] - logits[:, against]
    rivals = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    return logits[:, target] - rivals.amax(1)


def decision(margin: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """Sign of the margin in {-1, +1}; +1 where the margin is 0."""
    return torch.where(margin >= 0, 1.0, -1.0)
