"""The whole search by aliasing, on functions whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import LONG_TERMS, parity_sum, planted, rng

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.problems.kinds import masked, uniform_patterns
from actspec_bench.problems.source import Source
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 11])
def test_it_agrees_with_the_exact_transform(n: int, seed: int) -> None:
    generator = rng(seed)
    terms = {(): 0.7}
    for coefficient in (1.0, -0.8, 0.6, 0.45):
        terms[tuple(np.flatnonzero(generator.integers(0, 2, n)).tolist())] = coefficient
    exact = attribute("exact-wht", restarted(parity_sum(terms, n), budget=2**n, seed=0)).as_dict()
    found = attribute("actspec-alias", restarted(parity_sum(terms, n), budget=4000, seed=seed))
    assert found.as_dict() == pytest.approx(exact, abs=1e-5)
    assert "stopped" not in found.info


REGIMES = [
    ("planted-parity[order=2,overlap=1,noise=0.05]", 360),
    ("planted-parity[order=3,overlap=1,noise=0.05]", 530),
    ("planted-parity[order=5,overlap=2,noise=0.05]", 870),
    ("planted-parity[order=8,overlap=2,noise=0.05]", 1370),
    ("planted-parity[n=256,order=2,overlap=1,noise=0.05]", 460),
    ("planted-parity[n=256,order=8,overlap=2,noise=0.05]", 1760),
    ("planted-parity[terms=10,order=5,overlap=2,noise=0.05]", 1500),
    ("planted-parity[terms=4,order=20,overlap=8,noise=0.05]", 1600),
    ("planted-parity[n=1024,terms=10,orders=(1,2,3,4,5,6,7,8),noise=0.05]", 4300),
    ("planted-parity[terms=3,readout=decision,low=0.9,high=1.1]", 2000),
    ("planted-parity[order=5,overlap=2,noise=1.0]", 16_000),
]


@pytest.mark.parametrize("seed", [100, 101])
@pytest.mark.parametrize(("text", "rows"), REGIMES)
def test_it_finds_what_is_planted_and_stops(text: str, rows: int, seed: int) -> None:
    problem, truth = planted(text, seed, rows)
    found = attribute("actspec-alias", problem)
    assert set(found.subsets) == set(truth.spectrum)
    coefficients = found.as_dict()
    for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True):
        assert low <= coefficients[subset] <= high
        assert coefficients[subset] == pytest.approx(truth.spectrum[subset], abs=0.15)


def test_intervals_cover_at_their_rate() -> None:
    covered = []
    for seed in range(60):
        problem, truth = planted("planted-parity[noise=0.05]", seed, 1000)
        found = attribute("actspec-alias", problem)
        covered += [
            low <= truth.spectrum[subset] <= high
            for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True)
            if subset in truth.spectrum
        ]
    assert len(covered) > 280
    assert 0.91 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(("n", "readout"), [(3, "margin"), (64, "margin"), (64, "decision")])
def test_pure_noise_yields_discoveries_at_most_at_the_stated_rate(n: int, readout: str) -> None:
    wrong = 0
    for seed in range(60):
        problem, _ = planted(f"planted-nothing[n={n},readout={readout}]", seed, 1500)
        found = attribute("actspec-alias", problem)
        wrong += len(found.subsets) > 0
        assert found.subsets or found.info["reason"] == "no coefficient can be told from zero"
    assert wrong <= 6  # of 60 at a rate of 5%: more has probability 0.03


@pytest.mark.parametrize("budget", [1000, 6000])
def test_a_function_that_is_not_sparse_is_told_by_the_energy_left(budget: int) -> None:
    """Of the majority of 15 units the 15 single units explain 0.66; by symmetry all are equal."""
    majority = Problem.from_function(lambda x: x.sum(1).sign(), 15, budget=budget, seed=1)
    found = attribute("actspec-alias", majority)
    assert found.info["stopped"] == "the budget ended before all energy was explained"
    assert found.info["unexplained"][0] > 0.1
    assert majority.remaining >= 0
    noise = Problem.from_function(lambda x: (x @ weights).mul(1e4).sin(), 40, budget=budget)
    weights = torch.linspace(1, 2, 40) ** 3
    found = attribute("actspec-alias", noise)
    assert len(found.subsets) <= 1
    assert found.info["unexplained"][0] > 0.8


def test_the_whole_space_is_averaged_where_noise_is_all_that_is_left() -> None:
    """A coefficient of a fifth of the noise is found once the 8 bins have been averaged."""
    source = restarted(parity_sum({(0, 2): 0.2}, 3), budget=1, seed=0)._source
    noisy = Source(**{**vars(source), "noise": 1.0})
    found = [attribute("actspec-alias", Problem(noisy, budget=8000, seed=s)) for s in range(3)]
    assert [f.subsets for f in found] == [((0, 2),)] * 3
    assert [f.info["noise"] for f in found] == pytest.approx([1.0] * 3, rel=0.3)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_function_has_no_subsets(value: float) -> None:
    problem = Problem.from_function(lambda x: 0 * x[:, 0] + value, 20)
    found = attribute("actspec-alias", problem)
    assert found.subsets == ()
    assert found.info["reason"].startswith("the function is constant: all 1,0")
    assert found.info["unexplained"] is None
    assert problem.spent["forward"] < 1100


def test_it_stops_once_all_is_explained_and_reports_no_smaller_than_tau() -> None:
    problem = parity_sum(LONG_TERMS, 64)
    found = attribute("actspec-alias", problem)
    assert found.as_dict() == pytest.approx(LONG_TERMS, abs=1e-4)
    assert problem.spent["forward"] < 1500  # 1,000 of which are the last look for what is left
    assert found.info["unexplained"][0] < 1e-6
    found = attribute("actspec-alias", parity_sum(LONG_TERMS, 64), tau=0.7)
    assert set(found.subsets) == {(0, 3), (1,)}


@pytest.mark.parametrize("budget", [1, 10, 50])
def test_too_small_a_budget_is_told_before_any_row_is_spent(budget: int) -> None:
    problem = restarted(parity_sum(LONG_TERMS, 64), budget=budget, seed=0)
    with pytest.raises(NotApplicable, match=f"at least 60 rows and {budget} of the budget"):
        attribute("actspec-alias", problem)
    assert problem.remaining == budget


@pytest.mark.parametrize("budget", [60, 61, 75, 100, 180])
def test_a_small_budget_is_kept_to(budget: int) -> None:
    for seed in range(5):
        problem, truth = planted("planted-parity[noise=0.05]", seed, budget)
        found = attribute("actspec-alias", problem)
        assert set(found.subsets) <= set(truth.spectrum)


def test_what_cannot_be_asked_is_refused() -> None:
    x = uniform_patterns(4)(30, torch.Generator().manual_seed(0))
    for problem, message in (
        (planted("digits-hidden", 0, 10**4)[0], "no grid of patterns: use actspec"),
        (Problem.from_samples(x, x[:, 0]), "no grid of patterns: use actspec"),
        (planted("planted-parity[constants=2]", 0, 10**4)[0], "uniform under D"),
        (planted("planted-parity[correlation=0.5]", 0, 10**4)[0], "uniform under D"),
    ):
        with pytest.raises(NotApplicable, match=message):
            attribute("actspec-alias", problem)
        assert problem.spent["forward"] == 0
    with pytest.raises(ValueError, match="not finite"):
        attribute("actspec-alias", Problem.from_function(lambda x: x[:, 0] / 0 * 0, 12))


def test_a_masked_problem_is_served() -> None:
    source = masked(lambda x: x[:, 1] * x[:, 4] - 0.5 * x[:, 2], 9, readout="margin")
    found = attribute("actspec-alias", Problem(source, seed=2))
    assert found.as_dict() == pytest.approx({(1, 4): 1.0, (2,): -0.5}, abs=1e-5)


def test_same_seed_same_answer_and_same_queries() -> None:
    runs = []
    for seed in (5, 5, 6):
        problem, _ = planted("planted-parity[noise=0.5]", 5, 6000)
        problem = restarted(problem, budget=6000, seed=seed)
        runs.append((attribute("actspec-alias", problem).as_dict(), problem.remaining))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("k", [3, 5, 7])
def test_energy_in_few_patterns_is_met_or_the_search_says_that_it_stopped(k: int) -> None:
    """The conjunction of k units is off but for one pattern in 2^k."""
    for seed in range(10):
        problem = Problem.from_function(lambda x: (x[:, :k] > 0).all(1).float(), 20, seed=seed)
        found = attribute("actspec-alias", problem)
        assert found.subsets or "stopped" in found.info
        if "stopped" not in found.info:
            assert len(found.subsets) == 2**k - 1
