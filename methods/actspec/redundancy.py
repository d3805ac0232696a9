"""Patterns of D -> redundant units and subsets: the three rules of Activation Spectroscopy.

Reing, Ver Steeg & Galstyan 2025 (arXiv:2501.15435); all estimates come from draws of D alone
and cost no query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.problems.distinct import first_rows, numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset

    Pattern = Float[Tensor, "draws n"]

# Draws of D from which redundancy is judged.
REDUNDANCY_DRAWS = 4096
LEAST_COVERED = 0.5
DENSE_ORDER = 14


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


def distinct_subsets(pattern: Pattern, subsets: Sequence[Subset], gamma: float) -> list[Subset]:
    """Subsets of ``subsets`` left when those with a unit too like an earlier kept one are dropped.

    For searches that could not tell beforehand which of two like units matters: ``subsets`` are
    in the order of their coefficients.
    """
    alike = (pattern.T @ pattern / len(pattern)).square() > gamma
    alike.fill_diagonal_(False)
    kept: list[Subset] = []
    units: set[int] = set()
    for subset in subsets:
        held = list(units | set(subset))
        if not alike[list(subset)][:, held].any():
            kept.append(subset)
            units |= set(subset)
    return kept


def distinct_rows(rows: Float[Tensor, "draws n"]) -> Float[Tensor, "distinct n"]:
    """Each row once, in the order met: a row drawn twice tells nothing of how rows repeat."""
    return rows[first_rows(numbered(rows))]


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
    on = (pattern[:, list(subset)] > 0).numpy().astype(np.int64)
    dense = len(subset) <= DENSE_ORDER
    # Patterns as numbers: exact where they are few, else 62 random bits, which never coincide.
    keys = (
        1 << np.arange(len(subset))
        if dense
        else np.random.default_rng(0).integers(2**62, size=len(subset))
    )
    parts = on * keys
    code = np.bitwise_xor.reduce(parts, axis=1)
    highest = 0.0
    for member in range(len(subset)):
        others = _numbered(code ^ parts[:, member], dense)
        if (np.bincount(others)[others] >= 2).mean() < LEAST_COVERED:
            continue  # too few pairs, whichever the other member
        for other in range(len(subset)):
            if other != member:
                cell = _numbered(code ^ parts[:, member] ^ parts[:, other], dense)
                highest = max(highest, *_gl_weights(on, cell, member, other))
    return highest


def _numbered(code: ndarray, dense: bool) -> ndarray:
    """Codes as small numbers: themselves, or their ranks."""
    return code if dense else np.unique(code, return_inverse=True)[1]


def _gl_weights(on: ndarray, cell: ndarray, member: int, other: int) -> tuple[float, float]:
    """Both weights of one member on another; ``cell`` numbers the patterns of the rest."""
    index = cell * 2 + on[:, other]
    counts = np.bincount(index, minlength=2 * (int(cell.max()) + 1)).reshape(-1, 2)
    usable = (counts >= 2).all(1)
    weight = counts[usable].sum(1)
    if weight.sum() < LEAST_COVERED * len(on):
        return 0.0, 0.0
    sums = np.bincount(index, 2.0 * on[:, member] - 1, counts.size).reshape(-1, 2)[usable]
    counts = counts[usable]
    means = sums / counts
    squares = (sums**2 - counts) / (counts * (counts - 1))
    share = on[:, other].mean()
    own = squares @ np.array([(1 - share) ** 2, share**2])
    cross = 2 * share * (1 - share) * means.prod(1)
    without, within = ((own + sign * cross) @ weight / weight.sum() for sign in (1, -1))
    return float(without), float(within)
