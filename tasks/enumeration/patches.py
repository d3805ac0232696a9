"""Image -> masked problem of its patches, with its spectrum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actspec_bench.caching import recipe_digest, weights_digest
from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.inputs import MaskedImage
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin
from actspec_bench.tasks.enumeration.choosing import enumeration, searched

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.problems.source import Readout


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

    def names(self) -> tuple[str, ...]:
        """Where each patch is."""
        return tuple(f"row {i // self.blocks}, column {i % self.blocks}" for i in range(self.count))

    def of_pixel(self) -> Tensor:
        """Patch of each pixel, row by row, shape (side * side,)."""
        line = torch.arange(self.side) * self.blocks // self.side
        return (line[:, None] * self.blocks + line[None, :]).reshape(-1)


def patch_margin(
    model: nn.Module, image: Float[Tensor, " pixels"], label: int, patches: Patches
) -> Callable[[Tensor], Tensor]:
    """Margin of ``label`` with each patch between blank (-1) and its own ink (+1)."""
    of_pixel, half = patches.of_pixel(), image / 2

    def margin(x: Tensor) -> Tensor:
        ink = half.to(x.device)
        shown = torch.addcmul(ink, x[:, of_pixel], ink)
        return class_margin(model(shown), label)

    return margin


def patch_instance(
    name: str,
    model: nn.Module,
    images: Float[Tensor, "images pixels"],
    labels: Tensor,
    patches: Patches,
    *,
    seed: int,
    readout: Readout,
    subsets: int,
) -> Instance:
    """Masked problem of one image, which the network gets right, and all its coefficients.

    Images are tried in an order drawn from ``seed`` until one's decision changes in a tenth of
    the patterns; the facts hold its label as ``digit``.
    """

    def margin_of(position: int, model: nn.Module = model) -> Callable[[Tensor], Tensor]:
        return patch_margin(model, images[position], int(labels[position]), patches)

    position, margins = searched(
        name,
        lambda: in_random_order(model, images, labels, seed),
        margin_of,
        patches.count,
        network=weights_digest(model),
        seed=seed,
        recipe=recipe_digest(__file__),
    )
    found = enumeration(margins, readout=readout, subsets=subsets)
    problem = Problem(
        masked(
            margin_of(position, placed(model)),
            patches.count,
            readout=readout,
            layout=(patches.blocks, patches.blocks),
            unit_names=patches.names(),
            device=chosen(),
        )
    )
    facts = {"digit": int(labels[position]), **found.facts}
    shape = (patches.side, patches.side)

    def inputs() -> MaskedImage:
        return MaskedImage(images[position].reshape(shape), patches.of_pixel().reshape(shape))

    return Instance(problem, found.truth, facts, inputs)


def in_random_order(model: nn.Module, images: Tensor, labels: Tensor, seed: int) -> list[int]:
    """Positions of the images that ``model`` gets right, shuffled by ``seed``."""
    right = torch.nonzero(model(images).argmax(1) == labels)[:, 0]
    order = torch.randperm(len(right), generator=torch.Generator().manual_seed(seed))
    chosen: list[int] = right[order].tolist()
    return chosen
