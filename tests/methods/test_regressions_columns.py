"""Columns that are never written out against columns written out; what rows are regressed on."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns

from actspec_bench import NotApplicable, Problem
from actspec_bench.methods.regressing.columns import (
    MOST_COLUMNS,
    Listed,
    columns,
    largest_order,
)
from actspec_bench.methods.regressing.observed import observed
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("biased", [False, True])
def test_sums_and_correlations_are_those_of_written_columns(order: int, biased: bool) -> None:
    pattern = random_patterns(300, 6)
    pattern[:, 1] = torch.where(random_patterns(300, 2, 1).sum(1) > -2, 1.0, -1.0)
    pattern[:, 4] = 1.0
    y = torch.from_numpy(np.random.default_rng(1).standard_normal(300))
    over = columns(pattern, y, order, biased=biased)
    varying = [0, 1, 2, 3, 5]
    expected = [s for k in range(1, order + 1) for s in combinations(varying, k)]
    assert [over.subset(at) for at in range(len(over))] == expected
    x = pattern.double().numpy()
    if biased:
        x = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    written = np.stack([x[:, list(s)].prod(1) for s in expected], axis=1)
    assert over.sums(y).numpy() == pytest.approx(y.numpy() @ written, abs=1e-3)
    assert over.deviation.numpy() == pytest.approx(written.std(0), abs=1e-5)
    centred = y - y.mean()
    found = over.correlations(centred).numpy()
    each = [np.corrcoef(c, y)[0, 1] * float(y.std(correction=0)) for c in written.T]
    assert found == pytest.approx(each, abs=1e-4)
    for at in (0, len(over) - 1):
        assert over.column(at).numpy() == pytest.approx(written[:, at] - written[:, at].mean())


def test_a_list_of_subsets_is_as_the_columns_are() -> None:
    pattern = random_patterns(200, 5)
    y = torch.from_numpy(np.random.default_rng(2).standard_normal(200))
    over = columns(pattern, y, 2)
    listed = Listed(pattern, [over.subset(at) for at in range(len(over))])
    assert len(listed) == len(over)
    centred = y - y.mean()
    expected = over.correlations(centred).numpy()
    assert listed.correlations(centred).numpy() == pytest.approx(expected, abs=1e-6)
    column = over.column(7)
    assert listed.column(7).numpy() == pytest.approx((column / column.std(correction=0)).numpy())
    still = Listed(torch.ones(20, 2), [(0,), (0, 1)])
    assert still.correlations(torch.randn(20)).tolist() == [0.0, 0.0]


def test_the_order_is_the_largest_that_fits_and_larger_sets_are_of_the_strongest_units() -> None:
    assert [largest_order(n) for n in (3, 64, 73, 74, 361, 1000)] == [3, 3, 3, 2, 2, 2]
    pattern = random_patterns(120, 500)
    y = pattern[:, 7] + 2 * pattern[:, 450] + pattern[:, 3]
    over = columns(pattern, y, None)
    assert over.order == 2
    assert len(over) <= MOST_COLUMNS
    assert len(over) + len(over.joint) > MOST_COLUMNS
    assert {3, 7, 450} <= set(over.joint)
    assert over.told["units_only_alone"] == sorted(set(range(500)) - set(over.joint))
    assert "units_only_alone" not in columns(pattern[:, :60], y, None).told
    assert columns(pattern, y, 1).order == 1
    # An order that is asked for is screened later: these are all 2,796,416.
    assert len(columns(pattern[:, :256], y, 3)) == 256 + 32_640 + 2_763_520


def test_draws_are_as_many_as_the_budget_and_their_values_the_functions() -> None:
    problem = restarted(parity_sum({(0, 1): 1.0}, 5, readout="decision"), budget=333, seed=1)
    seen = observed(problem, "value")
    assert seen.pattern.shape == (333, 5)
    assert seen.inputs == 333
    assert torch.equal(seen.values, seen.pattern[:, :2].prod(1).double())
    margin = parity_sum({(0, 1): 0.3}, 5, readout="decision")
    assert observed(restarted(margin, budget=50, seed=0), "margin").values.abs().max() < 0.31
    with pytest.raises(NotApplicable, match="19 independent draws"):
        observed(restarted(margin, budget=19, seed=0), "value")


def test_each_input_of_a_data_set_is_asked_once_and_counts_as_often_as_it_is_given() -> None:
    rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([rows, rows[:10], rows[:10]])
    source = interchange(
        lambda x: x[:, 0], rows, readout="margin", foreground=rows[:4], heldout=rows[:1]
    )
    problem = Problem(source, budget=10_000)
    seen = observed(problem, "value")
    assert problem.spent["forward"] == 40
    assert (len(seen.values), seen.inputs) == (60, 40)
    known = {tuple(row.tolist()) for row in (rows > 0)}
    assert {tuple(row.tolist()) for row in (seen.pattern > 0)} == known
    assert torch.equal(seen.values > 0, seen.pattern[:, 0] > 0)
    counts = torch.bincount(seen.input)
    assert sorted(counts.tolist()) == [1] * 30 + [3] * 10
    few = observed(Problem(replace(source), budget=25), "value")
    assert few.inputs == 25
    half = few.part(few.input < 12)
    assert half.inputs == 12


def test_given_rows_are_all_asked_each_with_its_own_value() -> None:
    x = random_patterns(100, 3)
    y = torch.arange(100.0)
    problem = Problem.from_samples(x, y, heldout=(x[:2], y[:2]), inputs=np.arange(100) // 2)
    seen = observed(problem, "value")
    assert sorted(seen.values.tolist()) == y.tolist()
    assert torch.equal(seen.pattern, x[seen.values.long()])
    assert seen.inputs == 50
    pairs = [set(seen.values[seen.input == i].long().tolist()) for i in range(50)]
    assert all(max(p) == min(p) + 1 and min(p) % 2 == 0 for p in pairs)


def test_real_data_sets_are_asked_within_the_budget() -> None:
    problem, _ = planted("digits-hidden", 0, 300)
    seen = observed(problem, "value")
    assert problem.remaining == 0
    assert len(seen.values) == seen.inputs == 300
