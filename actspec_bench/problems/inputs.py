"""Task -> inputs: what the rows of a problem came from, for tracing; methods never see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["DataInputs", "MaskedImage", "Originals"]

Originals = Tensor | Sequence[str]


@dataclass(frozen=True, eq=False)
class DataInputs:
    """Inputs of a data set, and the rows of the problem that they give.

    Attributes
    ----------
    activations
        (rows, n) x of each input.
    originals
        Images (rows, height, width), ink 1 on ground 0, or one text a row.
    """

    activations: Float[Tensor, "rows n"]
    originals: Originals

    def __post_init__(self) -> None:
        if len(self.originals) != len(self.activations):
            raise ValueError(
                f"{len(self.activations)} rows of activations come from "
                f"{len(self.originals)} inputs"
            )


@dataclass(frozen=True, eq=False)
class MaskedImage:
    """The one image whose parts a masked problem switches.

    Attributes
    ----------
    image
        (height, width), ink 1 on ground 0.
    unit_of_pixel
        (height, width) which unit switches each pixel.
    """

    image: Float[Tensor, "height width"]
    unit_of_pixel: Int[Tensor, "height width"]
