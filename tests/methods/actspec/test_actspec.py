"""The whole search, on functions whose subsets are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum, planted, random_patterns

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.actspec import search
from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("planted-parity[noise=0.05,terms=3]", 10_000),
        ("planted-parity[noise=0.05,order=2]", 10_000),
        ("planted-parity[terms=3,readout=decision,low=1.0]", 10_000),
        ("planted-parity[noise=0.05,terms=3,orders=(2,3,5),overlap=1,constants=4]", 16_000),
        ("planted-parity[noise=0.05,terms=3,duplicates=5]", 16_000),
        ("planted-parity[noise=0.05,terms=3,correlation=0.6]", 16_000),
        ("planted-parity[n=24,terms=1,order=8]", 16_000),
    ],
)
def test_actspec_finds_what_is_planted(text: str, budget: int, seed: int) -> None:
    problem, truth = planted(text, seed, budget)
    found = attribute("actspec", problem)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)
    assert problem.remaining == 0
    for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True):
        if subset in truth.spectrum:
            margin = 0.05 + (high - low)
            assert found.as_dict()[subset] == pytest.approx(truth.spectrum[subset], abs=margin)


def test_actspec_reports_nothing_where_nothing_is_planted() -> None:
    """At rate 0.05 at most a twentieth of runs may report anything; 1 in 40 is no surprise."""
    runs = 40
    reported = 0
    for seed in range(runs):
        problem, _ = planted("planted-nothing", seed, 3000)
        reported += bool(attribute("actspec", problem).subsets)
    assert reported <= 6  # P(more than 6 of 40 at 0.05) < 0.004


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem.from_function(lambda x: 0 * x[:, 0] + 2, 6), "10,000 rows asked have the value 2"),
        (Problem.from_function(lambda x: x[:, 0], 1), None),
        (
            Problem.from_samples(torch.ones(50, 3), torch.ones(50)),
            "no unit can be searched: 3 units: always in one state",
        ),
        (
            Problem.from_samples([[1.0, -1.0]], [1.0]),
            "each state is needed in 8 inputs, and 1 were asked",
        ),
    ],
)
def test_actspec_on_degenerate_problems(problem: Problem, reason: str | None) -> None:
    found = attribute("actspec", problem)
    if reason is None:
        assert found.as_dict() == {(0,): pytest.approx(1.0)}
    else:
        assert not found.subsets
        assert reason in found.info["reason"]


def test_actspec_leaves_out_coefficients_below_a_given_tau() -> None:
    found = attribute("actspec", parity_sum(TERMS, 12), tau=0.6)
    assert set(found.subsets) == {(0, 3), (1,)}
    found = attribute("actspec", parity_sum({(0,): 0.1}, 4), tau=1.0)
    assert not found.subsets


def test_actspec_refuses_a_budget_below_its_screen() -> None:
    problem = restarted(parity_sum(TERMS, 64), budget=100, seed=0)
    with pytest.raises(NotApplicable, match="screen of 64 units needs at least"):
        attribute("actspec", problem)


@pytest.mark.parametrize("given", [False, True])
def test_actspec_finds_the_same_whatever_the_level_of_the_values(given: bool) -> None:
    def problem(level: float) -> Problem:
        if not given:
            base = parity_sum(TERMS | {(): level} if level else TERMS, 14)
            return restarted(base, budget=6000, seed=0)
        x = random_patterns(600, 20, seed=8)
        y = x[:, [0, 1, 2]].prod(1) + x[:, 3] * x[:, 4] + level
        return Problem.from_samples(x, y)

    plain, raised = (attribute("actspec", problem(level)) for level in (0.0, 64.0))
    assert plain.subsets
    assert set(raised.subsets) == set(plain.subsets)
    for subset, coefficient in plain.as_dict().items():
        assert raised.as_dict()[subset] == pytest.approx(coefficient, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("planted-parity[noise=0.05]", 1500),
        ("planted-parity[noise=0.05,order=8]", 4000),
        ("planted-parity[noise=0.05,terms=10,order=8,overlap=4]", 6000),
        ("planted-parity[noise=1.0,order=5]", 16_000),
        ("planted-parity[n=256,noise=0.05,order=5]", 4000),
        ("planted-parity[terms=3,readout=decision]", 1200),
    ],
)
def test_actspec_is_exact_on_few_queries(text: str, budget: int, seed: int) -> None:
    problem, truth = planted(text, 50 + seed, budget)
    found = attribute("actspec", problem)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)


@pytest.mark.parametrize("parameters", [{"order": "given"}, {"order": "random", "restarts": 3}])
def test_any_order_of_the_units_finds_the_same_subsets(parameters: dict[str, object]) -> None:
    problem, truth = planted("planted-parity[noise=0.05,orders=(1,2,3,5)]", 7, 8000)
    found = attribute("actspec", problem, **parameters)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)


def test_restarts_share_the_budget_and_see_orders_of_their_own() -> None:
    taus = {}
    for restarts in (1, 4):
        problem, _ = planted("planted-parity[noise=1.0,terms=3]", 1, 40_000)
        found = attribute("actspec", problem, restarts=restarts)
        assert problem.remaining == 0
        taus[restarts] = found.info["tau"]
    assert taus[4] == pytest.approx(2 * taus[1], rel=0.3)  # a quarter of the rows a level


def relabelled(problem: Problem, order: list[int]) -> Problem:
    """The same problem with unit i listed at place order[i]."""
    source, places = problem._source, torch.tensor(order)
    return Problem(
        replace(
            source,
            margin=lambda x: source.margin(x[:, places]),
            sampler=lambda k, g: source.sampler(k, g)[:, places.argsort()],
            foreground=source.foreground[:, places.argsort()],
            baseline=source.baseline[places.argsort()],
        )
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    [
        "planted-parity[n=32,noise=0.05,terms=3,duplicates=6,constants=3]",
        "planted-parity[n=32,noise=1.0,terms=3,correlation=0.6]",
    ],
)
def test_listing_units_in_another_order_finds_the_same_subsets(text: str, seed: int) -> None:
    """Twins too: which of two like units matters is told by its influence, not by its place."""
    problem, truth = planted(text, seed, 16_000)
    order = np.random.default_rng(seed).permutation(32).tolist()
    moved = restarted(relabelled(problem, order), budget=16_000, seed=seed)
    plain = set(attribute("actspec", problem).subsets[: len(truth.spectrum)])
    named = attribute("actspec", moved).subsets[: len(truth.spectrum)]
    assert {tuple(sorted(order.index(i) for i in s)) for s in named} == plain
    assert plain == set(truth.spectrum)


def test_what_the_function_returns_is_checked() -> None:
    for function, message in (
        (lambda x: x[:, 0] / 0, "not finite"),
        (lambda x: x, "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            attribute("actspec", Problem.from_function(function, 8))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Problem.from_function(lambda x: x[:, 0], 0)


def test_a_budget_that_leaves_units_unsearched_says_so() -> None:
    found = attribute("actspec", Problem.from_function(lambda x: x[:, 0], 8, budget=100))
    assert not found.subsets
    assert found.info["reason"].endswith(
        "the budget of 100 rows left 8 units unsearched: a larger one is needed"
    )


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_the_values_does_not_matter(scale: float) -> None:
    problem = restarted(
        parity_sum({s: c * scale for s, c in TERMS.items()}, 12), budget=4000, seed=0
    )
    found = attribute("actspec", problem)
    assert {s: c / scale for s, c in found.as_dict().items()} == pytest.approx(TERMS)
    assert set(
        attribute("actspec", restarted(problem, budget=4000, seed=0), tau=0.6 * scale).subsets
    ) == {
        (0, 3),
        (1,),
    }


def test_orders_are_as_asked() -> None:
    problem = restarted(parity_sum(TERMS, 12), budget=100, seed=0)
    queries = Queries(problem)
    units = [7, 2, 9, 4]
    assert search._orders(queries, units, "influence", 1) == [units]
    assert search._orders(queries, units, "given", 1) == [[2, 4, 7, 9]]
    random = search._orders(queries, units, "random", 6)
    assert all(sorted(order) == sorted(units) for order in random)
    assert len({tuple(order) for order in random}) > 1
    first, *others = search._orders(queries, units, "influence", 3)
    assert first == units
    assert len(others) == 2
