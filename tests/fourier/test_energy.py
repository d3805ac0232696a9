"""Energy by order: closed forms, Parseval, dependent units, and what intervals cover."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scoring import rng
from six_units import FOUND, PATTERNS, TERMS, explained, function

from actspec_bench.fourier.energy import Energies, energies


def measured(
    values: torch.Tensor,
    found: list[tuple[int, ...]],
    draws: int = 2000,
    seed: int = 0,
    chances: np.ndarray | None = None,
) -> Energies:
    rows = torch.from_numpy(rng(seed).choice(64, draws, p=chances))
    signs = torch.from_numpy(rng(seed + 1).choice([-1.0, 1.0], (5, draws)))
    uniform = chances is None
    return energies(PATTERNS[rows], values[rows], found, uniform=uniform, signs=signs)


def test_energies_of_a_sum_of_parities_are_its_squared_coefficients() -> None:
    told = measured(function(TERMS), list(TERMS))
    whole = sum(c**2 for c in TERMS.values())
    for order in (1, 2, 3):
        energy = sum(c**2 for s, c in TERMS.items() if len(s) == order) / whole
        assert told.by_order[order].value == pytest.approx(energy, abs=1e-9)
    assert told.variance == pytest.approx(whole)
    assert told.of_subset.numpy() == pytest.approx([c**2 / whole for c in TERMS.values()])
    assert [c.value for c in told.coefficients] == pytest.approx(list(TERMS.values()))
    assert told.unexplained.value == pytest.approx(0, abs=1e-9)


def test_all_subsets_together_explain_everything_and_shares_sum_to_one() -> None:
    """Parseval, on a function that nothing is known about."""
    values = torch.from_numpy(rng(3).standard_normal(64))
    every = [s for k in range(1, 7) for s in combinations(range(6), k)]
    told = measured(values, every)
    assert told.found.value == pytest.approx(1)
    assert told.variance == pytest.approx(float(values.var(correction=0)))
    some = measured(values, every[:30])
    parts = [share.value for share in some.by_order.values()]
    assert sum(parts) == pytest.approx(some.found.value)
    assert some.found.value + some.unexplained.value == pytest.approx(1)
    assert float(some.of_subset.sum()) == pytest.approx(some.found.value)


def test_the_noise_of_a_coefficient_is_taken_out_of_its_square() -> None:
    """A subset that the function does not use has no energy, on average; its square would."""
    values = function(TERMS)
    unused = [(1, 5), (0, 2, 4), (5,), (2, 3)]
    told = [measured(values, unused, 200, seed).of_subset.numpy() for seed in range(400)]
    mean, error = np.mean(told), np.std(np.mean(told, 1)) / 400**0.5
    assert abs(mean) < 3 * error
    assert 10 * error < 1 / 200


def test_a_twin_adds_nothing_and_a_dependent_pair_only_what_is_new() -> None:
    """Units 0 and 5 agree: subsets that differ in them alone have one character."""
    same = (PATTERNS[:, 0] == PATTERNS[:, 5]).double().numpy()
    chances = same / same.sum()
    values = function({(0,): 1.0, (0, 1): 1.0})
    told = measured(values, [(0,), (5,), (0, 1), (1, 5)], chances=chances)
    assert told.of_subset.numpy() == pytest.approx([0.5, 0, 0.5, 0], abs=0.05)
    assert told.of_subset.numpy()[[1, 3]] == pytest.approx([0, 0], abs=1e-12)
    assert told.found.value == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("decision", [False, True])
def test_intervals_cover_the_exact_shares(dependent: bool, decision: bool) -> None:
    """95% of them do, give or take 3 standard errors of 200 simulations."""
    values = function(TERMS).sign() if decision else function(TERMS)
    chances = rng(1).dirichlet(np.full(64, 2.0)) if dependent else np.full(64, 1 / 64)
    shares = [
        0.0,
        *(explained(values, [s for s in FOUND if len(s) <= k], chances) for k in (1, 2, 3)),
    ]
    exact = [*np.diff(shares), shares[-1], 1 - shares[-1]]
    hits = []
    for seed in range(200):
        told = measured(values, FOUND, seed=seed, chances=chances if dependent else None)
        shown = [*told.by_order.values(), told.found, told.unexplained]
        hits.append([one.low <= truth <= one.high for one, truth in zip(shown, exact, strict=True)])
    assert np.mean(hits, 0) == pytest.approx(np.full(5, 0.95), abs=3 * (0.05 * 0.95 / 200) ** 0.5)
