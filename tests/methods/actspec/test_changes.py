"""From two rows with different values to the units that make the difference."""

from __future__ import annotations

import pytest
import torch
from scoring import random_patterns

from actspec_bench import Problem
from actspec_bench.methods.actspec import changes
from actspec_bench.methods.actspec.queries import Queries


def conjunction(x: torch.Tensor) -> torch.Tensor:
    return (x[:, [3, 7, 20]] > 0).all(1).float()


def pairs(queries: Queries, low: torch.Tensor, high: torch.Tensor) -> changes.Pairs:
    values = queries.ask(torch.cat([low, high]), len(low) * 2)
    at_low, at_high = values.split(len(low))
    return changes.Pairs(low, high, at_low, at_high, torch.arange(len(low)))


def test_bisection_ends_at_a_unit_that_matters_and_flips_tell_the_others() -> None:
    """Where all three units are on each of them matters: one pair tells them all."""
    problem = Problem.from_function(conjunction, 32)
    queries = Queries(problem)
    low = random_patterns(1, 32, seed=1)
    low[0, [3, 7, 20]] = -1.0
    high = -low
    drawn = pairs(queries, low, high)
    assert drawn.changed(0.5, 5).low.equal(low)
    assert not len(drawn.changed(0.5, 0).low)
    rest = list(range(32))
    alone = changes.bisected(queries, drawn, rest, changes.steps_of(rest), problem.sample(50))
    assert len(alone) == 1
    assert set(alone) < {3, 7, 20}
    before = problem.remaining
    found = changes.bisected(queries, drawn, rest, 1000, problem.sample(50))
    assert sorted(found) == [3, 7, 20]
    assert before - problem.remaining == 5 + 1 + 2 * 32  # halvings, the other side, flips


def test_every_flipped_row_differs_in_its_unit_alone() -> None:
    problem = Problem.from_function(conjunction, 32)
    base = random_patterns(4, 32, seed=2)
    rows = changes.flipped(Queries(problem), base, [5, 9], problem.sample(60)).reshape(4, 2, 32)
    for at, unit in enumerate((5, 9)):
        expected = base.clone()
        expected[:, unit] *= -1
        assert rows[:, at].equal(expected)


def test_the_threshold_rises_with_the_looks_taken_at_noise() -> None:
    queries = Queries(Problem.from_function(conjunction, 32))
    queries.noise, queries.noise_freedom = 0.5, 32
    assert changes.threshold(queries, 1) == pytest.approx(changes.CHANGE_Z)
    looks = 2000
    noise = torch.randn(looks, 200, generator=torch.Generator().manual_seed(0))
    passed = (noise.abs() > changes.threshold(queries, looks)).any(0)
    assert passed.float().mean() < 0.05
