"""Boosted trees: their spectrum is the transform of what they predict, and tests are honest."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scoring import built, parity_sum, planted

from actspec_bench import attribute
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.regressing.trees import heaviest, leaves_of, spectrum_of
from actspec_bench.problems.views import restarted


@pytest.fixture(scope="module")
def grown():
    """A boosted model of six units, and its trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (400, 6))
    y = x[:, 0] * x[:, 1] + 0.5 * x[:, 2] + 0.3 * rng.standard_normal(400)
    model = HistGradientBoostingRegressor(max_iter=12, max_depth=4, random_state=0).fit(x, y)
    return model, [leaf for stage in model._predictors for leaf in leaves_of(stage[0].nodes)]


def test_the_spectrum_of_all_leaves_is_the_transform_of_what_the_trees_predict(grown) -> None:
    model, leaves = grown
    predicted = torch.from_numpy(model.predict(all_patterns(6).double().numpy()))
    exact = walsh_hadamard(predicted)
    found = spectrum_of(leaves, 6, 4)
    for size in range(1, 7):
        for subset in combinations(range(6), size):
            value = float(exact[sum(2**i for i in subset)])
            assert found.get(subset, 0.0) == pytest.approx(value, abs=1e-9), subset
    low = spectrum_of(leaves, 6, 2)
    assert low == {s: pytest.approx(c) for s, c in found.items() if len(s) <= 2}


def test_the_heaviest_subsets_come_first_and_none_is_zero() -> None:
    spectrum = {(0,): 0.1, (1, 2): -0.5, (3,): 0.0, (0, 1): 0.1}
    assert heaviest(spectrum, 10) == [(1, 2), (0,), (0, 1)]
    assert heaviest(spectrum, 1) == [(1, 2)]


def test_orders_one_to_four_are_found_by_one_setting() -> None:
    problem, truth = planted("planted-parity[n=12,terms=4,orders=(1,2,3,4)]", 0, 2000)
    found = attribute("boosted-trees", problem)
    assert found.as_dict() == pytest.approx(truth.spectrum, abs=1e-4)
    assert (np.diff(found.importance) <= 0).all()
    assert found.info["tested"] <= 50
    assert problem.remaining == 0


def test_leaves_of_few_rows_are_enough() -> None:
    """An AND of two units in 150 of 200 rows: its leaves have about forty."""
    terms = {(0,): 0.5, (1,): 0.5, (0, 1): 0.5}
    found = attribute("boosted-trees", restarted(parity_sum(terms, 6), budget=200, seed=0))
    assert found.as_dict() == pytest.approx(terms, abs=1e-4)


def test_planted_triples_among_64_units_are_found_from_10_000_draws() -> None:
    problem, truth = planted("planted-parity[noise=0.05]", 0, 10_000)
    found = attribute("boosted-trees", problem)
    assert set(found.subsets) == set(truth.spectrum)
    assert found.as_dict() == pytest.approx(truth.spectrum, abs=0.02)


def test_sets_above_the_order_are_left_out() -> None:
    problem = restarted(parity_sum({(0, 1, 2): 1.0, (3,): 0.5}, 6), budget=800, seed=0)
    assert attribute("boosted-trees", problem, order=2).subsets == ((3,),)


def test_on_noise_what_trees_learn_by_heart_is_not_reported() -> None:
    reported = 0
    for seed in range(40):
        noise = restarted(built("planted-nothing[n=10]", seed).problem, budget=300, seed=seed)
        found = attribute("boosted-trees", noise, trees=15)
        assert found.info["tested"] > 0
        reported += bool(found.subsets)
        assert found.subsets or "significant" in found.info["reason"]
    assert reported <= 6
