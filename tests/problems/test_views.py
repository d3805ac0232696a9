"""What scores and energies are estimated on, and other samples of a problem's inputs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scoring import parity_sum, rng

from actspec_bench import Problem
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.source import Empirical
from actspec_bench.problems.views import ScoringView, resampled


def layer(rows: int, heldout: int | None, readout: str = "decision") -> Problem:
    x = torch.from_numpy(rng(0).standard_normal((rows + (heldout or 0), 3))).float()
    source = interchange(
        lambda a: a.sum(1), x[:rows], readout=readout, foreground=x[:4],
        heldout=None if heldout is None else x[rows:],
    )  # fmt: skip
    return Problem(source)


def test_held_out_inputs_are_looked_at_once_each() -> None:
    problem = layer(200, 50)
    view = ScoringView(problem, 0)
    scored = view.scored_rows(1000)
    held = problem._source.heldout
    assert isinstance(held, Empirical)
    assert scored.of == "held-out inputs"
    assert torch.equal(scored.rows, held.rows)
    assert torch.equal(scored.margins, held.rows.sum(1))
    assert torch.equal(scored.values, torch.where(held.rows.sum(1) >= 0, 1.0, -1.0))
    some = ScoringView(problem, 1).scored_rows(20).rows
    assert len(torch.unique(some, dim=0)) == 20
    assert problem.spent["forward"] == 0


def test_where_nothing_is_kept_aside_it_is_said() -> None:
    assert ScoringView(layer(60, None), 0).scored_rows(99).of == "inputs"
    aside = ScoringView(layer(100, None), 0).scored_rows(99)
    assert (aside.of, len(aside.rows)) == ("held-out inputs", 25)
    drawn = ScoringView(parity_sum({(0,): 1.0}, 4), 0).scored_rows(99)
    assert (drawn.of, drawn.rows.shape) == ("fresh draws", (99, 4))


def test_given_rows_have_their_own_values() -> None:
    x = torch.tensor([[1.0], [-1.0]]).repeat(10, 1)
    y = torch.arange(20.0)
    view = ScoringView(Problem.from_samples(x, y, heldout=(x, y)), 0)
    assert view.scored_rows(20).values.tolist() == y.tolist()
    assert view.value(x[:2]).tolist() == [9, 10]


def test_another_sample_of_the_inputs_is_drawn_from_them() -> None:
    x, y = torch.arange(200.0)[:, None], torch.arange(200.0) * 2
    problem = Problem.from_samples(x, y)
    assert problem.rows is not None
    other = resampled(problem, 1)
    assert other.rows is not None
    assert other.rows.shape == problem.rows.shape
    assert set(other.rows.ravel().tolist()) < set(problem.rows.ravel().tolist())
    # Of 150 inputs 1 - 1/e are expected among 150 draws.
    assert len(other.rows.unique()) == pytest.approx(95, abs=15)
    assert other.value_of_rows(torch.arange(150)).tolist() == (2 * other.rows[:, 0]).tolist()
    again = resampled(problem, 1).rows
    assert again is not None
    assert torch.equal(again, other.rows)
    before, after = (ScoringView(p, 0).scored_rows(99) for p in (problem, other))
    assert torch.equal(before.rows, after.rows)
    assert len(problem.rows) == 150
    drawn = parity_sum({(0,): 1.0}, 4)
    assert resampled(drawn, 1) is drawn
    made = Problem(replace(drawn._source, heldout=drawn._source.sampler))
    assert ScoringView(made, 0).scored_rows(9).of == "fresh draws"
