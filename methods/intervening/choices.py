"""What can be chosen: the row that a unit is patched into, and what of a unit a probe reads."""

from __future__ import annotations

from typing import Literal

__all__ = ["Direction", "Features", "ways"]

Direction = Literal["denoising", "noising", "both"]
Features = Literal["patterns", "activations"]


def ways(direction: Direction) -> int:
    """Return how many rows are patched for a unit of a pair: one a direction."""
    return 2 if direction == "both" else 1
