"""Second differences against brute force; disjoint sets exactly, and where merging fails."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scoring import built, parity_sum, planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.interacting.differences import merged, telling
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import methods

DISJOINT = {(0, 3): 1.0, (1, 4, 6): -0.7, (2, 7): 0.5}


@pytest.mark.parametrize("told", [None, 5])
def test_disjoint_sets_are_exact_in_n_squared_and_n_and_two_rows(told: int | None) -> None:
    problem = restarted(parity_sum(DISJOINT, 9), budget=9**2 + 9 + 2, seed=0)
    found = attribute("archdetect", problem, pairs=told)
    assert problem.remaining == 0
    assert found.as_dict() == pytest.approx({s: abs(c) for s, c in DISJOINT.items()}, abs=1e-6)


def test_overlapping_sets_are_merged_as_its_card_says() -> None:
    found = attribute("archdetect", parity_sum({(0, 1): 1.0, (1, 2): 1.0}, 6))
    assert found.subsets == ((0, 1, 2),)
    assert "merged" in methods["archdetect"].card.fails


def test_strengths_are_mean_squares_of_quarters_of_second_differences() -> None:
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.standard_normal((6, 3)), dtype=torch.float32)

    def margin(x: torch.Tensor) -> torch.Tensor:
        return (x @ weights).tanh().prod(1) + (x @ weights[:, :1])[:, 0].relu()

    problem = Problem.from_function(margin, 6, budget=3 * 44 + 3)
    found = attribute("archdetect", problem, pairs=1, contexts=3, singles=True)
    rows = problem.foreground[[0, 10, 21]]
    strength = {}
    for i, j in combinations(range(6), 2):
        squares = []
        for row in torch.cat([rows, -rows]):
            flips = torch.ones(4, 6)
            flips[1, i] = flips[2, j] = flips[3, i] = flips[3, j] = -1
            y = margin(row * flips).double()
            squares.append(float((y[0] - y[1] - y[2] + y[3]) / 4) ** 2)
        strength[i, j] = np.mean(squares)
    ranked = sorted(strength, key=lambda s: -strength[s])
    gap = strength[ranked[0]] / strength[ranked[1]]
    kept = ranked[: 1 if gap > strength[ranked[1]] / strength[ranked[2]] else 2]
    groups = merged(kept)
    joint = {s: c for s, c in found.as_dict().items() if len(s) > 1}
    expected = {
        tuple(sorted(g)): np.mean([strength[s] for s in kept if s[0] in g]) ** 0.5 for g in groups
    }
    assert joint == pytest.approx(expected, rel=1e-4)
    flipped = rows.repeat_interleave(6, 0) * (1 - 2 * torch.eye(6)).repeat(3, 1)
    both = torch.cat([margin(flipped), margin(-flipped)]).reshape(2, 3, 6)
    change = both - torch.stack([margin(rows), margin(-rows)])[..., None]
    alone = (change / 2).square().mean((0, 1)).sqrt()
    for (unit,), effect in ((s, c) for s, c in found.as_dict().items() if len(s) == 1):
        assert effect == pytest.approx(float(alone[unit]), rel=1e-4)


def test_units_alone_are_reported_beside_sets_or_not() -> None:
    problem = parity_sum({(0, 1): 1.0, (2,): -0.4}, 5)
    assert attribute("archdetect", problem).as_dict() == pytest.approx({(0, 1): 1, (2,): 0.4})
    again = restarted(problem, budget=1000, seed=0)
    assert attribute("archdetect", again, singles=False).subsets == ((0, 1),)
    linear = Problem.from_function(lambda x: x @ torch.tensor([1.0, -2.0, 0.0]), 3)
    assert attribute("archdetect", linear).as_dict() == pytest.approx({(0,): 1.0, (1,): 2.0})


def test_of_interchange_units_the_states_are_the_row_and_the_baseline() -> None:
    activations = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    from actspec_bench.problems.kinds import interchange

    source = interchange(
        lambda x: x[:, 0] * x[:, 1], activations, readout="margin", foreground=activations[:32]
    )
    found = attribute("archdetect", Problem(source, budget=22), pairs=1, singles=False)
    h = activations[0] - source.baseline
    assert found.as_dict() == pytest.approx({(0, 1): float((h[0] * h[1]).abs()) / 4}, rel=1e-4)


def test_with_little_budget_pairs_are_of_the_units_that_change_most_alone() -> None:
    terms = {(3, 40): 1.0, (7, 11, 60): 0.8}
    problem = restarted(parity_sum(terms, 64), budget=2 * 65 + 9 * 8, seed=0)
    found = attribute("archdetect", problem)
    assert found.as_dict() == pytest.approx(terms, abs=1e-6)
    assert len(found.info["units_paired"]) == 9
    assert {3, 40, 7, 11, 60} <= set(found.info["units_paired"])


def test_noise_and_true_sets_are_told_apart_without_being_told_how_many() -> None:
    for seed in range(3):
        problem, truth = planted("planted-parity[noise=0.05]", seed, 10_000)
        found = attribute("archdetect", problem)
        assert set(found.subsets[:5]) == set(truth.spectrum)
        assert len(found.subsets) <= 6
    reported = 0
    for seed in range(40):
        noise = restarted(built("planted-nothing[n=16]", seed).problem, budget=600, seed=seed)
        found = attribute("archdetect", noise)
        reported += bool(found.subsets)
        assert found.subsets or "noise" in found.info["reason"]
    assert reported <= 8


def test_no_cut_leaves_a_sprawling_group() -> None:
    chain = np.array([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 5, 2]])
    # Three of six units are no more than half; four are, until all six of their pairs are there.
    assert telling(chain, 6).tolist() == [True, True, False, False, False, False]
    clique = np.array(list(combinations(range(4), 2))).T
    assert telling(clique, 6).tolist() == [True, True, False, False, False, True]
    dense, _ = planted("digits-hidden", 0, 10_000)
    found = attribute("archdetect", dense)
    assert max(map(len, found.subsets)) <= 32


def test_too_few_units_or_rows_are_told() -> None:
    two = Problem.from_function(lambda x: x[:, 0] * x[:, 1], 2)
    assert attribute("archdetect", two).subsets == ((0, 1),)
    with pytest.raises(NotApplicable, match="of two units there is one"):
        attribute("archdetect", two, pairs=1)
    with pytest.raises(NotApplicable, match="one pair in two contexts costs 16 rows"):
        attribute("archdetect", restarted(parity_sum({(0, 1): 1.0}, 6), budget=15, seed=0))
