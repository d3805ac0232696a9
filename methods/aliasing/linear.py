"""Linear algebra over GF(2), on rows packed into whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray


def _packed(row: UInt8[ndarray, " n"]) -> int:
    return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


class Span:
    """Row space that grows."""

    def __init__(self) -> None:
        self._pivots: dict[int, int] = {}

    def add(self, row: UInt8[ndarray, " n"]) -> bool:
        """Add ``row``; tell whether it is independent of those before."""
        rest = _packed(row)
        while rest:
            top = rest.bit_length()
            if top not in self._pivots:
                self._pivots[top] = rest
                return True
            rest ^= self._pivots[top]
        return False


def solver(equations: UInt8[ndarray, "m n"]) -> UInt8[ndarray, "n m"] | None:
    """Matrix G with x = G y whenever ``equations`` x = y has a solution; None below rank n."""
    count, n = equations.shape
    # Each row carries, above its n bits, which equations it is the sum of.
    rows = [_packed(e) | 1 << (n + i) for i, e in enumerate(equations)]
    for column in range(n):
        pivot = next((i for i in range(column, count) if rows[i] >> column & 1), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(count):
            if i != column and rows[i] >> column & 1:
                rows[i] ^= rows[column]
    out = np.zeros((n, count), np.uint8)
    for i in range(n):
        packed = (rows[i] >> n).to_bytes((count + 7) // 8, "little")
        out[i] = np.unpackbits(np.frombuffer(packed, np.uint8), count=count, bitorder="little")
    return out
