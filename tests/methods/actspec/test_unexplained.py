"""What results say of the variance that they leave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns, rng

from actspec_bench import Problem, attribute
from actspec_bench.methods.actspec.unexplained import share_left, told
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_share_left_is_that_of_what_was_left_out_and_its_interval_covers(noise: float) -> None:
    """Of x0 + x1 / 2 with x0 told a fifth is left, whatever the noise."""
    covered, values = [], []
    for seed in range(200):
        generator = rng(seed)
        x = random_patterns(400, 2, seed=seed).double()
        y = x[:, 0] + x[:, 1] / 2 + noise * torch.from_numpy(generator.standard_normal(400))
        estimate = noise**2 * generator.chisquare(400) / 400
        share = share_left(y, y - x[:, 0], estimate, 400)
        assert share is not None
        values.append(share[0])
        covered.append(share[1] <= 0.2 <= share[2])
    assert np.mean(values) == pytest.approx(0.2, abs=0.03)
    assert 0.9 <= np.mean(covered) <= 1.0


def test_an_interval_never_ends_below_what_so_few_rows_may_miss() -> None:
    y = random_patterns(60, 1)[:, 0].double()
    assert share_left(y, 0 * y) == [0.0, 0.0, pytest.approx(3 / 60)]


def test_a_spread_that_is_the_noise_s_has_no_shares() -> None:
    y = torch.from_numpy(rng(0).standard_normal(100))
    assert share_left(y, y, 1.0, 30) is None
    assert share_left(0 * y, 0 * y) is None


def said(values: torch.Tensor, coefficients: dict[tuple[int, ...], float], noise: float = 0.0):
    pattern = random_patterns(len(values), 2, seed=7)
    return told(pattern, values.double(), coefficients, taken=0.0, noise=noise, freedom=30)


def test_what_is_large_or_cannot_be_told_is_warned_of() -> None:
    pattern = random_patterns(400, 2, seed=7)
    y = pattern[:, 0] + pattern[:, 1]
    assert "warnings" not in said(y, {(0,): 1.0, (1,): 1.0})
    half = said(y, {(0,): 1.0})
    assert half["unexplained"][1] < 0.5 < half["unexplained"][2]
    assert half["warnings"][0].startswith("the subset reported leaves ")
    assert said(y, {})["warnings"][0].startswith("no subset is reported, which leaves 100% [")
    assert said(0 * y, {})["warnings"][0].startswith(
        "all 400 rows that chose nothing have one value"
    )
    few = said(y[:5], {(0,): 1.0})
    assert few["unexplained"] is None
    assert few["warnings"][0].startswith("hardly any row was left")
    hidden = torch.from_numpy(rng(1).standard_normal(400))
    assert said(hidden, {}, noise=1.0) == {"unexplained": None}
    assert said(hidden, {(0,): 0.1}, noise=1.0)["warnings"][0].startswith("noise hides on 400 rows")


@pytest.mark.parametrize("method", ["actspec", "actspec-alias"])
def test_methods_tell_what_they_did_not_explain(method: str) -> None:
    problem, truth = planted("planted-parity[noise=0.05]", 3, 4000)
    found = attribute(method, problem)
    assert set(truth.spectrum) <= set(found.subsets)
    assert found.info["unexplained"][0] < 0.01
    assert "warnings" not in found.info
    weights = torch.linspace(1, 2, 40) ** 3
    rough = Problem.from_function(lambda x: (x @ weights).mul(1e4).sin(), 40, budget=4000)
    found = attribute(method, rough)
    assert found.info["unexplained"][1] > 0.8
    assert "of the variance unexplained" in found.info["warnings"][0]


def test_two_hundred_terms_are_found_or_what_is_missed_is_told() -> None:
    generator = rng(5)
    terms: dict[tuple[int, ...], float] = {}
    while len(terms) < 200:
        subset = tuple(sorted(generator.choice(64, 3, replace=False).tolist()))
        terms[subset] = float(generator.uniform(0.5, 1.5) * generator.choice([-1, 1]))
    found = attribute("actspec", restarted(parity_sum(terms, 64), budget=8000, seed=1))
    whole = sum(c**2 for c in terms.values())
    missed = sum((c - found.as_dict().get(s, 0.0)) ** 2 for s, c in terms.items()) / whole
    value, low, high = found.info["unexplained"]
    assert value == pytest.approx(missed, abs=0.03)
    assert low <= value <= high
    assert ("warnings" in found.info) == (value > 0.1 or high > 0.5)
