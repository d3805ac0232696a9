"""The network after a layer as a module of its own: same numbers, every row counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scoring import built, parity_sum
from torch import nn

from actspec_bench import BudgetExceeded, NotApplicable, Problem, attribute
from actspec_bench.problems.needs import check_needs
from actspec_bench.problems.readouts import ClassMargin, class_margin
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import methods
from actspec_bench.tasks.enumeration.switched import Switched

WITH_MODULES = ["digits-hidden", "digits-patches", "planted-network[n=8,terms=2]"]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 5), nn.ReLU(),
        nn.Linear(5, 3),
    )  # fmt: skip


def own_problem(model: nn.Module, **options) -> Problem:
    inputs = torch.randn(120, 6, generator=torch.Generator().manual_seed(1))
    return Problem.from_module(model, layer="2", inputs=inputs, target=1, **options)


@pytest.mark.parametrize("text", WITH_MODULES)
def test_the_module_computes_the_margin_and_both_directions_are_counted(text: str) -> None:
    problem = restarted(built(text).problem, budget=50, seed=0)
    module = problem.module()
    x = problem.sample(7)
    torch.testing.assert_close(module(x), problem.margin(x), rtol=0, atol=1e-5)
    assert problem.spent == {"forward": 14, "backward": 0}
    slopes = []
    for function in (module, problem.margin):
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
        slopes.append(slope)
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-5)
    assert problem.spent == {"forward": 28, "backward": 14}
    with pytest.raises(BudgetExceeded):
        module(problem.sample(9))
    assert problem.remaining == 8


def test_a_backward_pass_over_the_budget_is_refused() -> None:
    problem = restarted(built("digits-hidden").problem, budget=9, seed=0)
    leaf = problem.sample(5).requires_grad_()
    output = problem.module()(leaf)
    with pytest.raises(BudgetExceeded, match="5 backward rows"):
        output.sum().backward()
    assert leaf.grad is None


def test_second_derivatives_are_refused() -> None:
    problem = built("digits-hidden").problem
    leaf = problem.sample(2).requires_grad_()
    with pytest.raises(NotApplicable, match="second derivatives"):
        torch.autograd.grad(problem.module()(leaf).sum(), leaf, create_graph=True)


def test_hooks_and_modes_of_the_copy_leave_the_original_alone() -> None:
    model = network()
    problem = own_problem(model, readout="margin")
    before = problem.value(problem.foreground)
    module = problem.module()
    for part in module.modules():
        part.register_forward_hook(lambda _m, _x, output: output * 0 if output.ndim > 1 else None)
    module.train()
    assert float(module(problem.foreground).std()) == 0
    assert torch.equal(problem.value(problem.foreground), before)
    assert torch.equal(problem.module()(problem.foreground), before)
    assert not any(part._forward_hooks for part in model.modules())
    assert all(part.training for part in model.modules())
    assert all(p.requires_grad for p in model.parameters())


def test_a_copy_runs_in_evaluation_mode_and_writes_over_no_activation() -> None:
    parts = list(own_problem(network()).module().modules())
    assert not any(part.training for part in parts)
    assert not any(getattr(part, "inplace", False) for part in parts)


def test_a_network_that_cannot_be_copied_says_so() -> None:
    class Held(nn.Linear):
        def __deepcopy__(self, memo):
            raise TypeError("it holds a socket")

    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Identity(), Held(8, 3))
    with pytest.raises(NotApplicable, match=r"cannot be copied.*holds a socket"):
        own_problem(model).module()


def test_functions_without_modules_have_none() -> None:
    problem = parity_sum({(0, 1): 1.0}, 4)
    assert not problem.has_module
    with pytest.raises(NotApplicable, match="no network of modules"):
        problem.module()
    with pytest.raises(NotApplicable, match="hooks the modules"):
        check_needs(problem, ("module",))


@pytest.mark.parametrize("against", [None, 3])
def test_the_margin_as_a_module_is_the_margin(against: int | None) -> None:
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    found = ClassMargin(5, 2, against)(logits)
    assert torch.equal(found, class_margin(logits, 2, against))
    others = [3] if against == 3 else [0, 1, 3, 4]
    assert torch.equal(found, logits[:, 2] - logits[:, others].max(1).values)


def test_parts_are_switched_between_their_own_value_and_the_blank() -> None:
    model = nn.Flatten()
    own, off = torch.tensor([[4.0, 1.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    margin = Switched(model, 0, own, off, torch.tensor([[0], [1]]))
    for states, shown in (([1, 1], own), ([-1, -1], off)):
        x = torch.tensor([states], dtype=torch.float)
        assert margin(x) == class_margin(shown.reshape(1, 4), 0)
    half = torch.tensor([[1.0, 0.0]])
    assert margin(half) == class_margin(torch.tensor([[4.0, 1.0, 0.0, 1.0]]), 0)


def test_a_need_that_is_not_met_is_told_before_anything_is_asked() -> None:
    rows = torch.randint(0, 2, (100, 3)) * 2.0 - 1
    given = Problem.from_samples(rows, rows[:, 0])
    for name, reason in (
        ("exact-wht", "chooses patterns"),
        ("actspec-alias", "chooses patterns"),
        ("actspec-paper", "only at given rows"),
    ):
        assert methods[name].card.needs
        with pytest.raises(NotApplicable, match=reason):
            attribute(name, given)
        assert given.spent == {"forward": 0, "backward": 0}
    layer = restarted(built("digits-hidden").problem, budget=10**6, seed=0)
    with pytest.raises(NotApplicable, match="no grid of patterns"):
        attribute("exact-wht", layer)
    with pytest.raises(NotApplicable, match="have none"):
        check_needs(layer, ("layout",))
    with pytest.raises(NotApplicable, match="not known to be"):
        check_needs(layer, ("uniform",))
    check_needs(layer, ("gradient", "module", "queries"))


def test_a_noisy_function_has_no_module_which_would_have_no_noise() -> None:
    layer = built("digits-hidden").problem
    assert layer.has_module
    noisy = Problem(replace(layer._source, noise=1.0))
    assert not noisy.has_module
    with pytest.raises(NotApplicable, match="hooks the modules"):
        attribute("deeplift", noisy)


def test_a_module_that_returns_nan_says_so() -> None:
    class Lost(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum(1) / 0 * 0

    problem = Problem(replace(parity_sum({(0,): 1.0}, 3)._source, margin=Lost(), module=None))
    with pytest.raises(ValueError, match="not finite"):
        problem.module()(problem.foreground)
