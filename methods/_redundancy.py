"""Patterns of D -> redundant units and subsets: the three rules of Activation Spectroscopy.

Reing, Ver Steeg & Galstyan 2025 (arXiv:2501.15435); all estimates come from draws of D alone
and cost no query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    Pattern = Float[Tensor, "draws n"]

LEAST_COVERED = 0.5


def varying_units(pattern: Pattern, gamma: float) -> list[int]:
    """Units whose squared normalised inner product with all-ones is at most ``gamma``.

    A unit that never changes is left out at any ``gamma``.
    """
    product = pattern.mean(0).square()
    return torch.nonzero((product <= gamma) & (product < 1))[:, 0].tolist()


def distinct_units(pattern: Pattern, order: Sequence[int], gamma: float) -> list[int]:
    """Units of ``order`` left when those too like (or unlike) an earlier kept one are dropped."""
    chosen = pattern[:, list(order)]
    alike = (chosen.T @ chosen / len(chosen)).square() > gamma
    kept: list[int] = []
    for position in range(len(order)):
        if not alike[position, kept].any():
            kept.append(position)
    return [order[position] for position in kept]


def predictability(pattern: Pattern, subset: Sequence[int]) -> float:
    r"""How nearly one unit of ``subset`` is a function of the others under D, in [0, 1].

    For a member with pattern y and each other member i, with the rest z, the larger of

    .. math:: E_z[(E_{x_i} y)^2], \quad E_z[(E_{x_i} y x_i)^2]

    where y is drawn from the rows of D with that (x_i, z): the Goldreich-Levin weights of y
    on the sets without i and on those with i. Squared cell means are estimated without bias
    from pairs of rows, so independent units score about 0 however few rows a cell holds. The
    result is the maximum over members and i. Where fewer than half of the rows lie in cells
    with the two rows that a pair needs, an estimate says nothing and counts as 0.
    """
    columns = pattern[:, list(subset)]
    return max(
        (
            estimate
            for member in range(len(subset))
            for other in range(len(subset))
            if other != member
            for estimate in _gl_weights(columns, member, other)
        ),
        default=0.0,
    )


def _gl_weights(columns: Tensor, member: int, other: int) -> tuple[float, float]:
    rest = [i for i in range(columns.shape[1]) if i not in (member, other)]
    on = (columns > 0).long()
    cell = (on[:, rest] * 2 ** torch.arange(len(rest))).sum(1)
    _, cell = torch.unique(cell, return_inverse=True)
    cells = int(cell.max()) + 1
    index = cell * 2 + on[:, other]
    counts = torch.zeros(2 * cells).index_add(0, index, torch.ones(len(index))).reshape(-1, 2)
    sums = torch.zeros(2 * cells).index_add(0, index, columns[:, member]).reshape(-1, 2)
    usable = (counts >= 2).all(1)
    weight = counts.sum(1) * usable
    if weight.sum() < LEAST_COVERED * len(columns):
        return 0.0, 0.0
    means = torch.where(usable[:, None], sums / counts.clamp(min=1), 0.0)
    squares = torch.where(
        usable[:, None], (sums.square() - counts) / (counts * (counts - 1)).clamp(min=1), 0.0
    )
    share = torch.stack([(on[:, other] == 0).float().mean(), on[:, other].float().mean()])
    own = (squares * share.square()).sum(1)
    cross = 2 * share.prod() * means.prod(1)
    without, within = ((own + sign * cross) @ weight / weight.sum() for sign in (1, -1))
    return float(without), float(within)
