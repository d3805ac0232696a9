"""The fewest units that hold a share of the energy, against all sets of units."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scoring import rng

from actspec_bench.fourier.fewest import fewest_units


def brute_force(subsets: list, energy: np.ndarray, share: float) -> tuple[int, float]:
    """Fewest units by trying all sets, and the most energy that so many hold."""
    pairs = [(set(s), e) for s, e in zip(subsets, energy, strict=True) if e > 0]
    need = share * sum(e for _, e in pairs) - 1e-9
    for k in range(9):
        held = max(
            sum(e for s, e in pairs if s <= set(units)) for units in combinations(range(8), k)
        )
        if held >= need:
            return k, held
    raise AssertionError("all eight units hold everything")


@pytest.mark.parametrize("seed", range(12))
def test_fewest_units_are_those_of_brute_force(seed: int) -> None:
    draw = rng(seed)
    drawn = {tuple(sorted(draw.choice(8, draw.integers(1, 5), False).tolist())) for _ in range(14)}
    subsets = sorted(drawn)
    energy = draw.exponential(size=len(subsets)) ** 2 - 0.1
    share = (0.5, 0.9, 1.0)[seed % 3]
    units, exact = fewest_units(subsets, energy, share)
    fewest, most = brute_force(subsets, energy, share)
    held = sum(max(e, 0) for s, e in zip(subsets, energy, strict=True) if set(s) <= set(units))
    assert exact
    assert len(units) == fewest
    assert held == pytest.approx(most)


def test_half_of_a_parity_counts_for_nothing_and_no_energy_needs_no_units() -> None:
    assert fewest_units([(0, 1, 2, 3)], np.array([1.0]), 0.9) == ((0, 1, 2, 3), True)
    assert fewest_units([(0, 1)], np.array([-0.1]), 0.9) == ((), True)
