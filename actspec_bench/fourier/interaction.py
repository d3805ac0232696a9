r"""Pairs of rows -> interaction of a subset's units, by intervention on their activations.

Pure functions of tensors. The *superset importance* of S (Liu & Owen 2006, JASA 101:712) is
the mean squared mixed difference over two independent rows x and z,

.. math:: \Upsilon_S^2 = 2^{-|S|} E\Big[\Big(\sum_{T \subseteq S} (-1)^{|T|}
   f(x_T, z_{-T})\Big)^2\Big]

in which the units in T have their values from x and all others from z. A function that is a sum
of functions each of which lacks a unit of S has exactly none, whatever the distribution of the
rows. Where units are independent it is the sum of the ANOVA variances of S and all its supersets;
where they are not, mixtures leave the distribution, and there is no such sum: it may then exceed
the variance. It is half the mean squared difference, and so a total effect (Jansen 1999), of a
single unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import all_patterns

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from actspec_bench.fourier import Subset

__all__ = ["candidate_pairs", "interaction", "mixed_differences", "mixtures"]

POOL = 65_536
ROUNDING = 1e-6


def candidate_pairs(
    members: Float[Tensor, "rows k"], most: int, generator: torch.Generator
) -> tuple[Int[Tensor, "pairs 2"], Int[Tensor, " differing"]]:
    """Choose ordered pairs of distinct rows, of which about ``most`` differ in every unit.

    Where a pair agrees in a unit, as two rows at which a ReLU is off, its mixed difference is
    zero and need not be evaluated. How many of up to 65,536 pairs differ decides how many are
    kept, by number and not by choice, so that their mean is unbiased. Each row occurs about as
    often as every other, at first once.

    Parameters
    ----------
    members
        Values of the subset's units in each of at least two rows.
    most
        Pairs that may be evaluated.

    Returns
    -------
    pairs, differing
        Numbers of the two rows (z, x) of each pair, and which pairs differ in every unit.
    """
    rows = len(members)
    order = torch.randperm(rows, generator=generator)
    shifts = torch.arange(rows // 2, max(rows // 2 - -(-POOL // rows), 0), -1)
    first = torch.arange(rows).repeat(len(shifts))
    second = (first + shifts.repeat_interleave(rows)) % rows
    pairs = order[torch.stack([first, second], 1)][:POOL]
    differ = (members[pairs[:, 0]] != members[pairs[:, 1]]).all(1)
    found = int(differ.sum())
    if found > most:
        pairs = pairs[: len(pairs) * most // found]
    return pairs, torch.nonzero(differ[: len(pairs)])[:, 0]


def mixtures(
    kept: Float[Tensor, "pairs n"], other: Float[Tensor, "pairs n"], subset: Subset
) -> Float[Tensor, "mixed n"]:
    """Return the rows ``kept`` with the units of each T in ``subset`` taken from ``other``.

    Shape (2^k * pairs, n): all pairs of one T follow each other, T in the order of
    `spectrum.all_patterns`.
    """
    taken = torch.zeros(2 ** len(subset), kept.shape[1], dtype=torch.bool)
    taken[:, list(subset)] = all_patterns(len(subset)) < 0
    return torch.where(taken[:, None], other[None], kept[None]).reshape(-1, kept.shape[1])


def mixed_differences(values: Float[Tensor, " mixed"], k: int) -> Float[Tensor, " pairs"]:
    """Alternating sum over the mixtures of each pair; where it is of the size of rounding, zero.

    Parameters
    ----------
    values
        Of the rows of `mixtures`.
    k
        Units in the subset.
    """
    of_pair = values.double().reshape(2**k, -1)
    sign = 1 - 2 * ((all_patterns(k) < 0).sum(1) % 2).to(of_pair.dtype)
    total, size = sign @ of_pair, of_pair.abs().sum(0)
    return total.masked_fill(total.abs() <= ROUNDING * torch.maximum(size, size.mean()), 0)


def interaction(
    squares: Float[Tensor, " pairs"],
    pairs: Int[Tensor, "pairs 2"],
    values: Float[Tensor, " rows"],
) -> tuple[float, float]:
    r"""Mean of the pairs' squares over the variance of ``values``, with its standard error.

    Pairs that share a row depend on each other, and so does the variance: with
    :math:`\psi_i = \sum_{p \ni i} (q_p - \bar q) / P - s ((y_i - \bar y)^2 - V) / N` for row i,
    s the share, the squared error is :math:`\sum_i \psi_i^2 - \sum_p ((q_p - \bar q) / P)^2` over
    V squared, and the second sum is taken off because both rows of a pair bring it (Fafchamps &
    Gubert 2007, J. of Development Economics 83:326). It is never taken to be less than that
    of independent pairs.

    Parameters
    ----------
    squares
        :math:`2^{-k} \Delta^2` of each pair.
    pairs
        The two rows of each; the same one twice where a pair is a row and its own image.
    values
        Values of all rows, not all the same.
    """
    centred = values.double() - values.double().mean()
    rows = len(values)
    variance = centred.square().sum() / (rows - 1)
    share = squares.mean() / variance
    own = (squares - squares.mean()) / len(squares)
    twice = pairs[:, 0] != pairs[:, 1]
    of_row = torch.zeros(rows, dtype=own.dtype).index_add(0, pairs[:, 0], own)
    of_row = of_row.index_add(0, pairs[twice, 1], own[twice])
    of_row = of_row - share * (centred.square() - variance) / rows
    alone = own.square().sum()
    spread = of_row.square().sum() * rows / (rows - 1) - own[twice].square().sum()
    return float(share), float(torch.maximum(spread, alone).sqrt() / variance)
