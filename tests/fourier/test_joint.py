"""Joint effects of subsets against brute force over cells and pairs of draws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scoring import rng
from six_units import FOUND, PATTERNS, TERMS, explained, function

from actspec_bench.fourier.joint import (
    beyond_parts,
    cells_of,
    joint_effects,
    joint_variance,
    occupancy,
)


@pytest.mark.parametrize("dependent", [False, True])
def test_intervals_of_joint_effects_cover(dependent: bool) -> None:
    """Joint effect, parts and rest; one of about its own error is covered a little less."""
    values = function(TERMS).sign()
    chances = rng(1).dirichlet(np.full(64, 2.0)) if dependent else np.full(64, 1 / 64)
    exact, hits = [], []
    for subset in FOUND:
        inside = [s for k in range(1, 1 + len(subset)) for s in combinations(subset, k)]
        whole, parts = (explained(values, part, chances) for part in (inside, inside[:-1]))
        exact.append([whole, parts, whole - parts])
    for seed in range(1000, 1400):
        draw = rng(seed)
        rows, pool = (torch.from_numpy(draw.choice(64, k, p=chances)) for k in (2000, 65_536))
        centred = values[rows] - values[rows].mean()
        row = []
        for subset, truth in zip(FOUND, exact, strict=True):
            cell, held = (cells_of(PATTERNS[r][:, list(subset)]) for r in (rows, pool))
            held = torch.bincount(held, minlength=2 ** len(subset))
            shares, errors = joint_effects(cell, centred, held)
            row.append((np.abs(shares.numpy() - truth) <= 1.96 * errors.numpy()).tolist())
        hits.append(row)
    covered = np.mean(hits, 0)
    assert covered.min() > 0.83
    assert covered[np.array(exact) > 0.05] == pytest.approx(0.95, abs=0.04)


def brute_force(p: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Variance explained by the pattern, and its residual on every proper character."""
    k = len(p).bit_length() - 1
    signs = np.array([[1 - 2 * (c >> i & 1) for i in range(k)] for c in range(2**k)])
    proper = [[i for i in range(k) if s >> i & 1] for s in range(2**k - 1)]
    design = np.stack([signs[:, members].prod(1) for members in proper], 1)
    root = np.sqrt(p)
    weights = np.linalg.lstsq(design * root[:, None], mean * root, rcond=None)[0]
    residual = p @ (mean - design @ weights) ** 2
    return p @ mean**2 - (p @ mean) ** 2, residual


@pytest.mark.parametrize("k", [2, 4])
def test_joint_effects_are_unbiased_whatever_the_noise_of_each_cell(k: int) -> None:
    generator = rng(k)
    p = generator.dirichlet(np.full(2**k, 5.0))
    mean, spread = generator.normal(size=2**k), generator.exponential(3, size=2**k)
    found = []
    for _ in range(1000):
        cell = generator.choice(2**k, 400 * 2**k, p=p)
        values = mean[cell] + spread[cell] * generator.normal(size=len(cell))
        values = torch.from_numpy(values - values.mean())
        cells = torch.from_numpy(cell)
        held = torch.from_numpy(generator.multinomial(65_536, p))
        whole = float(joint_variance(cells, 2**k, values[:, None])[0])
        found.append((whole, beyond_parts(cells, values, held)))
    error = np.std(found, axis=0) / len(found) ** 0.5
    exact = np.array(brute_force(p, mean))
    assert np.all(np.abs(np.mean(found, axis=0) - exact) < 4 * error)
    assert np.all(error < 0.2 * exact)


def test_joint_variance_is_a_mean_over_pairs_of_draws() -> None:
    cell = torch.tensor([0, 0, 0, 1, 1, 3])
    values = torch.tensor([1.0, 2.0, 4.0, -1.0, 3.0, 9.0]).double()
    pairs = {0: (2 + 4 + 8) / 3, 1: -3.0}
    everywhere = [values[i] * values[j] for i in range(6) for j in range(6) if i != j]
    expected = (3 * pairs[0] + 2 * pairs[1]) / 5 - np.mean(everywhere)
    found = joint_variance(cell, 4, torch.stack([values, 0 * values], 1))
    assert found.tolist() == pytest.approx([expected, 0])


def test_uniform_patterns_have_their_exact_share_of_the_pool() -> None:
    def draw(k: int) -> torch.Tensor:
        return torch.randint(0, 2, (k, 6)).float() * 2 - 1

    torch.manual_seed(0)
    subsets = [(0,), (1, 4), (0, 2, 3, 5)]
    for exact, drawn in zip(occupancy(None, subsets), occupancy(draw, subsets), strict=True):
        share, pool = exact / exact.sum(), int(drawn.sum())
        assert share.tolist() == [1 / len(exact)] * len(exact)
        assert (share - drawn / pool).abs().max() < 5 * float(share[0] / pool) ** 0.5
