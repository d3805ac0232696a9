"""Units, degree and budget -> the plan of SPEX: the code that it uses, and the masks it asks for.

SPEX asks for masks whose differences are the rows of the parity-check matrix of a binary BCH
code that corrects as many errors as a subset may have units (Kang et al. 2025, algorithms 1 and 3).
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

__all__ = ["Code", "Plan", "bch_code", "least_masks", "plan"]

GROUPS = 3
LEAST_BITS = 3
LEAST_DEGREE = 2


class Code(NamedTuple):
    """A primitive narrow-sense binary BCH code: of length 2^m - 1, over GF(2^m)."""

    m: int
    checks: int


class Plan(NamedTuple):
    """What SPEX does with a budget: it takes sets of up to ``degree`` units from ``masks``."""

    degree: int
    masks: int


@cache
def bch_code(n: int, degree: int) -> Code:
    r"""Return the shortest code with n message bits that corrects ``degree`` errors.

    Its generator has the roots :math:`\alpha^1 \dots \alpha^{2t}`, t the degree, and with each
    all of its conjugates: as many check bits as there are exponents in the cyclotomic cosets of
    1 to 2 t modulo :math:`2^m - 1`.
    """
    m = math.ceil(math.log2(2 * degree + 2))
    while True:
        length = (1 << m) - 1
        roots = {(r << j) % length for r in range(1, 2 * degree + 1) for j in range(m)}
        if length - len(roots) >= n:
            return Code(m, len(roots))
        m += 1


def _masks(n: int, degree: int, bits: int) -> int:
    return GROUPS * (bch_code(n, degree).checks + 1) << bits


def least_masks(n: int, degree: int) -> int:
    """Return the masks below which the library refuses to look for sets of up to ``degree``."""
    return _masks(n, degree, LEAST_BITS)


def plan(n: int, degree: int, budget: int) -> Plan | None:
    """Return what the library does with ``budget`` masks if told ``degree``, None if nothing.

    It takes the largest power of two of bins that the budget affords, and while that is below 8
    a smaller degree than it was told, down to 2.
    """
    for served in (degree, *range(degree - 1, LEAST_DEGREE - 1, -1)):
        affordable = budget / _masks(n, served, 0)
        if affordable >= 2**LEAST_BITS:
            bits = math.floor(math.log2(affordable))
            return Plan(served, _masks(n, served, bits))
    return None
