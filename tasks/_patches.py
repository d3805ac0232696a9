"""Image -> masked problem of its patches, and the search for an image worth explaining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from actspec_bench.tasks._enumeration import enumerated_margins
from torch import Tensor

from actspec_bench.problem import Problem
from actspec_bench.readouts import class_margin
from actspec_bench.sources import masked

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.problem import Readout

    Classifier = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Patches:
    """Square grid of ``blocks`` x ``blocks`` patches over an image of ``side`` x ``side``.

    Where blocks do not divide the side, patches differ by one pixel in size.
    """

    side: int
    blocks: int

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.blocks**2

    def of_pixel(self) -> Tensor:
        """Patch of each pixel, row by row, shape (side * side,)."""
        line = torch.arange(self.side) * self.blocks // self.side
        return (line[:, None] * self.blocks + line[None, :]).reshape(-1)


def patch_margin(
    model: Classifier, image: Float[Tensor, " pixels"], label: int, patches: Patches
) -> Callable[[Tensor], Tensor]:
    """Margin of ``label`` with each patch between blank (-1) and its own ink (+1)."""
    of_pixel = patches.of_pixel()

    def margin(x: Tensor) -> Tensor:
        shown = torch.addcmul(image / 2, x[:, of_pixel], image / 2)
        return class_margin(model(shown), label)

    return margin


def patch_problem(
    model: Classifier,
    image: Float[Tensor, " pixels"],
    label: int,
    patches: Patches,
    *,
    readout: Readout,
) -> Problem:
    """Masked problem of one image's patches."""
    names = tuple(
        f"row {i // patches.blocks}, column {i % patches.blocks}" for i in range(patches.count)
    )
    return Problem(
        masked(
            patch_margin(model, image, label, patches),
            patches.count,
            readout=readout,
            layout=(patches.blocks, patches.blocks),
            unit_names=names,
        )
    )


def searched(
    model: Classifier,
    images: Float[Tensor, "images pixels"],
    labels: Tensor,
    patches: Patches,
    seed: int,
) -> tuple[Tensor, int, Float[Tensor, " patterns"]]:
    """First image, in an order drawn from ``seed``, that serves; its label and all margins.

    The network must be right about it, and its decision must change in a tenth of the patterns.
    """
    right = torch.nonzero(model(images).argmax(1) == labels)[:, 0]
    order = torch.randperm(len(right), generator=torch.Generator().manual_seed(seed))
    for position in right[order].tolist():
        image, label = images[position], int(labels[position])
        margins = enumerated_margins(patch_margin(model, image, label, patches), patches.count)
        if margins is not None:
            return image, label, margins
    raise RuntimeError("no image's decision changes in a tenth of the patterns of its patches")
