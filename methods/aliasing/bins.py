"""Shifted affine subspaces of patterns -> bins, each the signed sum of the coefficients in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8
    from numpy import ndarray

    from actspec_bench.methods.actspec.queries import Queries

    Members = UInt8[ndarray, "subsets n"]
    Bins = Float[ndarray, "shifts bins"]

RIDGE = 1e-9


def transformed(blocks: Float[ndarray, "shifts points"]) -> Bins:
    """Walsh-Hadamard transform of each row, divided by its length."""
    shifts, points = blocks.shape
    out, half = blocks / points, 1
    while half < points:
        pairs = out.reshape(shifts, -1, 2, half)
        even, odd = pairs[:, :, 0], pairs[:, :, 1]
        out = np.stack((even + odd, even - odd), axis=2)
        half *= 2
    return np.asarray(out.reshape(shifts, points))


@dataclass
class Group:
    r"""Values of f on one affine subspace of :math:`GF(2)^n` and its shifts, transformed.

    A pattern is written as its off units, a row of GF(2)^n. Shift r of the subspace spanned by
    the directions :math:`d_1, ..., d_b` from offset :math:`o_r` has 2^b points, whose transform
    at bin j is

    .. math::
        U_{rj} = \sum_{S : \langle d_i, S \rangle = j_i} \hat f(S) (-1)^{\langle o_r, S \rangle}

    so that a bin is the same few coefficients under every shift, with other signs (Scheibler,
    Haghighatshoar & Vetterli 2013, section III; Li, Bradley, Pawar & Ramchandran 2015,
    section IV).

    Attributes
    ----------
    directions
        (b, n) off units of each direction, independent over GF(2).
    offsets
        (R, n) off units of each shift's first point.
    values, bins
        (R, 2^b) values at the points of each shift, and their transform.
    """

    directions: UInt8[ndarray, "directions n"]
    offsets: UInt8[ndarray, "shifts n"] = field(init=False)
    values: Float[ndarray, "shifts points"] = field(init=False)
    bins: Bins = field(init=False)

    def __post_init__(self) -> None:
        self.offsets = np.zeros((0, self.directions.shape[1]), np.uint8)
        self.values = self.bins = np.zeros((0, 2 ** len(self.directions)))

    @property
    def size(self) -> int:
        """Number of bins."""
        return int(self.bins.shape[1])

    def shift(self, queries: Queries, offsets: UInt8[ndarray, "more n"]) -> None:
        """Ask for more shifts."""
        values = self._ask(queries, offsets)
        self.offsets = np.vstack([self.offsets, offsets])
        self.values = np.vstack([self.values, values])
        self.bins = np.vstack([self.bins, transformed(values)])

    def split(self, queries: Queries, direction: UInt8[ndarray, " n"]) -> None:
        """Ask for the other half of a subspace of one more dimension: each bin becomes two."""
        values = self._ask(queries, self.offsets ^ direction)
        other = transformed(values)
        self.directions = np.vstack([self.directions, direction])
        self.values = np.hstack([self.values, values])
        self.bins = np.hstack([self.bins + other, self.bins - other]) / 2

    def bins_of(self, members: Members) -> Int[ndarray, " subsets"]:
        """Bin that each subset falls into."""
        bits = parities(members, self.directions)
        return np.asarray(bits @ (1 << np.arange(len(self.directions))), dtype=np.int64)

    def signs(self, members: Members) -> Float[ndarray, "shifts subsets"]:
        """Sign of each subset's coefficient in its bin under every shift."""
        return 1.0 - 2.0 * parities(self.offsets, members)

    def residual(self, members: Members, coefficients: Float[ndarray, " subsets"]) -> Bins:
        """Bins less what the given subsets put into them."""
        into = np.zeros((len(members), self.size))
        into[np.arange(len(members)), self.bins_of(members)] = coefficients
        return self.bins - self.signs(members) @ into

    def _ask(
        self, queries: Queries, offsets: UInt8[ndarray, "more n"]
    ) -> Float[ndarray, "more points"]:
        points = np.zeros((1, self.directions.shape[1]), np.uint8)
        for direction in self.directions:
            points = np.vstack([points, points ^ direction])
        off = (offsets[:, None, :] ^ points[None]).reshape(-1, points.shape[1])
        x = 1.0 - 2.0 * torch.from_numpy(off).to(torch.get_default_dtype())
        return queries.ask(x, len(offsets)).double().numpy().reshape(len(offsets), len(points))


def parities(
    rows: UInt8[ndarray, "rows n"], others: UInt8[ndarray, "others n"]
) -> Int[ndarray, "rows others"]:
    """Parity of the intersection of each row with each of the others."""
    # In float32, where a product is fast and counts up to 2^24 are exact.
    counts = rows.astype(np.float32) @ others.T.astype(np.float32)
    return counts.astype(np.int64) & 1


def fitted(
    groups: list[Group], members: Members
) -> tuple[Float[ndarray, " subsets"], Float[ndarray, " subsets"]]:
    """Joint least squares on every query of ``groups``, and the errors at unit noise.

    By Parseval the squares of a shift are those of its bins times their number, and a subset
    is in one bin only.
    """
    gram = np.zeros((len(members), len(members)))
    moment = np.zeros(len(members))
    for group in groups:
        signs, bins = group.signs(members), group.bins_of(members)
        gram += group.size * (signs.T @ signs) * (bins[:, None] == bins)
        moment += group.size * (signs * group.bins[:, bins]).sum(0)
    # A ridge at rounding level, for subsets that no query has told apart yet.
    gram[np.diag_indices_from(gram)] *= 1 + RIDGE
    inverse = np.linalg.inv(gram)
    return inverse @ moment, np.sqrt(inverse.diagonal())
