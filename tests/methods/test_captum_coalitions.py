"""Values of coalitions -> Shapley values and LIME: exact, against enumeration and Captum."""

from __future__ import annotations

from itertools import permutations
from math import comb

import captum.attr
import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from scoring import TERMS, built, parity_sum, planted
from sklearn.linear_model import Ridge
from torch import Tensor

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.methods.attributing.coalitions import (
    coalition_values,
    exact_shapley,
    proximity,
    ridge,
    shapley_kernel,
    shapley_kernel_draws,
    shapley_regression,
)
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.views import restarted


def values_of(function, rows: Tensor, baseline: Tensor, coalitions: Tensor) -> Tensor:
    return coalition_values(function, rows, baseline, coalitions, at_a_time=7)


def bent(n: int):
    weights = torch.randn(3, n, generator=torch.Generator().manual_seed(n))
    return lambda x: torch.tanh(x @ weights[0]) * (x @ weights[1]).relu() + x @ weights[2]


def random_rows(rows: int, n: int) -> Tensor:
    return torch.randn(rows, n, generator=torch.Generator().manual_seed(7))


def by_orders(function, row: Tensor, baseline: Tensor) -> np.ndarray:
    """Mean change that a unit makes as it comes in, over all orders."""
    n = len(row)
    total, orders = np.zeros(n), list(permutations(range(n)))
    for order in orders:
        x = baseline.repeat(n + 1, 1)
        for step, unit in enumerate(order):
            x[step + 1 :, unit] = row[unit]
        total[list(order)] += np.diff(function(x).numpy())
    return total / len(orders)


def test_values_of_coalitions_have_the_other_units_at_the_baseline() -> None:
    rows, baseline = random_rows(3, 4), torch.tensor([9.0, 8.0, 7.0, 6.0])
    coalitions = all_patterns(4) > 0
    got = values_of(
        lambda x: x @ torch.tensor([1.0, 10.0, 100.0, 1000.0]), rows, baseline, coalitions
    )
    for r, row in enumerate(rows):
        for c, coalition in enumerate(coalitions):
            x = [float(row[i] if coalition[i] else baseline[i]) for i in range(4)]
            assert float(got[r, c]) == pytest.approx(sum(v * 10**i for i, v in enumerate(x)))


def test_exact_values_are_those_of_all_orders_and_of_captum() -> None:
    n, f = 5, bent(5)
    rows, baseline = random_rows(4, n), torch.full((n,), 0.3)
    exact = exact_shapley(values_of(f, rows, baseline, all_patterns(n) > 0))
    expected = np.stack([by_orders(f, row, baseline) for row in rows])
    assert exact.numpy() == pytest.approx(expected, abs=1e-6)
    direct = captum.attr.ShapleyValues(f).attribute(rows, baselines=baseline[None])
    assert exact.numpy() == pytest.approx(direct.numpy(), abs=1e-5)


def test_the_method_is_exact_complete_and_gives_exactly_nothing_to_a_dummy() -> None:
    problem = parity_sum({(0, 3): 1.0, (1,): -0.75, (2, 3): 0.5, (0, 1, 2): 0.3}, 5)
    told = attribute("shapley-values", problem)
    view = restarted(problem, budget=10**6, seed=0)
    orders = [by_orders(view.margin, row, view.baseline) for row in view.foreground]
    assert told.units(5) == pytest.approx(np.abs(orders).mean(0), abs=1e-6)
    assert 4 not in {subset[0] for subset in told.subsets}
    assert told.info == {"rows": 32}
    assert problem.spent == {"forward": 32 * 32, "backward": 0}


def test_the_method_takes_the_rows_that_the_budget_has_and_says_what_it_lacks() -> None:
    problem = parity_sum(TERMS, 12)
    assert attribute("shapley-values", problem).info == {"rows": 2}
    with pytest.raises(NotApplicable, match="one row costs 16,384 queries"):
        attribute("shapley-values", parity_sum(TERMS, 14))
    with pytest.raises(NotApplicable, match="n must be at most 20"):
        attribute("shapley-values", parity_sum(TERMS, 21))


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_regression_on_all_coalitions_gives_the_shapley_values(n: int) -> None:
    """Lundberg & Lee 2017, theorem 2."""
    f, rows, baseline = bent(n), random_rows(3, n), torch.zeros(n)
    every = all_patterns(n) > 0
    values = values_of(f, rows, baseline, every)
    inner, none, whole = every[1:-1], values[:, -1], values[:, 0]
    weights = shapley_kernel(inner)
    assert weights.numpy() == pytest.approx(
        [(n - 1) / (comb(n, s) * s * (n - s)) for s in inner.sum(1).tolist()]
    )
    got = shapley_regression(inner, weights, values[:, 1:-1] - none[:, None], whole - none)
    assert torch.allclose(got, exact_shapley(values), atol=1e-8)


def test_kernel_shap_is_exact_where_all_coalitions_fit() -> None:
    for n in (1, 2, 5, 7):
        function = Problem.from_function(bent(n), n, budget=10_000)
        told = attribute("kernel-shap", function)
        exact = attribute("shapley-values", Problem.from_function(bent(n), n))
        assert told.units(n) == pytest.approx(exact.units(n), abs=1e-6)
        assert told.info == {"rows": 32, "samples": 2**n - 2}
        assert function.spent["forward"] == 1 + 32 * (2**n - 1)


def test_the_regression_is_that_of_captum_on_the_same_coalitions() -> None:
    n, f = 8, bent(8)
    row, baseline = random_rows(1, n), torch.full((n,), -0.2)
    asked: list[Tensor] = []

    def listening(x: Tensor) -> Tensor:
        asked.append(x)
        return f(x)

    torch.manual_seed(0)
    direct = captum.attr.KernelShap(listening).attribute(
        row, baselines=baseline[None], n_samples=120
    )
    seen = torch.cat(asked)
    coalitions = (seen == row)[2:]  # after all units and none
    values = f(seen).double()
    gains = (values[2:] - values[1])[None]
    got = shapley_regression(coalitions, torch.ones(118), gains, (values[:1] - values[1]))
    assert got.numpy() == pytest.approx(direct.numpy(), abs=2e-3)


def test_kernel_shap_agrees_with_exact_values_better_the_more_it_asks() -> None:
    function = masked(bent(12), 12, readout="margin")
    exact = attribute("shapley-values", Problem(function, budget=5000)).units(12)
    errors = []
    for budget in (100, 800, 3000, 4096):
        told = [
            attribute("kernel-shap", Problem(function, budget=budget, seed=seed)).units(12)
            for seed in range(5)
        ]
        errors.append(float(np.abs(np.array(told) - exact).mean()))
    assert errors[0] > 2 * errors[1] > 2 * errors[2]
    assert errors[3] < 1e-6


def test_draws_have_the_kernel_s_sizes_and_come_with_their_complements() -> None:
    n = 9
    drawn = shapley_kernel_draws(n, 40_000, torch.Generator().manual_seed(0))
    assert torch.equal(drawn[0::2], ~drawn[1::2])
    sizes = np.bincount(drawn.sum(1), minlength=n + 1)[1:n] / len(drawn)
    chances = np.array([1 / (s * (n - s)) for s in range(1, n)])
    assert sizes == pytest.approx(chances / chances.sum(), abs=0.01)
    assert drawn.float().mean(0).numpy() == pytest.approx(0.5, abs=1e-6)
    assert len(shapley_kernel_draws(5, 7, torch.Generator())) == 7


@pytest.mark.parametrize("n", [12, 64])
def test_of_an_additive_game_five_coalitions_a_unit_give_its_values_exactly(n: int) -> None:
    shares = torch.randn(1, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    drawn = shapley_kernel_draws(n, 5 * n, torch.Generator().manual_seed(0))
    gains = shares @ drawn.double().T
    got = shapley_regression(drawn, torch.ones(len(drawn)), gains, shares.sum(1))
    assert got.numpy() == pytest.approx(shares.numpy(), abs=1e-9)


def test_few_coalitions_do_not_blow_the_regression_up() -> None:
    """At 2 n coalitions in pairs least squares is off by several times the values."""
    problem = built("digits-hidden").problem
    truth = attribute("shapley-sampling", restarted(problem, budget=64 * 32 * 40, seed=0)).units(64)
    for samples in (66, 128, 160):
        short = restarted(problem, budget=samples + 2, seed=1)
        told = attribute("kernel-shap", short)
        assert told.info["rows"] == 1
        assert told.units(64).max() < 5 * truth.max()


def test_ridge_is_that_of_scikit_learn_and_lime_that_of_captum_with_the_same_samples() -> None:
    n, f = 7, bent(7)
    rows, baseline = random_rows(2, n), torch.zeros(n)
    coalitions = torch.rand(60, n, generator=torch.Generator().manual_seed(3)) < 0.5
    weights = proximity(coalitions, 0.75 * n**0.5)
    values = values_of(f, rows, baseline, coalitions)
    got = ridge(coalitions, weights, values, 1.0)
    for row, own, coefficients in zip(rows, values, got, strict=True):
        model = Ridge(alpha=1.0).fit(coalitions.double(), own, sample_weight=weights)
        assert coefficients.numpy() == pytest.approx(model.coef_, abs=1e-8)

        def samples(*_, **__):
            yield from coalitions[:, None].long()

        def similarity(_row, _perturbed, on: Tensor, **_) -> Tensor:
            return (-(1 - on).sum() / (2 * 0.75**2 * n)).exp()

        lime = captum.attr.Lime(f, SkLearnRidge(alpha=1.0), similarity, samples)
        direct = lime.attribute(row[None], baselines=baseline[None], n_samples=60)
        assert coefficients.numpy() == pytest.approx(direct[0].numpy(), abs=1e-4)


@pytest.mark.parametrize("name", ["kernel-shap", "lime"])
def test_a_linear_function_gives_its_weights(name: str) -> None:
    weights = torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0, 0.25])
    problem = Problem.from_function(lambda x: x @ weights + 2, 6)
    slack = 1e-6 if name == "kernel-shap" else 0.1  # the penalty of one on 300 samples
    assert attribute(name, problem).units(6) == pytest.approx(weights.abs().numpy(), abs=slack)
    part = Problem(masked(lambda x: x[:, 0] * x[:, 1], 2, readout="margin"), budget=4)
    if name == "kernel-shap":
        assert attribute(name, part).units(2) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize(("name", "once", "each"), [("kernel-shap", 1, 1), ("lime", 0, 0)])
def test_rows_give_way_to_samples(name: str, once: int, each: int) -> None:
    for budget in (66, 67, 700, 10_000):
        problem, _ = planted("digits-hidden", 0, budget)
        info = attribute(name, problem).info
        assert sum(problem.spent.values()) == once + info["rows"] * (each + info["samples"])
        assert budget - sum(problem.spent.values()) < info["rows"] + once
        assert info["samples"] >= 320 or info["rows"] == 1
    problem, _ = planted("digits-hidden", 0, 65)
    with pytest.raises(NotApplicable, match="needs 66 samples, and 65"):
        attribute(name, problem)
