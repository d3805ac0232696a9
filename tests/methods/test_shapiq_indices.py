"""Interaction indices of shapiq's estimators, against its exact computer and closed forms."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum, planted
from threadpoolctl import threadpool_info, threadpool_limits

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.errors import Missing
from actspec_bench.methods.playing import plans
from actspec_bench.methods.playing.games import row_game
from actspec_bench.methods.playing.indices import ESTIMATORS
from actspec_bench.problems.explaining import spread_rows
from actspec_bench.problems.kinds import binary, masked
from actspec_bench.problems.views import restarted

shapiq = pytest.importorskip("shapiq")

EXACT = ["kernelshap-iq", "svarm-iq", "regression-fsii", "regression-fbii"]
SAMPLED = ["permutation-sii", "permutation-stii"]
N = 6


def mixed(x: torch.Tensor) -> torch.Tensor:
    """Interactions of every order, and a last unit that does nothing."""
    return torch.tanh(x[:, 0] + 0.7 * x[:, 1] * x[:, 2] - 0.5 * x[:, 3]) + 0.4 * x[:, 3] * x[:, 4]


def problem_of(
    function, n: int = N, *, budget: int, rows: int = 1, readout: str = "margin"
) -> Problem:
    source = binary(function, n, seed=1, readout=readout)
    return Problem(replace(source, foreground=source.foreground[:rows]), budget=budget, seed=1)


def exactly(function, row: torch.Tensor, index: str, order: int) -> dict[tuple[int, ...], float]:
    game = row_game(function, row, torch.zeros(len(row)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = shapiq.ExactComputer(game, len(row))(index, order)
    return {s: v for s, v in values.dict_values.items() if s}


def close(found: dict, exact: dict, tolerance: float) -> bool:
    return all(abs(found.get(s, 0.0) - v) <= tolerance for s, v in exact.items())


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_of_all_coalitions_an_index_is_exact(name: str, order: int) -> None:
    problem = problem_of(mixed, budget=2**N)
    found = attribute(name, problem, order=order, aggregate="mean")
    exact = exactly(mixed, problem.foreground[0], ESTIMATORS[name].index, order)
    assert found.info["rows"] == 1
    assert problem.spent["forward"] == found.info["samples"] == 2**N
    assert max(map(len, found.subsets)) == order
    # Regressions hold the empty and the full coalition by weights of 1e8.
    assert close(found.as_dict(), exact, 1e-4)
    assert not any(
        N - 1 in subset and abs(value) > 1e-5 for subset, value in found.as_dict().items()
    )


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", SAMPLED)
def test_permutations_come_to_the_index(name: str, order: int) -> None:
    problem = problem_of(mixed, budget=60_000)
    found = attribute(name, problem, order=order, aggregate="mean")
    exact = exactly(mixed, problem.foreground[0], ESTIMATORS[name].index, order)
    assert found.info["rows"] == 1
    assert found.info["samples"] > 59_000
    assert close(found.as_dict(), exact, 0.05)
    assert not any(N - 1 in subset for subset in found.subsets)


@pytest.mark.parametrize("name", EXACT)
def test_over_rows_it_is_the_mean_of_magnitudes(name: str) -> None:
    def three(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] * x[:, 1] + 0.5 * x[:, 2].square() * x[:, 0] - 0.25 * x[:, 1]

    problem = problem_of(three, 3, budget=24, rows=32)
    rows = spread_rows(problem.foreground, 3)
    assert torch.equal(rows, problem.foreground[[0, 10, 21]])
    exact = [exactly(three, row, ESTIMATORS[name].index, 2) for row in rows]
    found = attribute(name, problem)
    assert (found.info["rows"], found.info["coalitions"]) == (3, 8)
    mean = {s: np.mean([abs(values[s]) for values in exact]) for s in exact[0]}
    assert close(found.as_dict(), mean, 1e-5)
    signed = attribute(name, restarted(problem, budget=24, seed=1), aggregate="mean").as_dict()
    assert close(signed, {s: np.mean([values[s] for values in exact]) for s in exact[0]}, 1e-5)


def test_of_one_row_it_is_aggregated_too_as_by_the_own_method_of_the_same_index() -> None:
    source = masked(mixed, N, readout="margin")
    for aggregate, negative in (("mean", True), ("mean-absolute", False)):
        theirs, own = (
            attribute(name, Problem(source, budget=2**N), aggregate=aggregate, **more).as_dict()
            for name, more in (
                ("regression-fbii", {"order": 2}),
                ("banzhaf-interactions", {"order": 2, "index": "faith-banzhaf"}),
            )
        )  # fmt: skip
        assert any(value < -0.01 for value in own.values()) == negative
        assert close(theirs, own, 1e-4)
        for name in (*EXACT, *SAMPLED):
            told = attribute(name, Problem(source, budget=2000), aggregate=aggregate)
            assert told.info["rows"] == 1
            assert bool((told.coefficients < -0.01).any()) == negative, name


def test_the_library_runs_on_one_thread() -> None:
    threads: set[int] = set()

    def watched(x: torch.Tensor) -> torch.Tensor:
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return mixed(x)

    with threadpool_limits(2):
        attribute("regression-fbii", problem_of(watched, budget=2**N))
    assert threads == {1}


@pytest.mark.parametrize("name", [*EXACT, *SAMPLED])
def test_two_units_that_act_only_together_are_one_interaction(name: str) -> None:
    """A product of two units, from zero; Shapley values share it, what is faithful does not."""
    problem = problem_of(lambda x: -2 * x[:, 1] * x[:, 3], 5, budget=20_000)
    value = float(-2 * problem.foreground[0, [1, 3]].prod())
    found = attribute(name, problem, aggregate="mean")
    assert found.subsets[0] == (1, 3)
    assert found.coefficients[0] == pytest.approx(value, rel=1e-4)
    shared = value / 2 if ESTIMATORS[name].index == "SII" else 0.0
    values = found.as_dict()
    assert [values.get((i,), 0.0) for i in range(5)] == pytest.approx(
        [0, shared, 0, shared, 0], abs=0.05
    )


@pytest.mark.parametrize("name", [*EXACT, *SAMPLED])
@pytest.mark.parametrize("budget", [1, N, N + 1, 21, 22, 23, 33, 68, 69, 500])
def test_it_keeps_to_the_budget_or_says_what_it_needs(name: str, budget: int) -> None:
    asked: list[int] = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return mixed(x)

    problem = problem_of(counted, budget=budget)
    order = 2
    least = ESTIMATORS[name].cost(N, order).least
    if budget < least:
        with pytest.raises(NotApplicable, match=f"needs {least} coalitions of 6 units"):
            attribute(name, problem)
        assert not asked
    else:
        found = attribute(name, problem)
        assert sum(asked) == problem.spent["forward"] == found.info["samples"] <= budget
        assert json.dumps(found.info, allow_nan=False)


@pytest.mark.parametrize("name", [*EXACT, *SAMPLED])
def test_the_same_seed_gives_the_same_numbers_and_another_others(name: str) -> None:
    problem, _ = planted("planted-parity[n=12,terms=2,noise=0.1]", 3, 900)
    np.random.seed(5)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again, other = (
        attribute(name, restarted(problem, budget=900, seed=seed)).as_dict() for seed in (0, 0, 1)
    )
    assert first == again != other
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_what_it_attributes_is_told() -> None:
    decisions = problem_of(lambda x: 3 * x[:, 0] + x[:, 1], 4, budget=64, readout="decision")
    margin = attribute("kernelshap-iq", decisions, order=1)
    value = attribute("kernelshap-iq", restarted(decisions, budget=64, seed=1), order=1, on="value")
    assert margin.units()[:2] == pytest.approx([3.0, 1.0], rel=1e-5)
    assert max(value.units()) <= 2.0


def test_a_constant_function_has_no_interaction_and_a_reason() -> None:
    for name in [*EXACT, *SAMPLED]:
        found = attribute(name, problem_of(lambda x: 0 * x[:, 0] + 2.5, budget=500))
        assert found.subsets == ()
        assert "constant" in found.info["reason"]


@pytest.mark.parametrize(
    ("name", "n", "order", "told"),
    [
        ("kernelshap-iq", 256, 2, "needs 32,897 coalitions of 256 units"),
        ("kernelshap-iq", 128, 2, r"would take about \d+ s and 3.6 GiB for the 8,257 coalitions"),
        ("svarm-iq", 64, 2, r"would take about 275 s"),
        ("permutation-sii", 256, 3, "256 units have 2,796,417 of up to 3: more than 200,000"),
        ("permutation-stii", 64, 3, "coalitions of 64 units at least"),
    ],
)
def test_what_would_take_too_long_or_too_much_memory_is_refused(
    name: str, n: int, order: int, told: str
) -> None:
    problem = restarted(parity_sum(TERMS, n), budget=10_000, seed=0)
    with pytest.raises(NotApplicable, match=told):
        attribute(name, problem, order=order)
    assert problem.remaining == 10_000


def test_a_plan_explains_more_rows_where_one_has_enough() -> None:
    def plan(budget: int, cost=plans.regression, n: int = 16) -> tuple[int, int]:
        return tuple(plans.planned("it", cost, n, 2, budget=budget, rows=32))

    assert plans.interactions(16, 2) == 137
    assert plan(137) == (1, 137)
    assert plan(547) == (1, 547)
    assert plan(548) == (2, 274)
    assert plan(10**5) == (32, 3125)
    assert plan(10**7) == (32, plan(10**7)[1])
    assert plan(1000, n=4) == (32, 16)
    assert plan(10_000, plans.svarm_iq, n=32)[1] < 3000


def test_doubts_are_told() -> None:
    few = attribute("regression-fbii", problem_of(mixed, budget=23))
    assert few.info["warnings"] == ["23 coalitions a row are few for 22 interactions"]
    met = attribute("permutation-sii", problem_of(mixed, budget=40))
    assert met.info["warnings"] == ["of 15 interactions of 2 units 5 at most were met in a row"]


def test_one_unit_has_a_value_and_no_pairs() -> None:
    problem = problem_of(lambda x: 2 * x[:, 0], 1, budget=100)
    assert attribute("kernelshap-iq", problem).units()[0] == pytest.approx(2.0)
    with pytest.raises(NotApplicable, match="needs 2 units"):
        attribute("permutation-stii", problem)


def test_proxyshap_finds_a_pair_or_says_what_it_needs() -> None:
    problem = restarted(parity_sum(TERMS, 8), budget=2000, seed=0)
    if not hasattr(shapiq.approximator, "ProxySHAP"):
        with pytest.raises(Missing, match=r"has no ProxySHAP: install shapiq 1\.8 or newer"):
            attribute("proxyshap", problem)
        return
    found = attribute("proxyshap", problem)
    assert found.subsets[0] == (0, 3)
    assert found.coefficients[0] == pytest.approx(1.0, abs=0.2)
    assert found.info["trees"].partition(" ")[0] in {"lightgbm", "xgboost"}
    with pytest.raises(NotApplicable, match="needs 60 coalitions"):
        attribute("proxyshap", restarted(problem, budget=59, seed=0))


def test_the_order_is_the_largest_with_coalitions_in_plenty() -> None:
    for n, budget, order in ((10, 10_000, 4), (12, 2_000, 3), (16, 500, 2), (64, 10_000, 2)):
        assert plans.largest_order(plans.regression, n, budget) == order
    terms = {(0, 1, 2): 1.0, (3,): 0.5}
    found = attribute("regression-fbii", parity_sum(terms, 10))
    assert found.info["order"] >= 3
    assert set(found.subsets[:1]) == {(0, 1, 2)}
