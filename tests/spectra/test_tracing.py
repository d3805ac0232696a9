"""Tracing: classes of inputs and joint tables against counting one row at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from scoring import parity_sum, rng

from actspec_bench import Problem
from actspec_bench.problems.inputs import DataInputs
from actspec_bench.problems.kinds import interchange
from actspec_bench.spectra.tracing import mean_images, traced

ROWS = 300


@pytest.fixture
def inputs() -> DataInputs:
    """Images whose mean is the first unit's activation, which is often exactly off."""
    draw = rng(0)
    x = torch.from_numpy(draw.standard_normal((ROWS, 4)).clip(0)).float()
    return DataInputs(x, torch.from_numpy(draw.random((ROWS, 3, 2))).float())


def problem_of(readout: str) -> Problem:
    return parity_sum({(0,): 0.2, (1, 2): 1.0}, 4, readout=readout)


@pytest.mark.parametrize("readout", ["margin", "decision"])
def test_the_joint_table_is_what_counting_gives(inputs: DataInputs, readout: str) -> None:
    problem = problem_of(readout)
    (told,) = traced({(1, 2): 1.0}, problem, inputs)
    values = problem.value(inputs.activations).numpy()
    on = np.where(inputs.activations.numpy() > 0, 1, -1)
    assert told.of == "inputs"
    assert sorted(row.states for row in told.table) == sorted(product((-1, 1), repeat=2))
    assert [row.share for row in told.table] == sorted((r.share for r in told.table), reverse=True)
    for row in told.table:
        there = [r for r in range(ROWS) if tuple(on[r, [1, 2]]) == row.states]
        assert row.share == len(there) / ROWS
        assert row.mean is not None
        assert row.mean.value == pytest.approx(values[there].mean(), abs=1e-6)
        assert row.mean.low < row.mean.value <= row.mean.high + 1e-12
    for side in told.sides:
        there = [r for r in range(ROWS) if on[r, 1] * on[r, 2] == side.character]
        assert (side.rows, side.share) == (len(there), len(there) / ROWS)


def test_the_strongest_examples_are_furthest_from_the_thresholds(inputs: DataInputs) -> None:
    problem = problem_of("margin")
    (told,) = traced({(1, 2): -0.5}, problem, inputs, strongest=ROWS)
    x = inputs.activations
    far = (x / x.std(0))[:, [1, 2]].sum(1)
    margins = problem.margin(x)
    for side in told.sides:
        rows = list(side.strongest)
        assert len(rows) == side.rows
        assert (far[rows].diff() <= 1e-5).all()
        tied = [r for r in rows if far[r] == 0]
        # A negative coefficient: character +1 goes with low margins.
        assert (side.character * margins[tied].diff() >= 0).all()
        assert side.character == -1 or len(tied) > 10


def test_mean_images_are_those_of_the_classes(inputs: DataInputs) -> None:
    told = traced({(1, 2): 1.0, (3,): 1.0}, problem_of("margin"), inputs)
    pattern = torch.where(inputs.activations > 0, 1.0, -1.0)
    assert isinstance(inputs.originals, torch.Tensor)
    means = mean_images(told, inputs.originals, pattern)
    on = pattern[:, 3].numpy() > 0
    assert means[1, 0] == pytest.approx(inputs.originals.numpy()[on].mean(0), abs=1e-6)
    assert means[1, 1] == pytest.approx(inputs.originals.numpy()[~on].mean(0), abs=1e-6)
    always = mean_images(told, inputs.originals, torch.ones_like(pattern))
    assert np.isnan(always[:, 1]).all()


def test_without_inputs_draws_are_traced_and_none_is_named() -> None:
    (told,) = traced({(1, 2): 1.0}, problem_of("margin"))
    assert (told.of, told.rows) == ("fresh draws", 16_384)
    assert all(side.strongest == () for side in told.sides)
    for row in told.table:
        assert row.share == pytest.approx(0.25, abs=0.02)
        assert row.mean is not None
        # Four standard errors of a mean of +-0.2 over about 4,096 draws.
        assert row.mean.value == pytest.approx(np.prod(row.states), abs=4 * 0.2 / 64)
        assert row.mean.high - row.mean.low == pytest.approx(2 * 1.96 * 0.2 / 64, rel=0.05)


def test_the_interval_of_a_mean_decision_is_wilsons() -> None:
    problem = problem_of("decision")
    (told,) = traced({(1, 2): 1.0}, problem)
    for row in told.table:
        assert row.mean is not None
        rows = round(row.share * told.rows)
        test = binomtest(round(rows * (row.mean.value + 1) / 2), rows)
        low, high = test.proportion_ci(method="wilson")
        assert (row.mean.low, row.mean.high) == pytest.approx((2 * low - 1, 2 * high - 1))
        assert row.mean.high - row.mean.low > 1e-4


def test_held_out_inputs_are_counted_and_those_behind_the_problem_named(inputs: DataInputs) -> None:
    x = inputs.activations
    held = torch.from_numpy(rng(5).standard_normal((90, 4)).clip(0)).float()
    source = interchange(lambda a: a[:, 0], x, readout="margin", foreground=x[:8], heldout=held)
    (told,) = traced({(1,): 1.0}, Problem(source), inputs)
    assert (told.of, told.rows) == ("held-out inputs", 90)
    first, second = told.sides
    there = held[:, 1] > 0
    assert (first.rows, second.rows) == (int(there.sum()), int((~there).sum()))
    assert first.mean is not None
    assert first.mean.value == pytest.approx(float(held[there, 0].mean()), abs=1e-6)
    assert first.strongest == tuple(x[:, 1].argsort(descending=True)[:6].tolist())
    assert len(second.strongest) == 6
    assert (x[list(second.strongest), 1] == 0).all()
