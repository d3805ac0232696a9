"""What holds for all methods of single units: budgets, seeds, units in any order, no traces."""

from __future__ import annotations

import pytest
import torch
from scoring import TERMS, built, parity_sum, planted
from torch import Tensor

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import methods

GRADIENTS = (
    "saliency", "input-x-gradient", "integrated-gradients", "internal-influence",
    "gradient-shap", "smoothgrad",
)  # fmt: skip
HOOKING = ("deeplift", "deeplift-shap", "lrp", "guided-backprop", "deconvolution")
PERTURBING = (
    "feature-ablation", "feature-permutation", "occlusion", "shapley-sampling", "shapley-values",
    "kernel-shap", "lime",
)  # fmt: skip
ALL = (*GRADIENTS, *HOOKING, *PERTURBING)
TASKS = {"digits-hidden": 64, "digits-patches": 16, "planted-parity[n=12,terms=2]": 12}
NOT_ON = {
    "digits-hidden": {"occlusion", "shapley-values"},
    "digits-patches": {"shapley-values"},
    "planted-parity[n=12,terms=2]": {"occlusion", *HOOKING},
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("task", TASKS)
def test_no_method_goes_over_any_budget_and_all_run_on_a_usual_one(task: str, name: str) -> None:
    n = TASKS[task]
    for budget in (1, 2, n, n + 1, n + 2, 700, 10_000):
        problem, _ = planted(task, 0, budget)
        try:
            told = attribute(name, problem)
        except NotApplicable:
            least = 2**n if name == "shapley-values" else 2 * (n + 1)
            assert budget < least or name in NOT_ON[task], budget
            continue
        assert name not in NOT_ON[task]
        assert 0 < sum(problem.spent.values()) <= budget
        assert told.n == n
        assert told.info["rows"] >= 1


@pytest.mark.parametrize("name", ["feature-ablation", "gradient-shap", "kernel-shap", "lime"])
def test_rows_spent_are_those_that_the_function_sees(name: str) -> None:
    seen = 0

    def counting(x: Tensor) -> Tensor:
        nonlocal seen
        seen += len(x)
        return x[:, 0] * x[:, 1] + x[:, 2]

    problem = Problem.from_function(counting, 9, budget=3000)
    attribute(name, problem)
    assert problem.spent["forward"] == seen
    if name == "gradient-shap":
        assert problem.spent["backward"] == seen


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_and_nothing_outside_is_touched(name: str) -> None:
    task = "digits-patches" if name == "occlusion" else "digits-hidden"
    if name == "shapley-values":
        task = "planted-parity[n=10,terms=2,noise=0.1]"
    told = []
    for state in (0, 1):
        torch.manual_seed(state)
        problem, _ = planted(task, 3, 3000)
        before = torch.get_rng_state()
        rows = problem.foreground
        told.append(attribute(name, problem))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(problem.foreground, rows)
        assert not problem.foreground.requires_grad
    assert told[0].as_dict() == told[1].as_dict()
    assert told[0].info == told[1].info


@pytest.mark.parametrize("name", [*GRADIENTS, "feature-ablation", "shapley-values"])
def test_units_may_be_listed_in_any_order_and_negated(name: str) -> None:
    order, flipped = [4, 2, 7, 0, 5, 1, 6, 3], torch.tensor([1.0, -1, 1, 1, -1, 1, 1, -1])
    plain = restarted(parity_sum(TERMS, 8), budget=100_000, seed=0)
    source = restarted(plain, budget=1, seed=0)

    def moved(x: Tensor) -> Tensor:
        return source._source.margin((x * flipped)[:, torch.tensor(order).argsort()])

    other = Problem.from_function(moved, 8, budget=100_000)
    first, second = attribute(name, plain).units(8), attribute(name, other).units(8)
    assert second == pytest.approx(first[order], abs=0.06)


def test_wholly_spent_problems_are_told_so() -> None:
    problem = restarted(built("digits-hidden").problem, budget=1, seed=0)
    problem.value(problem.foreground[:1])
    for name in ALL:
        with pytest.raises(NotApplicable):
            attribute(name, problem)


def test_given_rows_are_refused_by_what_a_method_needs() -> None:
    x = parity_sum(TERMS, 8).sample(50)
    problem = Problem.from_samples(x, x[:, 0])
    for name in ALL:
        with pytest.raises(NotApplicable, match=r"only at given rows|no such network"):
            attribute(name, problem)


def test_cards_tell_costs_failures_and_what_they_call() -> None:
    for name in ALL:
        card = methods[name].card
        assert (card.returns, card.on) == ("units", "margin")
        assert (card.family == "backpropagation") == (name in HOOKING)
        assert card.rows
        assert card.fails
        assert card.citation
        own = "actspec_bench.methods.attributing"
        assert any(module.startswith(own) for module in card.imports)
        assert bool(card.calls) == ("captum.attr" in card.imports)
    assert {name for name in ALL if not methods[name].card.calls} == {
        "feature-permutation", "shapley-sampling", "shapley-values", "kernel-shap", "lime",
    }  # fmt: skip
