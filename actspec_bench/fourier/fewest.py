"""Energies of subsets -> the fewest units within which a share of the energy lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset

__all__ = ["fewest_units"]

MOST_NODES = 2000
SLACK = 1e-9


def fewest_units(
    subsets: Sequence[Subset], energy: Float[ndarray, " subsets"], share: float
) -> tuple[Subset, bool]:
    r"""Find the smallest set of units U with :math:`\sum_{S \subseteq U} e_S \ge q \sum_S e_S`.

    A subset counts when all its units are in U: half of a parity carries nothing. Subsets whose
    (unbiased) energy is not positive are left out of both sums. Among sets of one size the one
    that holds most energy is taken. Solved as an integer program by scipy's HiGHS.

    Parameters
    ----------
    subsets, energy
        Subsets and their energies.
    share
        q, above 0 and at most 1.

    Returns
    -------
    units, exact
        U, sorted, and whether the search was finished within 2,000 nodes; if not, a smaller set
        may exist. Without a positive energy U is empty.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import lil_array

    held = [(s, float(e)) for s, e in zip(subsets, energy, strict=True) if e > 0]
    units = sorted({unit for subset, _ in held for unit in subset})
    if not held:
        return (), True
    weight = np.array([e for _, e in held])
    weight = weight / weight.sum()
    place = {unit: i for i, unit in enumerate(units)}
    rows = sum(len(subset) for subset, _ in held)
    table, row = lil_array((rows + 1, len(units) + len(held))), 0
    for j, (subset, _) in enumerate(held):
        for unit in subset:
            table[row, place[unit]], table[row, len(units) + j] = 1.0, -1.0
            row += 1
    table[rows, len(units) :] = weight
    low = np.r_[np.zeros(rows), share - SLACK]
    found = milp(
        # Energy, at most 1, is worth less than half a unit: it only decides between equal sizes.
        np.r_[np.ones(len(units)), -weight / 2],
        integrality=np.r_[np.ones(len(units)), np.zeros(len(held))],
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(table.tocsr(), low, np.full(rows + 1, np.inf)),
        options={"node_limit": MOST_NODES},
    )
    if found.x is None:
        return tuple(units), False
    chosen = found.x[: len(units)] > 0.5
    return tuple(u for u, kept in zip(units, chosen, strict=True) if kept), found.status == 0
