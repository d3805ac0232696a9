"""Neuron Shapley against enumeration and closed forms; its truncation and bandit by themselves."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.intervening.neurons import Game, Sums, half_widths, undecided, walked
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.views import ScoringView, restarted

PLAIN = {"rows": 32, "batch": 32, "truncation": 0.0, "top": None}
WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, 0.25])


def performance(problem: Problem, coalition: tuple[int, ...]) -> float:
    """V of a coalition on all rows of the foreground, straight from its definition."""
    view = ScoringView(problem, 0)
    x = view.baseline.repeat(len(view.foreground), 1)
    x[:, list(coalition)] = view.foreground[:, list(coalition)]
    whole = view.value(view.foreground)
    return float((torch.where(whole >= 0, 1.0, -1.0) * view.value(x)).mean())


def enumerated(problem: Problem) -> np.ndarray:
    n = problem.n
    values = {
        s: performance(problem, s) for size in range(n + 1) for s in combinations(range(n), size)
    }
    shapley = np.zeros(n)
    for s, value in values.items():
        for i in set(range(n)) - set(s):
            weight = factorial(len(s)) * factorial(n - len(s) - 1) / factorial(n)
            shapley[i] += weight * (values[tuple(sorted((*s, i)))] - value)
    return shapley


def signed(found, n: int) -> np.ndarray:
    scores = np.zeros(n)
    for (unit,), score in found.as_dict().items():
        scores[unit] = score
    return scores


@pytest.mark.parametrize("readout", ["margin", "decision"])
def test_values_are_those_of_enumeration_without_truncation_and_bandit(readout: str) -> None:
    problem = parity_sum({(0, 3): 1.0, (1,): -0.75, (2, 4, 5): 0.5, (0,): 0.3}, 7, readout=readout)
    exact = enumerated(problem)
    found = attribute("neuron-shapley", restarted(problem, budget=400_000, seed=1), **PLAIN)
    assert signed(found, 7) == pytest.approx(exact, abs=0.02)
    assert np.abs(exact).max() > 0.2
    assert (6,) not in found.as_dict()
    batches = attribute(
        "neuron-shapley", restarted(problem, budget=400_000, seed=2), **PLAIN | {"batch": 4}
    )
    assert batches.info["rows_a_coalition"] == 4
    assert signed(batches, 7) == pytest.approx(exact, abs=0.03)


def test_of_a_linear_function_every_order_has_the_same_values() -> None:
    problem = Problem.from_function(lambda x: x @ WEIGHTS, 6, budget=3000)
    x = problem.foreground
    expected = WEIGHTS * (torch.where(x @ WEIGHTS >= 0, 1.0, -1.0)[:, None] * x).mean(0)
    found = attribute("neuron-shapley", problem, **PLAIN)
    assert signed(found, 6) == pytest.approx(expected.numpy(), abs=1e-5)


def test_values_add_up_to_what_the_whole_network_is_above_the_ablated_one() -> None:
    found = attribute("neuron-shapley", parity_sum(TERMS, 8, readout="decision"), **PLAIN)
    assert found.info["performance"] == 1.0
    lost = found.info["performance"] - found.info["performance_ablated"]
    assert found.coefficients.sum() == pytest.approx(lost, abs=1e-6)


def test_on_a_masked_problem_the_input_is_the_one_row() -> None:
    source = masked(
        lambda x: (x[:, 0] + 1) * (x[:, 1] + 1) / 4 + x[:, 2] - 0.4, 4, readout="margin"
    )
    found = attribute("neuron-shapley", Problem(source, budget=4000), truncation=0.0, top=None)
    assert found.info["rows"] == found.info["rows_a_coalition"] == 1
    assert found.as_dict() == pytest.approx({(0,): 0.5, (1,): 0.5, (2,): 2.0}, abs=0.05)


def test_truncation_saves_rows_and_loses_what_it_says() -> None:
    """Of a product nothing is left when its first unit is gone: orders end five coalitions on."""
    problem = parity_sum({(0, 1): 1.0}, 20)
    cut = attribute("neuron-shapley", restarted(problem, budget=5000, seed=0), top=None)
    whole = attribute(
        "neuron-shapley", restarted(problem, budget=5000, seed=0), top=None, truncation=0.0
    )
    assert cut.info["permutations_cut_short"] > 0 == whole.info["permutations_cut_short"]
    assert cut.info["permutations"] > 1.3 * whole.info["permutations"]
    for found in (cut, whole):
        assert set(found.subsets) == {(0,), (1,)}
        assert found.coefficients.sum() == pytest.approx(1, abs=1e-6)


def test_a_cut_order_counts_the_units_after_it_as_nothing() -> None:
    """V falls to 0.1 with the first unit, and to 0 with the second: the 0.1 is never met."""
    game = Game.of(lambda x: 0.9 * x[:, 0] + 0.1 * x[:, 1], torch.ones(4, 12), torch.zeros(12))
    active = np.ones(12, dtype=bool)
    walk = walked(game, torch.Generator().manual_seed(0), 200, 2, active, 0.2)
    assert walk.cut > 50
    lost = {u: walk.contributions[walk.units == u] for u in range(12)}
    assert lost[0] == pytest.approx(0.9)
    assert set(lost[1].round(6)) == {0.0, 0.1}
    assert not np.concatenate([lost[u] for u in range(2, 12)]).any()
    assert (walk.low, walk.high) == pytest.approx((0, 1))


def test_units_that_are_decided_are_passed_over_and_the_others_keep_their_values() -> None:
    asked = []

    def function(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return x[:, 0] * x[:, 1] + x[:, 2] * x[:, 5]

    game = Game.of(function, torch.ones(3, 9), torch.zeros(9))
    active = np.isin(np.arange(9), [2, 5])
    some, every = (
        walked(game, torch.Generator().manual_seed(4), 50, 1, chosen, 0.0)
        for chosen in (active, np.ones(9, dtype=bool))
    )
    for unit in (2, 5):
        of_some = some.contributions[some.units == unit]
        assert of_some.tolist() == every.contributions[every.units == unit].tolist()
    assert set(some.units.tolist()) == {2, 5}
    assert sum(asked[1:]) < 50 * 4 + 50 * 8


@pytest.mark.parametrize("length", [30, 41, 60])
def test_an_order_is_cut_after_more_than_five_coalitions_near_the_ablated(length: int) -> None:
    """Coalitions without the only unit that matters are near; the empty one is not asked for."""
    for seed in range(10):
        met: list[bool] = []

        def function(x: torch.Tensor, met=met) -> torch.Tensor:
            met.extend((x[:, 0] == 0).tolist())
            return x[:, 0]

        game = Game.of(function, torch.ones(1, length), torch.zeros(length))
        met.clear()
        every = np.ones(length, dtype=bool)
        walk = walked(game, torch.Generator().manual_seed(seed), 1, 1, every, 0.2)
        gone = length - 1 - walk.units.tolist().index(0)
        assert sum(met) == min(6, gone)
        assert walk.cut == (gone >= 6)


def drawn(games: int, count: int, values: list[float], chances: list[float]) -> Sums:
    """What is known of as many games, each of ``count`` independent contributions."""
    sums = Sums.none(games)
    draws = np.random.default_rng(0).choice(values, (count, games), p=chances)
    for contributions in draws:
        sums.add(np.arange(games), contributions)
    return sums


@pytest.mark.parametrize("count", [20, 60, 400])
@pytest.mark.parametrize("rare", [0.01, 0.03, 0.1, 0.5])
@pytest.mark.parametrize("delta", [0.05, 0.2])
def test_intervals_hold_the_value_as_often_as_they_say(
    count: int, rare: float, delta: float
) -> None:
    """Of contributions between -1 and 1, mostly at one end; performances span 1."""
    sums = drawn(4000, count, [1.0, -1.0], [1 - rare, rare])
    missed = np.abs(sums.mean - (1 - 2 * rare)) > half_widths(sums, delta, 1.0)
    assert missed.mean() <= delta
    missed = np.abs(sums.mean - (1 - 2 * rare)) > half_widths(sums, delta, 1.0) / 12
    if rare == 0.5:
        assert missed.mean() > delta


def test_an_interval_is_that_of_contributions_scaled_to_between_0_and_1_on_each_side() -> None:
    """The theorem is of one side and of variables between 0 and 1; performances span R."""
    contributions = np.random.default_rng(1).uniform(-3, 3, 50)
    sums = Sums.none(1)
    sums.add(np.zeros(50, dtype=int), contributions)

    def one_side(z: np.ndarray, chance: float) -> float:
        log = np.log(2 / chance)
        return (2 * z.var(ddof=1) * log / len(z)) ** 0.5 + 7 * log / (3 * (len(z) - 1))

    expected = 6 * one_side((contributions + 3) / 6, 0.1 / 2)
    assert half_widths(sums, 0.1, 3.0) == pytest.approx(expected)
    assert np.isinf(half_widths(Sums.none(1), 0.1, 3.0)).all()


def known(means: list[float], counts: list[float], variance: float) -> Sums:
    mean, count = np.array(means), np.array(counts)
    return Sums(count, mean * count, variance * (count - 1) + count * mean**2)


def test_the_bandit_leaves_what_its_intervals_tell_apart() -> None:
    sums = known([0.9, 0.5, 0.48, 0.0], [300, 300, 300, 300], 0.04)
    assert sums.variance == pytest.approx(0.04)
    assert undecided(sums, 2, 0.2, 1.0).tolist() == [False, True, True, False]
    for top in (None, 4, 3):
        assert undecided(sums, top, 0.2, 1.0).all()
    assert undecided(Sums.none(4), 2, 0.2, 1.0).all()


def test_the_bandit_leaves_a_unit_alone_that_is_known_to_a_twentieth_of_the_spread() -> None:
    """The third of five units is at the border, and nothing is to be learnt of it."""
    sums = known([0.9, 0.5, 0.49, 0.48, 0.0], [300, 300, 10_000, 300, 300], 0.04)
    assert half_widths(sums, 0.2, 1.0)[1:3] == pytest.approx([0.07, 0.007], rel=0.2)
    assert undecided(sums, 2, 0.2, 1.0).tolist() == [False, True, False, True, False]


def test_the_bandit_samples_clear_units_less() -> None:
    weights = torch.tensor([4.0, 3.0] + [0.2] * 10)
    problem = Problem.from_function(lambda x: x @ weights, 12, budget=30_000)
    found = attribute("neuron-shapley", problem, top=2, truncation=0.0, batch=4)
    assert found.info["least_samples_of_a_unit"] < found.info["permutations"]
    assert set(found.subsets[:2]) == {(0,), (1,)}


@pytest.mark.parametrize("budget", [1, 6, 7, 30, 500, 5000])
def test_rows_are_counted_and_the_budget_is_spent(budget: int) -> None:
    rows = []

    def function(x: torch.Tensor) -> torch.Tensor:
        rows.append(len(x))
        return x[:, 0] * x[:, 1] + x[:, 2]

    problem = Problem.from_function(function, 6, budget=budget)
    if budget < 7:
        with pytest.raises(NotApplicable, match="one permutation of the units on one row costs 7"):
            attribute("neuron-shapley", problem)
    else:
        info = attribute("neuron-shapley", problem).info
        assert info["permutations"] >= (10 if budget >= 52 else 1)
        assert problem.remaining < 5 * info["rows_a_coalition"]
    assert sum(rows) == problem.spent["forward"]


def test_constant_functions_and_single_units() -> None:
    nothing = attribute("neuron-shapley", Problem.from_function(lambda x: 0 * x[:, 0] + 2, 5))
    assert (nothing.subsets, nothing.info["reason"]) == (
        (),
        "no removal of a unit changed the performance",
    )
    one = attribute("neuron-shapley", Problem.from_function(lambda x: 2 * x[:, 0], 1))
    assert one.as_dict() == {(0,): 2.0}
