"""Intervals and ranks, against exhaustive and other libraries' resampling."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from actspec_bench.board import stats
from actspec_bench.board.stats import bootstrap_interval


def ranks(scores: dict[str, np.ndarray], *, higher_is_better: bool) -> dict[str, int]:
    """Ranks of methods that all have the same instances."""
    numbered = {method: dict(enumerate(values)) for method, values in scores.items()}
    return stats.ranks(numbered, higher_is_better=higher_is_better)


def test_the_interval_equals_the_exhaustive_bootstrap() -> None:
    """All 5^5 resamples, at the tails that Student's t gives for five values."""
    values = np.array([0.1, 0.9, 0.4, 0.4, 0.7])
    means = np.array([np.mean(c) for c in product(values, repeat=5)])
    tail = scipy_stats.norm.cdf(-np.sqrt(5 / 4) * scipy_stats.t.ppf(0.975, 4))
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.03)


def test_the_interval_equals_scipy_s_at_its_expanded_level() -> None:
    values = np.random.default_rng(0).standard_normal(30)
    tail = scipy_stats.norm.cdf(-np.sqrt(30 / 29) * scipy_stats.t.ppf(0.975, 29))
    theirs = scipy_stats.bootstrap(
        (values,),
        np.mean,
        method="percentile",
        n_resamples=9999,
        confidence_level=1 - 2 * tail,
        random_state=1,
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.03)


@pytest.mark.parametrize(
    ("scores", "k", "share"),
    [("normal", 5, 0.93), ("normal", 10, 0.95), ("normal", 30, 0.95), ("exponential", 5, 0.87)],
)
def test_the_interval_covers_as_often_as_the_readme_says(scores: str, k: int, share: float) -> None:
    generator = np.random.default_rng(k)
    covered, runs = 0, 1000
    for _ in range(runs):
        values = generator.standard_normal(k)
        if scores == "exponential":
            values = generator.exponential(size=k) - 1
        low, high = bootstrap_interval(values)
        covered += low <= 0 <= high
    assert abs(covered / runs - share) < 3 * (share * (1 - share) / runs) ** 0.5


def test_fewer_than_five_instances_have_neither_interval_nor_rank() -> None:
    assert bootstrap_interval(np.ones(4)) is None
    assert ranks({"a": np.ones(4), "b": np.zeros(4)}, higher_is_better=True) == {}


def test_ranks_are_shared_unless_the_paired_difference_is_clear() -> None:
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    scores = {
        "low": base,
        "high": base + 0.05,
        "unclear": base + np.array([0.3, -0.3, 0.25, -0.2, 0.05]),
    }
    up = ranks(scores, higher_is_better=True)
    assert up == {"high": 1, "unclear": 1, "low": 2}
    down = ranks(scores, higher_is_better=False)
    assert down == {"low": 1, "unclear": 1, "high": 2}
    shuffled = {name: values[[3, 1, 4, 0, 2]] for name, values in scores.items()}
    assert ranks(shuffled, higher_is_better=True) == up


def test_equal_methods_share_a_rank() -> None:
    same = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    assert ranks({"a": same, "b": same.copy()}, higher_is_better=True) == {"a": 1, "b": 1}


def test_no_method_ranks_below_one_whose_mean_is_worse() -> None:
    """The steady one is clearly below the best; the erratic one, worse on average, is not."""
    best = np.array([0.9, 0.9, 0.9, 0.9, 0.9])
    steady = best - np.array([0.1, 0.1, 0.1, 0.1, 0.1])
    erratic = best - np.array([1.2, -0.3, 1.2, -0.3, -0.2])
    assert steady.mean() > erratic.mean()
    scores = {"best": best, "steady": steady, "erratic": erratic}
    assert ranks(scores, higher_is_better=True) == {"best": 1, "steady": 1, "erratic": 1}
    assert ranks({"best": best, "steady": steady}, higher_is_better=True)["steady"] == 2


def test_methods_that_share_fewer_than_five_instances_cannot_be_told_apart() -> None:
    scores = {"a": dict.fromkeys(range(6), 1.0), "b": dict.fromkeys(range(2, 8), 0.0)}
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 1}
    scores["b"][1] = 0.0
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 2}
    scores["c"] = dict.fromkeys(range(4), 5.0)
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 2}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_on_instances_that_two_methods_share_none_ranks_below_a_worse_mean(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = {
        str(method): {
            int(i): float(method / 2 + generator.standard_t(2))
            for i in generator.choice(12, generator.integers(5, 13), replace=False)
        }
        for method in range(6)
    }
    found = stats.ranks(scores, higher_is_better=True)
    for one, other in product(scores, scores):
        shared = scores[one].keys() & scores[other].keys()
        if len(shared) < 5:
            continue
        means = [np.mean([scores[m][i] for i in shared]) for m in (one, other)]
        if means[0] >= means[1]:
            assert found[one] <= found[other]


def test_rows_of_equal_quality_come_out_with_overall_ranks_that_differ_as_boards_say() -> None:
    """Eleven rows over seven tasks of five instances: the worst overall is 1.8 on average."""
    generator = np.random.default_rng(5)
    worst = []
    for _ in range(12):
        total = np.zeros(11)
        for _ in range(7):
            scores = generator.standard_normal(5) + generator.standard_normal((11, 5))
            by_row = {str(row): own for row, own in enumerate(scores)}
            total += list(ranks(by_row, higher_is_better=True).values())
        worst.append(total.max() / 7)
    assert np.mean(worst) == pytest.approx(1.8, abs=0.25)
