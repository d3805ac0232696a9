"""How large a correlation with values chance alone gives."""

from __future__ import annotations

from math import log

__all__ = ["chance_correlation"]


def chance_correlation(columns: int, inputs: int, level: float) -> float:
    r"""Correlation that none of so many columns of signs reaches by chance, but with ``level``.

    .. math:: \sqrt{2 \ln(2 m / \alpha) / N}

    If values say nothing of a fair sign, their product's mean over N inputs exceeds this times
    their root mean square with probability at most :math:`\alpha / m`, whatever their distribution
    (Hoeffding 1963, theorem 2, for sums of signs with given weights).
    """
    return float((2 * log(2 * columns / level) / inputs) ** 0.5)
