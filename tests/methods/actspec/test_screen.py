"""Which units the influence screen keeps."""

from __future__ import annotations

import numpy as np
import torch
from scoring import planted

from actspec_bench import Problem
from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.methods.actspec.screen import BASES, Screen, screen
from actspec_bench.problems.views import restarted


def screened(problem: Problem, units: list[int]) -> Screen:
    return screen(Queries(problem), units, problem.sample(1000))


def test_the_screen_keeps_what_matters_and_drops_the_rest() -> None:
    for seed in range(10):
        problem, truth = planted("planted-parity[n=128,noise=0.05,readout=margin]", seed, 4000)
        result = screened(problem, list(range(128)))
        assert set(np.flatnonzero(truth.relevant()).tolist()) <= set(result.units)
        assert len(result.units) < 40
        assert result.doubtful == 0


def test_bisection_finds_units_whose_own_flips_hardly_ever_change_the_value() -> None:
    """The last unit counts in one pattern of four only, and two flips a unit seldom meet it."""

    def rare(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] + 2 * (x[:, 5:7] > 0).all(1) * x[:, 20]

    kept = 0
    for seed in range(10):
        problem = restarted(Problem.from_function(rare, 200), budget=6000, seed=seed)
        result = screened(problem, list(range(200)))
        kept += {0, 5, 6, 20} <= set(result.units)
        assert len(result.units) < 60
    assert kept >= 8


def test_noise_that_would_hide_a_change_keeps_every_unit() -> None:
    problem, _ = planted("planted-nothing", 0, 2000)
    result = screened(problem, list(range(64)))
    assert (result.units, result.influence, result.doubtful) == (list(range(64)), {}, 64)
    assert problem.remaining == 2000 - 2 * BASES


def test_rare_noise_on_a_constant_keeps_every_unit() -> None:
    """The first values are all 0, and one of them is not when they are asked again."""
    calls = 0

    def seldom(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros(len(x)).index_fill(0, torch.tensor([0]), float(calls == 2))

    result = screened(Problem.from_function(seldom, 12, budget=2000), list(range(12)))
    assert (result.units, result.influence) == (list(range(12)), {})
