"""Image -> parts: a grid of patches, each with its own ink or blank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from actspec_bench.caching import recipe_digest, weights_digest
from actspec_bench.problems.devices import placed
from actspec_bench.problems.inputs import MaskedImage
from actspec_bench.tasks.enumeration.parts import Parts
from actspec_bench.tasks.enumeration.switched import Switched

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["Patches", "in_random_order", "patch_parts"]


@dataclass(frozen=True)
class Patches:
    """Square grid of ``blocks`` x ``blocks`` patches over an image of ``side`` x ``side``.

    Where blocks do not divide the side, patches differ by one pixel in size.
    """

    side: int
    blocks: int

    def __post_init__(self) -> None:
        if not 1 <= self.blocks <= self.side:
            raise ValueError(
                f"{self.blocks} patches a side do not fit an image of {self.side} pixels a side"
            )

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.blocks**2

    def names(self) -> tuple[str, ...]:
        """Where each patch is."""
        return tuple(f"row {i // self.blocks}, column {i % self.blocks}" for i in range(self.count))

    def of_pixel(self) -> Tensor:
        """Patch of each pixel, row by row, shape (side * side,)."""
        line = torch.arange(self.side) * self.blocks // self.side
        return (line[:, None] * self.blocks + line[None, :]).reshape(-1)


def patch_parts(
    name: str,
    model: nn.Module,
    images: Float[Tensor, "images pixels"],
    labels: Tensor,
    patches: Patches,
    *,
    seed: int,
    facts: dict[str, Any] | None = None,
    label: str = "digit",
) -> Parts:
    """Patches of one image that the network gets right, each its own ink or blank.

    Parameters
    ----------
    name
        First part of the name of the cache's file.
    model
        (rows, pixels) -> logits (rows, classes).
    images, labels
        What to choose from, ink 1 on ground 0, row by row, and the classes.
    patches
        The grid.
    seed
        Draws the order in which the images are tried.
    facts
        Figures for the records, to which the image's class is added.
    label
        What the records call the class.
    """
    shape = (patches.side, patches.side)

    def margin(position: int, *, on_device: bool) -> Callable[[Tensor], Tensor]:
        ink = images[position]
        made = Switched(
            model, int(labels[position]), ink, torch.zeros_like(ink), patches.of_pixel()
        )
        return placed(made) if on_device else made

    return Parts(
        name,
        candidates=lambda: in_random_order(model, images, labels, seed),
        margin=margin,
        names=lambda _: patches.names(),
        facts=lambda position: {**(facts or {}), label: int(labels[position])},
        depends_on={"network": weights_digest(model), "recipe": recipe_digest(__file__)},
        layout=(patches.blocks, patches.blocks),
        traced=lambda position: MaskedImage(
            images[position].reshape(shape), patches.of_pixel().reshape(shape)
        ),
    )


def in_random_order(model: nn.Module, images: Tensor, labels: Tensor, seed: int) -> list[int]:
    """Positions of the images that ``model`` gets right, shuffled by ``seed``."""
    right = torch.nonzero(model(images).argmax(1) == labels)[:, 0]
    order = torch.randperm(len(right), generator=torch.Generator().manual_seed(seed))
    shuffled: list[int] = right[order].tolist()
    return shuffled
