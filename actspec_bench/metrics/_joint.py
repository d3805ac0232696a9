"""Patterns and values -> how much of the variance a subset's pattern explains, jointly and beyond.

Pure functions of tensors. A *cell* is one of the 2^k patterns of a subset's k units; bit i of its
number tells whether the i-th unit is off, as in `spectrum.all_patterns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.spectrum import all_patterns

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["beyond_parts", "cells_of", "joint_variance"]

LEAST_IN_CELL = 2


def cells_of(pattern: Float[Tensor, "draws k"]) -> Int[Tensor, " draws"]:
    """Return the cell of each row of a subset's pattern."""
    return ((pattern < 0).long() * 2 ** torch.arange(pattern.shape[1])).sum(1)


def joint_variance(
    cell: Int[Tensor, " draws"], cells: int, values: Float[Tensor, "draws columns"]
) -> Float[Tensor, " columns"]:
    r"""Estimate :math:`V = E[E[f | c]^2] - (E f)^2`, without bias whatever the noise in a cell.

    Both squares are U-statistics, means over pairs of distinct draws (Hoeffding 1948), in which
    the variance of a single value does not occur: with n_c draws in cell c of N,

    .. math:: \frac{1}{N} \sum_c \frac{(\sum_{i \in c} f_i)^2 - \sum_{i \in c} f_i^2}{n_c - 1}
       - \frac{(\sum_i f_i)^2 - \sum_i f_i^2}{N (N - 1)}

    Cells with a single draw have no pair and are left out of the first mean.

    Parameters
    ----------
    cell
        Cell of each draw.
    values
        Functions to estimate it for, one a column.
    """
    counts, sums, squares = _sums(cell, cells, values)
    paired = counts >= LEAST_IN_CELL
    pairs = (sums.square() - squares)[paired] / (counts[paired] - 1)[:, None]
    draws = len(values)
    mean_square = values.sum(0).square() - values.square().sum(0)
    within = pairs.sum(0) / counts[paired].sum().clamp(min=1)
    return within - mean_square / (draws * (draws - 1))


def beyond_parts(
    cell: Int[Tensor, " draws"],
    values: Float[Tensor, " draws"],
    occupancy: Int[Tensor, " cells"],
) -> float:
    r"""Variance that a subset's pattern explains beyond all functions of its proper subsets.

    What no sum of functions of proper subsets explains is, under cell probabilities p_c, the
    component along :math:`\chi(c) / p_c`, the one direction orthogonal to all of them:

    .. math:: \Big(\sum_c \chi(c) E[f | c]\Big)^2 \Big/ \sum_c \frac{1}{p_c}

    which for uniform patterns is :math:`\hat f(S)^2`. The square is freed of the noise of each
    cell's mean by that cell's own variance. 1/p_c is estimated by (M+1) / (m_c+1) from m_c of M
    draws, whose expectation is :math:`(1 - (1-p_c)^{M+1}) / p_c`. Cells with fewer than two
    values take the mean of the others in the sum.

    Parameters
    ----------
    cell, values
        Cell and value of each draw; values are centred.
    occupancy
        Draws in each of the 2^k cells; these may be more draws than have values.
    """
    cells = len(occupancy)
    counts, sums, squares = _sums(cell, cells, values[:, None])
    paired = counts >= LEAST_IN_CELL
    counts, sums, squares = counts[paired], sums[paired, 0], squares[paired, 0]
    if not len(counts):
        return 0.0
    off = all_patterns(cells.bit_length() - 1)[paired] < 0
    sign = 1 - 2 * (off.sum(1) % 2).to(values.dtype)
    contrast = (sign * sums / counts).sum()
    noise = ((squares - sums.square() / counts) / (counts - 1) / counts).sum()
    square = (contrast.square() - noise) * (cells / len(counts)) ** 2
    draws = occupancy.sum()
    return float(square / ((draws + 1) / (occupancy + 1).to(values.dtype)).sum())


def _sums(
    cell: Int[Tensor, " draws"], cells: int, values: Float[Tensor, "draws columns"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Counts (cells,), and sums of values and of their squares (cells, columns)."""
    counts = torch.bincount(cell, minlength=cells).to(values.dtype)
    empty = torch.zeros(cells, values.shape[1], dtype=values.dtype)
    return (
        counts,
        empty.index_add(0, cell, values),
        empty.index_add(0, cell, values.square()),
    )
