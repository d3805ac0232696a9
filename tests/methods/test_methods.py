"""What single methods give where it is known; what holds for all is in `test_conformance`."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum, planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.errors import UsageError
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.registry.entries import methods


def test_exact_wht_is_exact_and_refuses_what_it_cannot_do() -> None:
    found = attribute("exact-wht", parity_sum(TERMS, 8))
    assert found.subsets == ((0, 3), (1,), (2, 4, 5))
    assert found.coefficients.tolist() == pytest.approx([1.0, -0.75, 0.5])
    for problem, message in (
        (parity_sum(TERMS, 21), "n must be at most 20"),
        (
            parity_sum(TERMS, 14),
            "all 16,384 patterns are needed and 10,000 of the budget of 10,000 remain",
        ),
        (planted("digits-hidden", 0, 10**6)[0], "no grid of patterns"),
    ):
        with pytest.raises(NotApplicable, match=message):
            attribute("exact-wht", problem)


def exact_shapley(problem: Problem, row: torch.Tensor) -> np.ndarray:
    n = problem.n
    total = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        x = torch.zeros(n + 1, n)
        for k, unit in enumerate(order):
            x[k + 1 :, unit] = row[unit]
        total[list(order)] += np.diff(problem.value(x).numpy())
    return total / len(orders)


def test_shapley_sampling_converges_to_the_exact_values() -> None:
    problem = parity_sum({(0, 3): 1.0, (1,): -0.75, (2, 4): 0.5}, 5)
    view = ScoringView(problem, 0)
    exact = np.mean([np.abs(exact_shapley(view, row)) for row in problem.foreground], axis=0)
    found = attribute("shapley-sampling", restarted(problem, budget=10**6, seed=0))
    assert found.units() == pytest.approx(exact, abs=0.02)


def test_integrated_gradients_is_complete_and_splits_a_parity_evenly() -> None:
    found = attribute("integrated-gradients", parity_sum(TERMS, 8))
    expected = [0.5, 0.75, 1 / 6, 0.5, 1 / 6, 1 / 6, 0, 0]
    assert found.units() == pytest.approx(expected, abs=1e-5)


def test_feature_ablation_is_the_change_when_one_unit_goes_to_the_baseline() -> None:
    found = attribute("feature-ablation", parity_sum(TERMS, 8))
    assert found.units() == pytest.approx([1, 0.75, 0.5, 1, 0.5, 0.5, 0, 0], abs=1e-6)


def test_attribute_knows_its_methods_and_keeps_the_truth() -> None:
    with pytest.raises(UsageError, match="did you mean 'actspec'"):
        attribute("actspek", parity_sum(TERMS, 8))
    with pytest.raises(UsageError, match="needs the truth"):
        attribute("oracle", parity_sum(TERMS, 8))


def test_random_control_draws_each_unit_equally_often() -> None:
    counts = np.zeros(6)
    for seed in range(600):
        problem = restarted(parity_sum({(0,): 1.0}, 6), budget=1, seed=seed)
        for subset in attribute("random", problem, subsets=1, order=2).subsets:
            counts[list(subset)] += 1
    expected = 600 * 1.5 / 6
    assert np.all(np.abs(counts - expected) < 4 * expected**0.5)


def test_only_the_two_oracles_see_the_truth_and_controls_are_marked() -> None:
    assert {e.name for e in methods if e.card.sees_truth} == {"oracle", "anti-oracle"}
    assert {e.name for e in methods if e.card.control} == {
        "oracle",
        "anti-oracle",
        "random",
        "constant",
    }


@pytest.mark.parametrize("name", ["actspec", "actspec-alias"])
def test_intervals_of_all_that_is_reported_cover_where_the_spectrum_is_dense(name: str) -> None:
    """Majority of 15 units: small coefficients too, reported because they looked large."""
    spectrum = walsh_hadamard(all_patterns(15).sum(1).sign())
    covered = []
    for seed in range(15):
        majority = Problem.from_function(lambda x: x.sum(1).sign(), 15, budget=6000, seed=seed)
        found = attribute(name, majority)
        covered += [
            low <= spectrum[sum(2**i for i in subset)].item() <= high
            for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True)
        ]
    assert len(covered) > 200
    assert 0.91 <= np.mean(covered) <= 0.99
