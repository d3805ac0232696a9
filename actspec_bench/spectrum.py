"""Pattern rows -> spectrum: characters, Walsh-Hadamard transform, Goldreich-Levin weights.

Pure functions of tensors. A subset is a Boolean row over n units; a pattern is in {-1, +1}^n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = [
    "all_patterns",
    "characters",
    "energy_by_order",
    "goldreich_levin_weights",
    "membership",
    "walsh_hadamard",
]


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
    off = (pattern < 0).to(torch.get_default_dtype())
    return 1 - 2 * torch.remainder(off @ subsets.to(off.dtype).T, 2)


def all_patterns(n: int) -> Float[Tensor, "patterns n"]:
    """All 2^n patterns; bit i of the row number tells whether unit i is off (-1)."""
    rows = torch.arange(2**n)
    bits = rows[:, None] >> torch.arange(n)[None, :] & 1
    return (1 - 2 * bits).to(torch.get_default_dtype())


def walsh_hadamard(values: Float[Tensor, " patterns"]) -> Float[Tensor, " patterns"]:
    r"""All 2^n Fourier coefficients :math:`\hat f(S) = 2^{-n} \sum_p f(p) \chi_S(p)`.

    Fast transform, n passes of sums and differences. Values are in the order of
    `all_patterns`; bit i of a coefficient's position tells whether unit i is in S. Computed in
    float64. (O'Donnell 2014, section 1.3 and exercise 1.1.)

    Raises
    ------
    ValueError
        The number of values is not a power of two.
    """
    size = values.numel()
    if size < 1 or size & (size - 1) or values.ndim != 1:
        raise ValueError(f"values must have shape (2^n,), not {tuple(values.shape)}")
    out = values.to(torch.float64)
    half = 1
    while half < size:
        pairs = out.reshape(-1, 2, half)
        even, odd = pairs[:, 0], pairs[:, 1]
        out = torch.stack((even + odd, even - odd), dim=1)
        half *= 2
    return out.reshape(-1) / size


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
    terms = characters(prefix, subsets) * values[..., None]
    sums = (terms.mT @ characters(prefix, extensions)).flatten(1)
    squares = values.square().sum(1)
    per_restriction = (sums.square() - squares[:, None]) / (completions * (completions - 1))
    weights = per_restriction.mean(0)
    if restrictions < 2:
        return weights, torch.full_like(weights, float("inf"))
    variance = (per_restriction.square().mean(0) - weights.square()).clamp(min=0)
    return weights, (variance / (restrictions - 1)).sqrt()
