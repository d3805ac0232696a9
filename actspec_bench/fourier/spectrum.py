"""Pattern rows -> spectrum: characters, Walsh-Hadamard transform, Goldreich-Levin weights.

Pure functions of tensors. A subset is a Boolean row over n units; a pattern is in {-1, +1}^n.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = [
    "all_patterns",
    "biased_characters",
    "characters",
    "energy_by_order",
    "goldreich_levin_weights",
    "membership",
    "patterns_of",
    "walsh_hadamard",
    "walsh_hadamard_",
]

# Numbers that stay in a processor's cache while all levels within them are done.
CACHED = 2**20
# Levels whose partners lie next to each other are one product with a Hadamard matrix of this
# size: sums and differences over so short a stride cannot be vectorised.
MATRIX = 16
MATRIX_NUMBERS = 2**16
# Below this torch's sums stay on one thread, and a product that starts others waits for them.
LEAST_MATRIX_NUMBERS = 2**15


def membership(subsets: Sequence[Sequence[int]], n: int) -> Bool[Tensor, "subsets n"]:
    """Boolean (m, n): whether unit i is in subset j."""
    mask = torch.zeros(len(subsets), n, dtype=torch.bool)
    for row, subset in zip(mask, subsets, strict=True):
        row[list(subset)] = True
    return mask


def characters(
    pattern: Float[Tensor, "*rows n"], subsets: Bool[Tensor, "subsets n"]
) -> Float[Tensor, "*rows subsets"]:
    r"""Evaluate :math:`\chi_S(p) = \prod_{i \in S} p_i` for every row and subset.

    One matrix product: the character is -1 where an odd number of the subset's units is off
    (O'Donnell, *Analysis of Boolean Functions*, 2014, section 1.2).
    """
    used = subsets.any(0)
    if 2 * int(used.sum()) < len(used):
        pattern, subsets = pattern[..., used], subsets[:, used]
    off = (pattern < 0).to(torch.get_default_dtype())
    odd = (off @ subsets.to(off.dtype).T).remainder_(2)
    return odd.mul_(-2).add_(1)


def biased_characters(
    pattern: Float[Tensor, "*rows n"],
    subsets: Bool[Tensor, "subsets n"],
    means: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, "*rows subsets"]:
    r"""Evaluate :math:`\phi_S(p) = \prod_{i \in S} (p_i - \mu_i) / \sqrt{1 - \mu_i^2}`.

    The p-biased Fourier basis (O'Donnell 2014, section 8.4), computed as a sign times the
    exponential of a sum of logarithms; without ``means``, which lie strictly between -1 and 1,
    `characters`.
    """
    chi = characters(pattern, subsets)
    if means is None:
        return chi
    size = ((pattern - means).abs() / (1 - means.square()).sqrt()).log()
    return chi * (size @ subsets.to(size.dtype).T).exp()


def all_patterns(n: int) -> Float[Tensor, "patterns n"]:
    """All 2^n patterns; bit i of the row number tells whether unit i is off (-1)."""
    return patterns_of(torch.arange(2**n), n)


def patterns_of(numbers: Int[Tensor, " rows"], n: int) -> Float[Tensor, "rows n"]:
    """Rows of `all_patterns` with the given numbers, without making the others."""
    bits = numbers[:, None] >> torch.arange(n, device=numbers.device)[None, :] & 1
    return (1 - 2 * bits).to(torch.get_default_dtype())


def walsh_hadamard(values: Float[Tensor, "*batch patterns"]) -> Float[Tensor, "*batch patterns"]:
    r"""All 2^n Fourier coefficients :math:`\hat f(S) = 2^{-n} \sum_p f(p) \chi_S(p)`.

    Values are in the order of `all_patterns`; bit i of a coefficient's position tells whether
    unit i is in S. Computed in float64 by `walsh_hadamard_`, in a copy. (O'Donnell 2014,
    section 1.3 and exercise 1.1.)

    Raises
    ------
    ValueError
        The number of values is not a power of two.
    """
    size = _checked_size(values)
    out = values.to(torch.float64, copy=True, memory_format=torch.contiguous_format)
    return walsh_hadamard_(out).div_(size)


def walsh_hadamard_(values: Float[Tensor, "*batch patterns"]) -> Float[Tensor, "*batch patterns"]:
    r"""Replace values by their Walsh-Hadamard sums :math:`\sum_p f(p) \chi_S(p)`, in place.

    The fast transform over the last dimension, for each batch entry by itself: n levels of sums
    and differences, :math:`n 2^n` additions, not normalised, so that twice is :math:`2^n` times
    the identity. Positions are as in `walsh_hadamard`. The first four levels of large arrays are
    a product with the 16 x 16 Hadamard matrix on the CPU, and levels are done over parts that
    fit a processor's cache (Fino & Algazi 1976, *Unified matrix treatment of the fast
    Walsh-Hadamard transform*).

    Parameters
    ----------
    values
        (\*batch, 2^n), float32 or float64, on any device. Beside it a contiguous tensor needs
        at most 256 KiB (512 in float64) on the CPU and nothing elsewhere; others are copied
        once.

    Returns
    -------
    values
        The same tensor. In float32 the error is within about n roundings of the norm:
        :math:`n \epsilon 2^{n/2} \lVert f \rVert_2`.

    Raises
    ------
    ValueError
        The last dimension is not a power of two, or the type is neither float32 nor float64.
    """
    size = _checked_size(values)
    if values.dtype not in {torch.float32, torch.float64}:
        raise ValueError(
            f"values must be float32 or float64, not {values.dtype}: convert them with .float()"
        )
    if not values.numel():
        return values
    if not values.is_contiguous():
        return values.copy_(walsh_hadamard_(values.contiguous()))
    flat = values.view(-1)
    block = min(size, CACHED)
    for part in torch.split(flat, CACHED):
        done = _first_levels(part, size)
        _butterflies(part.view(-1, block // done, done))
    blocks = size // block
    if blocks > 1:
        columns = max(CACHED // blocks, 1)
        for entry in flat.view(-1, blocks, block):
            for strip in torch.split(entry, columns, dim=1):
                _butterflies(strip[None])
    return values


def _checked_size(values: Tensor) -> int:
    """Length of the last dimension, if it is a power of two."""
    size = values.shape[-1] if values.ndim else 0
    if size < 1 or size & (size - 1):
        raise ValueError(f"values must have shape (*batch, 2^n), not {tuple(values.shape)}")
    return size


def _first_levels(part: Tensor, size: int) -> int:
    """Do the levels within ``MATRIX`` neighbours and return how many numbers they join, or 1."""
    if part.numel() < LEAST_MATRIX_NUMBERS or part.device.type != "cpu":
        return 1
    # With this setting products of float32 may be rounded to fewer digits.
    if part.dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest":
        return 1
    width = min(size, MATRIX)
    hadamard = _hadamard(width, part.dtype)
    for rows in torch.split(part.view(-1, width), MATRIX_NUMBERS // width):
        rows.copy_(rows @ hadamard)
    return width


@cache
def _hadamard(width: int, dtype: torch.dtype) -> Tensor:
    matrix = torch.eye(width, dtype=dtype)
    _butterflies(matrix[..., None])
    return matrix


def _butterflies(values: Float[Tensor, "entries size inner"]) -> None:
    """Transform the middle dimension in place, without a copy: a + b, then (a + b) - 2 b."""
    size = values.shape[1]
    half = 1
    while half < size:
        pairs = torch.unflatten(values, 1, (size // (2 * half), 2, half))
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        first.add_(second)
        torch.sub(first, second, alpha=2, out=second)
        half *= 2


def energy_by_order(coefficients: Float[Tensor, " patterns"]) -> Float[Tensor, " orders"]:
    """Share of the variance at order 1, 2, ..., n, by Parseval; the empty set is left out.

    ``coefficients`` are those of `walsh_hadamard`. A constant function has no shares: all NaN.
    """
    n = coefficients.numel().bit_length() - 1
    orders = (torch.arange(2**n)[:, None] >> torch.arange(n)[None, :] & 1).sum(1)
    energy = torch.zeros(n + 1, dtype=coefficients.dtype)
    energy.index_add_(0, orders, coefficients.square())
    return energy[1:] / energy[1:].sum()


def goldreich_levin_weights(
    values: Float[Tensor, "restrictions completions"],
    prefix: Float[Tensor, "restrictions completions prefix"],
    subsets: Bool[Tensor, "subsets prefix"],
    extensions: Bool[Tensor, "extensions prefix"] | None = None,
    means: Float[Tensor, " prefix"] | None = None,
) -> tuple[Float[Tensor, " nodes"], Float[Tensor, " nodes"]]:
    r"""Estimate the weight below each node S of the search tree from one shared batch.

    .. math:: W_k(S) = E_z [ ( E_x [ f(x_{\le k}, z_{>k}) \chi_S(x_{\le k}) ] )^2 ]

    Each restriction z has R completions x; the square is estimated by the U-statistic over
    pairs of distinct completions, which is unbiased. Under the uniform distribution
    :math:`W_k(S) = \sum_{T \subseteq \text{rest}} \hat f(S \cup T)^2` (Goldreich & Levin 1989;
    Kushilevitz & Mansour 1993, lemma 3.2).

    Parameters
    ----------
    values
        (M, R) values of the function.
    prefix
        (M, R, k) patterns of the units decided so far, in {-1, +1}.
    subsets
        (m, k) nodes.
    extensions
        (e, k) sets that share no unit with ``subsets``: the nodes are then the m e unions of one
        of each, in row-major order, in one matrix product a restriction.
    means
        (k,) mean of each unit's state. If given, characters are those of the p-biased basis,
        :math:`\phi_S(p) = \prod_{i \in S} (p_i - \mu_i) / \sqrt{1 - \mu_i^2}`, which are
        orthonormal where biased units are independent (O'Donnell 2014, section 8.4).

    Returns
    -------
    weights, standard_errors
        Both (m,) or (m e,); the error of the mean over the M restrictions, infinite if M is 1.
    """
    restrictions, completions = values.shape
    if completions < 2:
        raise ValueError("a U-statistic needs at least two completions a restriction")
    if extensions is None:
        extensions = torch.zeros(1, subsets.shape[1], dtype=torch.bool)
    terms = biased_characters(prefix, subsets, means)
    other = biased_characters(prefix, extensions, means)
    squares = values.square().sum(1)[:, None]
    if means is not None:
        own = values[..., None] * terms
        squares = (own.square().mT @ other.square()).flatten(1)
    sums = ((terms * values[..., None]).mT @ other).flatten(1)
    per_restriction = (sums.square() - squares) / (completions * (completions - 1))
    weights = per_restriction.mean(0)
    if restrictions < 2:
        return weights, torch.full_like(weights, float("inf"))
    variance = (per_restriction.square().mean(0) - weights.square()).clamp(min=0)
    return weights, (variance / (restrictions - 1)).sqrt()
