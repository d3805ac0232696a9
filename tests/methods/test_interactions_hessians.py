"""Integrated Hessians against closed forms, second derivatives and completeness."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scoring import parity_sum, planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.interacting.hessians import hessians_along, log_rule
from actspec_bench.problems.explaining import spread_rows
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("points", [1, 2, 4, 9, 32])
def test_the_rule_has_the_moments_of_the_logarithm(points: int) -> None:
    nodes, weights = log_rule(points)
    assert len(nodes) == points
    assert (nodes > 0).all()
    assert (nodes < 1).all()
    for k in range(2 * points):
        # The integral of t^k (-ln t) over [0, 1].
        assert (weights * nodes**k).sum() == pytest.approx(1 / (k + 1) ** 2, rel=1e-11)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_a_product_of_k_units_is_spread_evenly_over_k_squared_entries(order: int) -> None:
    subset = tuple(range(order))
    found = attribute("integrated-hessians", parity_sum({subset: -1.5}, 7)).as_dict()
    expected = {(i,): 1.5 / order**2 for i in subset}
    expected |= {(i, j): 3 / order**2 for i in subset for j in subset if i < j}
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_signed_mean_keeps_the_sign_and_adds_up_to_the_change_from_the_baseline() -> None:
    terms = {(0, 3): 1.0, (1,): -0.75, (2, 4, 5): 0.5, (0, 1, 2, 3, 4): 0.7}
    problem = parity_sum(terms, 6)
    found = attribute("integrated-hessians", problem, aggregate="mean")
    rows = spread_rows(problem.foreground, found.info["rows"])
    change = problem.value(rows).mean() - problem.value(problem.baseline[None])[0]
    assert sum(found.as_dict().values()) == pytest.approx(float(change), abs=1e-5)
    assert found.info["unaccounted"] < 1e-5
    assert "warnings" not in found.info


def smooth(seed: int) -> Problem:
    torch.manual_seed(seed)
    hidden = torch.nn.Linear(5, 8)
    model = torch.nn.Sequential(torch.nn.Identity(), hidden, torch.nn.Tanh(), torch.nn.Linear(8, 2))
    inputs = torch.randn(200, 5)
    return Problem.from_module(
        model, layer="0", inputs=inputs, target=1, readout="margin", budget=40_000
    )


def test_of_a_smooth_network_it_is_what_second_derivatives_give() -> None:
    """The paper's own double integral over alpha and beta, by midpoints."""
    source = smooth(0)._source
    row, baseline = source.foreground[0], source.baseline
    few = Problem(replace(source, foreground=row[None]), budget=3000)
    found = attribute("integrated-hessians", few, step=0.02, aggregate="mean").as_dict()
    h = row - baseline
    expected = torch.zeros(5, 5)
    middles = (torch.arange(20) + 0.5) / 20

    def margin(x: torch.Tensor) -> torch.Tensor:
        return source.margin(x[None])[0]

    for a in middles:
        for b in middles:
            x = baseline + a * b * h
            hessian = torch.autograd.functional.hessian(margin, x)
            slope = torch.autograd.functional.jacobian(margin, x)
            expected += (a * b * h[:, None] * h * hessian + torch.diag(h * slope)) / 20**2
    for i in range(5):
        assert found[i,] == pytest.approx(float(expected[i, i]), abs=0.005)
        for j in range(i + 1, 5):
            assert found[i, j] == pytest.approx(2 * float(expected[i, j]), abs=0.005)


def test_hessians_are_symmetric_and_those_of_autograd() -> None:
    problem = smooth(3)
    x = problem.foreground[:3]
    step = torch.full((5,), 1e-2)
    slope, curve = hessians_along(problem, x, torch.arange(5), step)
    source = problem._source.margin
    for row, at, bend in zip(x, slope, curve, strict=True):
        exact = torch.autograd.functional.hessian(lambda z: source(z[None])[0], row)
        gradient = torch.autograd.functional.jacobian(lambda z: source(z[None])[0], row)
        assert torch.allclose(bend.float(), exact, atol=2e-3)
        assert torch.allclose(at.float(), gradient, atol=1e-5)
        assert torch.equal(bend, bend.T)


def test_it_says_when_the_entries_miss_the_change() -> None:
    kinked, _ = planted("digits-hidden", 0, 10_000)
    found = attribute("integrated-hessians", kinked, step=0.1)
    assert found.info["unaccounted"] > 0.1
    assert "miss the change" in found.info["warnings"][0]


def test_what_is_left_goes_into_points_and_too_little_is_told() -> None:
    problem = restarted(parity_sum({(0, 1): 1.0}, 6), budget=26 + 2, seed=0)
    found = attribute("integrated-hessians", problem)
    assert (found.info["rows"], found.info["points"]) == (1, 1)
    assert sum(problem.spent.values()) == 28
    problem = restarted(parity_sum({(0, 1): 1.0}, 6), budget=50_000, seed=0)
    assert attribute("integrated-hessians", problem).info["points"] == 32
    with pytest.raises(NotApplicable, match="one point of one row costs 28 rows and 27"):
        attribute("integrated-hessians", restarted(problem, budget=27, seed=0))
