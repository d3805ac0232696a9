"""Shapley values by permutations: their formula, Captum's numbers, and each row's own orders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum

from actspec_bench import NotApplicable, attribute
from actspec_bench.methods.attributing.coalitions import shapley_by_orders
from actspec_bench.problems.views import restarted

N = 6
ROWS = torch.randn(4, N, generator=torch.Generator().manual_seed(0))
BASELINE = torch.linspace(-1, 1, N)


def function(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 0] * x[:, 1] + x[:, 2]).tanh() + x[:, 3] * x[:, 4] * x[:, 5]


def by_orders(orders: torch.Tensor, at_a_time: int = 7) -> torch.Tensor:
    return shapley_by_orders(
        function, ROWS, BASELINE, orders, function(BASELINE[None]), at_a_time=at_a_time
    )


def test_contributions_are_the_changes_as_units_come_in() -> None:
    orders = torch.rand(4, 3, N, generator=torch.Generator().manual_seed(1)).argsort(2)
    expected = torch.zeros(4, N, dtype=torch.float64)
    for row in range(4):
        for order in orders[row]:
            x = BASELINE.clone()
            for unit in order:
                before = function(x[None])[0]
                x[unit] = ROWS[row, unit]
                expected[row, unit] += (function(x[None])[0] - before).double() / 3
    for at_a_time in (1, 7, 1000):
        torch.testing.assert_close(by_orders(orders, at_a_time), expected, rtol=0, atol=1e-6)


def test_of_the_same_permutations_captum_has_the_same_numbers() -> None:
    captum = pytest.importorskip("captum.attr")
    for row in range(len(ROWS)):
        torch.manual_seed(row)
        theirs = captum.ShapleyValueSampling(function).attribute(
            ROWS[row : row + 1], baselines=BASELINE[None], n_samples=5
        )
        torch.manual_seed(row)
        orders = torch.stack([torch.randperm(N) for _ in range(5)])
        ours = by_orders(orders.expand(4, -1, -1))[row]
        torch.testing.assert_close(ours.float(), theirs[0], rtol=0, atol=1e-5)


def test_each_row_has_permutations_of_its_own() -> None:
    """The noise of few permutations averages out over rows, which it would not if they shared."""
    terms = {(0, 1): 1.0, (2, 3): 1.0, (4, 5): 1.0}
    errors = []
    for seed in range(40):
        problem = restarted(parity_sum(terms, N), budget=1 + 32 * (1 + (N - 1)), seed=seed)
        found = attribute("shapley-sampling", problem, permutations=1)
        assert found.info["permutations"] == 1
        errors.append(found.units(N) - 0.5)
    # Of a product the unit that comes second has all of it: 0 or 1 a row, a half on average.
    assert np.std(errors) == pytest.approx(0.5 / 32**0.5, rel=0.2)


def test_a_budget_below_one_order_of_one_row_is_refused() -> None:
    with pytest.raises(NotApplicable, match="one order of 8 units costs 9 rows"):
        attribute("shapley-sampling", restarted(parity_sum(TERMS, 8), budget=8, seed=0))
    problem = restarted(parity_sum(TERMS, 8), budget=9, seed=0)
    attribute("shapley-sampling", problem)
    assert problem.remaining == 0
    single = restarted(parity_sum({(0,): 2.0}, 1), budget=5, seed=0)
    assert attribute("shapley-sampling", single).units(1) == pytest.approx([2.0])
