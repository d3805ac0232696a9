"""Gradient methods give what their formulas give, and what Captum called directly gives."""

from __future__ import annotations

import captum.attr
import pytest
import torch
from scoring import TERMS, built, parity_sum
from torch import Tensor, nn

from actspec_bench import Attribution, NotApplicable, Problem, attribute
from actspec_bench.problems.kinds import interchange, masked
from actspec_bench.problems.views import restarted

WEIGHTS = torch.tensor([1.0, -2.0, 0.0, 0.5])
GRADIENTS = [
    "saliency",
    "input-x-gradient",
    "integrated-gradients",
    "internal-influence",
    "gradient-shap",
    "smoothgrad",
]


def linear(x: Tensor) -> Tensor:
    return x @ WEIGHTS + 3


def product(x: Tensor) -> Tensor:
    return x[:, 0] * x[:, 1]


def both_on(x: Tensor) -> Tensor:
    return (1 + x[:, 0]) * (1 + x[:, 1]) / 4


def found(name: str, function, **parameters) -> Attribution:
    return attribute(name, Problem.from_function(function, 4), **parameters)


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_linear_function_gives_its_weights(name: str) -> None:
    # Units are -1 or 1, so that a weight times a value is as large as the weight.
    assert found(name, linear).units() == pytest.approx(WEIGHTS.abs().numpy(), abs=0.35)
    assert found(name, linear).units()[2] == 0
    if name != "gradient-shap":
        assert found(name, linear).units() == pytest.approx(WEIGHTS.abs().numpy(), abs=1e-5)


def test_gradient_shap_is_off_a_linear_function_by_the_mean_of_its_draws_alone() -> None:
    problem = Problem.from_function(linear, 4, budget=100_000)
    x = problem.foreground
    signed = attribute("gradient-shap", problem, aggregate="mean").units()
    expected = (WEIGHTS * x.mean(0)).abs().numpy()
    assert signed == pytest.approx(expected, abs=2 * 4 / 1_500**0.5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("saliency", 1.0),
        ("input-x-gradient", 1.0),
        ("integrated-gradients", 0.5),
        ("internal-influence", 0.5),
    ],
)
def test_a_product_is_shared_by_its_factors(name: str, expected: float) -> None:
    assert found(name, product).units() == pytest.approx([expected, expected, 0, 0], abs=1e-5)


def test_the_and_of_two_units_against_its_closed_forms() -> None:
    one, other = Problem.from_function(both_on, 4).foreground[:, :2].T
    expected = {
        "saliency": (1 + other) / 4,
        "input-x-gradient": one * (1 + other) / 4,
        "integrated-gradients": one / 4 + one * other / 8,
        "internal-influence": 1 / 4 + other / 8,
    }
    for name, contribution in expected.items():
        mean = float(contribution.abs().mean())
        assert found(name, both_on).units()[0] == pytest.approx(mean, abs=1e-5), name
        signed = abs(float(contribution.mean()))
        told = found(name, both_on, aggregate="mean").units()[0]
        assert told == pytest.approx(signed, abs=1e-5), name


def test_integrated_gradients_of_parities_split_them_evenly() -> None:
    units = attribute("integrated-gradients", parity_sum(TERMS, 8)).units()
    assert units == pytest.approx([0.5, 0.75, 1 / 6, 0.5, 1 / 6, 1 / 6, 0, 0], abs=1e-5)


def test_kinds_of_smoothgrad_are_moments_of_the_gradient_over_the_noise() -> None:
    """The slope of x^2 at x + noise of deviation 0.3 has mean 2 x and variance 4 * 0.09."""
    for kind, expected in (("smoothgrad", 2.0), ("smoothgrad_sq", 4.36), ("vargrad", 0.36)):
        told = found("smoothgrad", lambda x: x[:, 0] ** 2, kind=kind, noise=0.15)
        assert told.units() == pytest.approx([expected, 0, 0, 0], rel=0.05)
        assert told.info == {"rows": 32, "samples": 156, "deviation": pytest.approx(0.3)}


def test_the_range_that_noise_is_a_share_of_is_that_of_the_rows_and_of_draws() -> None:
    """Rows to explain hold the largest value, and what D draws the smallest."""
    rows = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    rows[50:] -= 9
    rows[0], rows[99] = 4.0, -16.0
    source = interchange(lambda x: x.sum(1), rows[50:], readout="margin", foreground=rows[:5])
    told = attribute("smoothgrad", Problem(source, budget=500), noise=0.1)
    assert told.info["deviation"] == pytest.approx(2.0)


@pytest.mark.parametrize("of", ["saliency", "input-x-gradient", "integrated-gradients"])
def test_smoothgrad_without_noise_is_the_method_it_smooths(of: str) -> None:
    problem = built("digits-hidden").problem
    steps = {"steps": 16} if of == "integrated-gradients" else {}
    smooth = attribute("smoothgrad", restarted(problem, budget=10_000, seed=0), of=of, noise=0)
    plain = attribute(of, restarted(problem, budget=10_000, seed=0), **steps)
    rows = smooth.info["rows"]
    assert smooth.info["samples"] == 10_000 // rows // (32 if steps else 2)
    if rows == plain.info["rows"]:
        assert smooth.units(64) == pytest.approx(plain.units(64), rel=1e-4, abs=1e-5)
    else:
        assert rows == 15


def test_captum_called_directly_gives_the_same() -> None:
    problem = built("digits-hidden").problem
    view = restarted(problem, budget=10**6, seed=0)
    x, baseline, f = view.foreground, view.baseline[None], view.margin
    network = nn.Sequential(nn.Identity(), view.module())
    direct = {
        "saliency": captum.attr.Saliency(f).attribute(x.clone().requires_grad_()),
        "input-x-gradient": captum.attr.InputXGradient(f).attribute(x.clone().requires_grad_()),
        "integrated-gradients": captum.attr.IntegratedGradients(f).attribute(
            x, baselines=baseline, n_steps=156
        ),
        "internal-influence": captum.attr.InternalInfluence(network, network[0]).attribute(
            x, baselines=baseline, n_steps=156
        ),
    }
    for name, contributions in direct.items():
        told = attribute(name, restarted(problem, budget=10_000, seed=0))
        expected = contributions.detach().abs().mean(0).numpy()
        assert told.units(64) == pytest.approx(expected, rel=1e-4, abs=1e-5), name


def test_gradient_shap_agrees_with_captum_within_its_error() -> None:
    problem = built("digits-hidden").problem
    view = restarted(problem, budget=10**7, seed=1)
    torch.manual_seed(0)
    explainer = captum.attr.GradientShap(view.margin)
    draws = [
        explainer.attribute(view.foreground, baselines=view.sample(4096), n_samples=150)
        for _ in range(6)
    ]
    direct = torch.stack([one.detach().mean(0) for one in draws])
    told = attribute("gradient-shap", restarted(problem, budget=20_000, seed=0), aggregate="mean")
    error = direct.std(0)
    off = (torch.from_numpy(told.units(64)) - direct.mean(0).abs()).abs()
    assert told.info["samples"] == 312
    assert (off < 5 * error + 1e-6).all()


def test_steps_spend_the_budget_up_to_a_cap_and_rows_give_way_to_them() -> None:
    one_row = Problem(masked(lambda x: x.sum(1), 5, readout="margin"), budget=10_000)
    assert attribute("integrated-gradients", one_row).info["steps"] == 512
    assert one_row.spent == {"forward": 512, "backward": 512}
    for budget, rows, steps in ((2, 1, 1), (15, 1, 7), (100, 6, 8), (700, 32, 10)):
        problem = Problem.from_function(linear, 4, budget=budget)
        assert attribute("integrated-gradients", problem).info == {"rows": rows, "steps": steps}
    asked = Problem.from_function(linear, 4, budget=700)
    assert attribute("internal-influence", asked, steps=100).info == {"rows": 3, "steps": 100}


def test_smoothgrad_of_modules_needs_a_network() -> None:
    with pytest.raises(NotApplicable, match="no network of modules"):
        found("smoothgrad", linear, of="guided-backprop")
    told = attribute("smoothgrad", built("digits-hidden").problem, of="deconvolution")
    assert told.info["samples"] == 156


def test_a_unit_that_nothing_depends_on_gets_exactly_nothing_and_a_constant_says_so() -> None:
    for name in GRADIENTS:
        assert 2 not in {s[0] for s in found(name, product).subsets}
        constant = found(name, lambda x: 0 * x.sum(1) + 1)
        assert constant.subsets == ()
        assert constant.info["reason"] == "no unit changes anything in the rows explained"
