"""The search of rows that are given, which nothing else can be asked of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from actspec_bench import Problem, attribute


def test_actspec_on_given_samples_reports_the_subsets_and_no_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (4000, 16), generator=generator).float() * 2 - 1
    flips = torch.rand(4000, 8, generator=generator) < 0.1
    x[:, 8:] = torch.where(flips, -x[:, :8], x[:, :8])
    y = x[:, 0] * x[:, 1] * x[:, 2] - 0.6 * x[:, 3] * x[:, 4] + 0.5 * x[:, 5]
    y += 0.1 * torch.randn(4000, generator=generator)
    found = attribute("actspec", Problem.from_samples(x, y))
    assert set(found.subsets) == {(0, 1, 2), (3, 4), (5,)}
    assert found.as_dict()[3, 4] == pytest.approx(-0.6, abs=0.03)


def test_actspec_on_repeated_samples_keeps_its_false_discovery_rate() -> None:
    """Few patterns, so rows repeat: what chooses subsets must share nothing with what tests."""
    reported = 0
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randint(0, 2, (2000, 8), generator=generator).float() * 2 - 1
        y = torch.randn(2000, generator=generator)
        reported += bool(attribute("actspec", Problem.from_samples(x, y)).subsets)
    assert reported <= 6  # P(more than 6 of 40 at 0.05) < 0.004


def with_twins(seed: int, agreement: float) -> tuple[Problem, dict[tuple[int, ...], float]]:
    """4,000 given rows of 32 units, half of which copy the others with the given agreement."""
    rng = np.random.default_rng(seed)
    units = rng.permutation(32)
    x = rng.choice([-1.0, 1.0], (4000, 32))
    flips = np.where(rng.random((4000, 16)) < agreement, 1, -1)
    x[:, units[16:]] = x[:, units[:16]] * flips
    chosen = rng.permutation(units[:16])[:9].reshape(3, 3)
    terms = {tuple(sorted(s.tolist())): rng.uniform(0.5, 1.5) for s in chosen}
    y = sum(c * x[:, list(s)].prod(1) for s, c in terms.items())
    return Problem.from_samples(x, y + 0.05 * y.std() * rng.standard_normal(4000)), terms


@pytest.mark.parametrize("agreement", [0.8, 0.95])
def test_given_rows_with_twins_yield_the_subsets_and_no_twin(agreement: float) -> None:
    false = 0
    for seed in range(5):
        problem, terms = with_twins(seed, agreement)
        found = attribute("actspec", problem)
        assert set(found.subsets[:3]) == set(terms)
        assert found.info["order_searched"] == 3
        false += len(found.subsets) - 3
    assert false <= 3  # at rate 0.05 of some 15 reported, more than three are rare: p < 0.01
