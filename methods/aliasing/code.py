"""Syndrome bits -> subset: a binary BCH code whose designed distance grows row by row."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, UInt8
    from numpy import ndarray

# Primitive polynomials over GF(2) of degree 1, 2, ..., one bit a coefficient (Peterson & Weldon,
# Error-Correcting Codes, 1972, appendix C).
PRIMITIVE = (3, 7, 11, 19, 37, 67, 131, 285, 529, 1033, 2053, 4179, 8219, 17475, 32771, 69643)


@lru_cache
def field(degree: int) -> tuple[Int[ndarray, " powers"], Int[ndarray, " elements"]]:
    """Powers of a primitive element of GF(2^degree), twice over, and their logarithms.

    The logarithm of 0 is set to 0: whoever looks it up has to mask it.
    """
    order = 2**degree - 1
    power = np.zeros(2 * order, dtype=np.int64)
    logarithm = np.zeros(order + 1, dtype=np.int64)
    element = 1
    for exponent in range(order):
        power[exponent] = power[exponent + order] = element
        logarithm[element] = exponent
        element <<= 1
        if element > order:
            element ^= PRIMITIVE[degree - 1]
    return power, logarithm


class BCH:
    r"""Parity checks on n units, in an order in which every prefix of stages is a code.

    Unit i has its own element :math:`X_i` of GF(2^m), the smallest field with n elements, dealt
    at random. Stage t of the checks adds the bits of :math:`\sum_{i \in S} X_i^{2t-1}`; the
    first also adds the parity of \|S\|. The first t stages tell all subsets of at most t units
    apart (Bose & Ray-Chaudhuri 1960, Hocquenghem 1959; the parity check lets an element be 0).

    Parameters
    ----------
    n
        Units.
    rng
        Deals the elements.
    """

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.n = n
        self.degree = max((n - 1).bit_length(), 1)
        size = 2**self.degree
        self.elements = (
            rng.permutation(size)[:n] if n == size else 1 + rng.permutation(size - 1)[:n]
        )
        self.power, self.logarithm = field(self.degree)

    def checks_of(self, stages: int) -> int:
        """Count the checks of the first ``stages`` stages."""
        return self.degree * stages + 1 if stages else 0

    def checks(self, stage: int) -> UInt8[ndarray, "checks n"]:
        """Rows of the parity-check matrix that ``stage`` = 1, 2, ... adds."""
        order = len(self.logarithm) - 1
        powers = self.power[self.logarithm[self.elements] * (2 * stage - 1) % order]
        powers = np.where(self.elements > 0, powers, 0)
        rows = (powers >> np.arange(self.degree)[:, None] & 1).astype(np.uint8)
        return np.vstack([rows, np.ones((1, self.n), np.uint8)]) if stage == 1 else rows

    def decode(
        self, bits: UInt8[ndarray, "batch checks"], stages: int
    ) -> tuple[Bool[ndarray, " batch"], UInt8[ndarray, "batch n"]]:
        """Find the subset of at most ``stages`` units with each row of check bits, if any.

        The error locator by the algorithm of Massey (1969, section 3), whose even steps are idle
        in characteristic 2; its roots by trying every unit.

        Returns
        -------
        found, subsets
            (batch,) whether there is one; (batch, n) members, all 0 where there is none.
        """
        m, batch = self.degree, len(bits)
        weights = 1 << np.arange(m)
        syndromes = np.zeros((batch, 2 * stages + 1), dtype=np.int64)
        for t in range(1, stages + 1):
            start = 0 if t == 1 else self.checks_of(t - 1)
            syndromes[:, 2 * t - 1] = bits[:, start : start + m] @ weights
        for even in range(2, 2 * stages, 2):
            half = syndromes[:, even // 2]
            syndromes[:, even] = self._times(half, half)
        locator, length = self._locator(syndromes, stages)

        order = len(self.logarithm) - 1
        inverse = self.power[(order - self.logarithm[self.elements]) % order]
        at_units = np.zeros((batch, self.n), dtype=np.int64)
        for coefficient in locator.T[::-1]:
            at_units = self._times(at_units, inverse) ^ coefficient[:, None]
        members = (at_units == 0) & (self.elements > 0)
        found = members.sum(1) == length
        odd = bits[:, m].astype(bool) ^ (length % 2 == 1)
        if (self.elements == 0).any():
            members[:, np.flatnonzero(self.elements == 0)[0]] = odd
        else:
            found &= ~odd
        found &= members.sum(1) <= stages
        return found, (members & found[:, None]).astype(np.uint8)

    def _locator(
        self, syndromes: Int[ndarray, "batch powers"], stages: int
    ) -> tuple[Int[ndarray, "batch coefficients"], Int[ndarray, " batch"]]:
        """Shortest feedback registers that yield the syndromes, and their lengths."""
        batch = len(syndromes)
        locator = np.zeros((batch, stages + 1), dtype=np.int64)
        locator[:, 0] = 1
        before = np.zeros_like(locator)
        before[:, 1:2] = 1
        scale = np.ones(batch, dtype=np.int64)
        length = np.zeros(batch, dtype=np.int64)
        for t in range(stages):
            discrepancy = np.zeros(batch, dtype=np.int64)
            for i in range(min(2 * t, stages) + 1):
                discrepancy ^= self._times(locator[:, i], syndromes[:, 2 * t + 1 - i])
            ratio = self._over(discrepancy, scale)
            longer = (discrepancy != 0) & (length <= t)
            shifted = np.where(longer[:, None], locator, before)
            locator = locator ^ self._times(before, ratio[:, None])
            before = np.zeros_like(shifted)
            before[:, 2:] = shifted[:, :-2]
            scale = np.where(longer, discrepancy, scale)
            length = np.where(longer, 2 * t + 1 - length, length)
        return locator, length

    def _times(
        self, a: Int[ndarray, "*batch"], b: Int[ndarray, "*batch"]
    ) -> Int[ndarray, "*batch"]:
        product = self.power[self.logarithm[a] + self.logarithm[b]]
        return np.where((a == 0) | (b == 0), 0, product)

    def _over(self, a: Int[ndarray, "*batch"], b: Int[ndarray, "*batch"]) -> Int[ndarray, "*batch"]:
        order = len(self.logarithm) - 1
        quotient = self.power[self.logarithm[a] - self.logarithm[b] + order]
        return np.where(a == 0, 0, quotient)
