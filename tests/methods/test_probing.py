"""Sparse probes against scikit-learn called directly, and what they do and do not tell."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns, rng
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.intervening.probes import deal_out, logistic, squared
from actspec_bench.problems.views import restarted


def correlated(rows: int, n: int, seed: int = 0) -> np.ndarray:
    draws = rng(seed)
    x = draws.standard_normal((rows, n)) + draws.standard_normal((rows, 1))
    return (x - x.mean(0)) / x.std(0)


def l1_probe(strength: float) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(
            penalty="l1", l1_ratio=1, C=strength, solver="liblinear", intercept_scaling=10
        )


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_logistic_probe_is_scikit_learns_at_the_best_penalty() -> None:
    x = correlated(300, 6)
    high = x[:, 0] - 2 * x[:, 3] + 0.5 * rng(1).standard_normal(300) > 0.4
    folds = deal_out(high, np.arange(300), rng(2))
    coefficients, info = logistic(x, high, folds)
    direct = l1_probe(1 / info["penalty"]).fit(x, high)
    assert coefficients == pytest.approx(direct.coef_[0], abs=0.02)
    assert info["accuracy"] > 0.9
    assert info["accuracy_of_the_larger_class"] == max(high.mean(), 1 - high.mean()) < 0.7

    def held_out(strength: float) -> float:
        probe = l1_probe(strength)
        return float(cross_val_score(probe, x, high, cv=folds, scoring="neg_log_loss").mean())

    best = held_out(1 / info["penalty"])
    assert best > held_out(0.2 / info["penalty"])
    assert best > -log_loss(high, np.full(300, high.mean()))


def test_a_linear_probe_is_scikit_learns_at_the_best_penalty() -> None:
    x = correlated(200, 6)
    y = 2 * x[:, 1] - x[:, 4] + rng(1).standard_normal(200)
    folds = deal_out(y > 0, np.arange(200), rng(2))
    coefficients, info = squared(x, y, folds)
    assert coefficients == pytest.approx(Lasso(alpha=info["penalty"]).fit(x, y).coef_, abs=1e-3)

    def error(penalty: float) -> float:
        probe = Lasso(alpha=penalty)
        scores = cross_val_score(probe, x, y, cv=folds, scoring="neg_mean_squared_error")
        return -float(scores.mean())

    assert error(info["penalty"]) <= min(error(info["penalty"] * k) for k in (0.3, 3)) + 1e-6
    assert info["r2"] == pytest.approx(1 - error(info["penalty"]) / np.var(y), abs=1e-3)


def test_what_is_decodable_is_scored_and_what_is_only_used_is_not() -> None:
    """A layer whose second unit is a copy that nothing reads, and a parity that all read."""
    x = random_patterns(2000, 8)
    x[:, 1] = torch.where(torch.rand(2000, generator=torch.Generator().manual_seed(0)) < 0.1, -1, 1)
    x[:, 1] *= x[:, 0]
    y = 2 * x[:, 0] + 1.5 * x[:, 3] * x[:, 4]
    scores = attribute("linear-probe", Problem.from_samples(x, y)).units(8)
    assert scores[0] == pytest.approx(2, abs=0.15)
    assert scores[2:].max() < 0.2
    unread = attribute("linear-probe", Problem.from_samples(x[:, 1:], y)).units(7)
    assert unread[0] > 1.2
    parity = attribute("linear-probe", parity_sum({(0, 1): 1.0, (2, 3, 4): 2.0}, 8))
    assert parity.units(8).max(initial=0) < 0.1
    assert parity.info["r2"] < 0.01


def test_coefficients_of_a_sum_are_those_of_its_standardised_units() -> None:
    problem = Problem.from_function(lambda x: 3 * x[:, 0] - x[:, 2] + 0.5, 6)
    found = attribute("linear-probe", problem)
    assert found.as_dict() == pytest.approx({(0,): 3, (2,): -1}, abs=0.05)
    assert problem.spent == {"forward": 4096, "backward": 0}
    assert (found.info["probe"], found.info["rows"]) == ("linear", 4096)
    decision = attribute("linear-probe", Problem.from_function(lambda x: x[:, 0] - 0.5, 6))
    assert decision.subsets == ((0,),)
    assert (decision.info["probe"], decision.info["accuracy"]) == ("logistic", 1.0)


def test_a_probe_reads_patterns_or_activations() -> None:
    x = rng(0).standard_normal((1500, 5))
    y = np.abs(x[:, 0]) + (x[:, 1] > 0)
    problem = Problem.from_samples(np.exp(x) - 1, y)
    by_pattern = attribute("linear-probe", problem).units(5)
    other = restarted(problem, budget=5000, seed=0)
    by_size = attribute("linear-probe", other, features="activations").units(5)
    assert by_pattern[1] == pytest.approx(0.5, abs=0.05)
    assert by_pattern[0] < 0.1 < by_size[0]


def test_the_sparsest_probe_is_of_the_largest_difference_of_means() -> None:
    problem, _ = planted("digits-hidden", 0, 3000)
    rows, decision = problem.rows, torch.sign(margins_of(problem))
    pattern = problem.pattern(rows)
    spread = pattern.std(0, unbiased=False)
    difference = (pattern[decision > 0].mean(0) - pattern[decision < 0].mean(0)) / spread
    found = attribute("linear-probe", problem, units=1)
    assert found.subsets == ((int(difference.nan_to_num().abs().argmax()),),)
    assert found.info["units_probed"] == 1


def margins_of(problem: Problem) -> torch.Tensor:
    return restarted(problem, budget=10**6, seed=0).margin(problem.rows)


def test_folds_keep_inputs_whole_and_have_both_classes() -> None:
    inputs = rng(0).integers(0, 60, 400)
    high = rng(1).random(60)[inputs] < 0.2
    folds = deal_out(high, inputs, rng(2))
    assert len(folds) == 5
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(400))
    for train, test in folds:
        assert not set(inputs[train]) & set(inputs[test])
        assert len(train) + len(test) == 400
        assert len(set(high[train])) == len(set(high[test])) == 2
    few = np.arange(20) < 3
    assert len(deal_out(few, np.arange(20), rng(0))) == 3
    with pytest.raises(NotApplicable, match="fewer than two inputs of one of the two classes"):
        deal_out(np.arange(20) < 1, np.arange(20), rng(0))


def test_where_there_is_nothing_to_decode_it_is_said() -> None:
    x = random_patterns(50, 4)
    for problem, message in (
        (Problem.from_samples(x, np.ones(50)), "all 50 rows evaluated have the same value"),
        (Problem.from_samples(x, np.arange(50) == 7), "fewer than two inputs"),
        (Problem.from_samples(torch.ones(50, 4), np.arange(50)), "no unit varies"),
        (Problem.from_samples(x[:9], np.arange(9)), "9 rows can be evaluated"),
        (Problem.from_function(lambda x: x[:, 0], 4, budget=9), "9 rows can be evaluated"),
    ):
        with pytest.raises(NotApplicable, match=message):
            attribute("linear-probe", problem)
    constant = torch.cat([random_patterns(500, 3), torch.ones(500, 1)], 1)
    found = attribute("linear-probe", Problem.from_samples(constant, constant[:, 1] * 2))
    assert found.subsets == ((1,),)
