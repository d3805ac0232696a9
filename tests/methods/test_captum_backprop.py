"""Methods that hook modules: against closed forms and Captum, and refused where they are wrong."""

from __future__ import annotations

import captum.attr
import pytest
import torch
from captum.attr._utils.lrp_rules import GammaRule
from scoring import built
from small_networks import of_class, state_of
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench import Attribution, NotApplicable, Problem, attribute
from actspec_bench.methods.attributing.network import after_layer
from actspec_bench.problems.views import restarted

HOOKING = ["deeplift", "deeplift-shap", "lrp", "guided-backprop", "deconvolution"]
N = 6


def entrance() -> nn.Sequential:
    """A layer of units, with what Captum cannot hook before it: a rectifier of the carrier."""
    return nn.Sequential(nn.Linear(5, N), nn.ReLU())


def problem_of(after: nn.Module, *, target=lambda output: output[:, 0], **options) -> Problem:
    torch.manual_seed(0)
    model = nn.Sequential(entrance(), after)
    inputs = torch.randn(40, 5)
    return Problem.from_module(
        model, layer="0", inputs=inputs, target=target, readout="margin", **options
    )


def mlp(act: type[nn.Module] = nn.ReLU, *, bias: bool = True, outputs: int = 1) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(N, 8, bias=bias), act(), nn.Linear(8, 7, bias=bias), act(),
        nn.Linear(7, outputs, bias=bias),
    )  # fmt: skip


class Functional(nn.Module):
    """Rectifies, or does what it is told, by a function."""

    def __init__(self, act=functional.relu) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.module, self.last = nn.Linear(N, 8), nn.ReLU(), nn.Linear(8, 1)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.module(self.first(x)) - 0.3))


class Reused(Functional):
    """Runs one rectifier twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.module(self.module(self.first(x)) - 0.3))


class Skipping(Functional):
    """A skip connection around a rectifier."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        return self.last(self.module(hidden) - 2 * hidden)


def found(name: str, problem: Problem, **parameters) -> Attribution:
    return attribute(name, restarted(problem, budget=10_000, seed=0), **parameters)


def signed(name: str, problem: Problem, **parameters) -> Tensor:
    """Mean contributions, with their signs."""
    told = found(name, problem, aggregate="mean", **parameters)
    return torch.tensor([told.as_dict().get((i,), 0.0) for i in range(problem.n)])


def convolutional() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Unflatten(1, (1, N)), nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4), nn.Tanh(),
        nn.MaxPool1d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 3),
    ).train()  # fmt: skip


@pytest.mark.parametrize("after", [mlp(), mlp(nn.Tanh), convolutional(), Skipping()])
def test_deeplift_is_complete(after: nn.Module) -> None:
    problem = problem_of(after)
    rows, baseline = problem.foreground, problem.baseline[None]
    change = problem.margin(rows).mean() - problem.margin(baseline).mean()
    assert float(signed("deeplift", problem).sum()) == pytest.approx(float(change), abs=1e-4)
    assert found("deeplift", problem).info["gap"] < 1e-4
    told = found("deeplift-shap", problem)
    assert told.info["gap"] < 1e-4
    assert told.info["baselines"] == 78


def test_deeplift_sees_the_best_rival_change() -> None:
    """The margin of a class is made of modules where the network is a user's own."""
    after = mlp(outputs=7)
    problem = problem_of(after, target=2)
    with torch.no_grad():
        for layer in after[::2]:
            layer.weight.mul_(3)
            layer.bias.zero_()
        logits = after(torch.cat([problem.foreground, problem.baseline[None]]))
    logits[:, 2] = -torch.inf
    assert len(set(logits.argmax(1).tolist())) > 1
    assert found("deeplift", problem).info["gap"] < 1e-4
    assert found("deeplift-shap", problem).info["gap"] < 1e-4


@pytest.mark.parametrize("name", ["digits-hidden", "digits-patches", "planted-network"])
def test_tasks_are_complete_and_captum_called_directly_agrees(name: str) -> None:
    problem = restarted(built(name).problem, budget=10**6, seed=0)
    rows = problem.foreground
    told = found("deeplift", problem)
    assert told.info["gap"] < 1e-5
    if name == "planted-network":  # its first layer runs on what does not depend on the units
        return
    with pytest.warns(UserWarning, match="hooks"):
        direct = captum.attr.DeepLift(problem.module()).attribute(
            rows.requires_grad_(), baselines=problem.baseline.expand(len(rows), -1)
        )
    expected = direct.detach().abs().mean(0).numpy()
    assert told.units(problem.n) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_linear_network_gives_its_weights_times_the_change() -> None:
    after = nn.Sequential(nn.Linear(N, 1))
    problem = problem_of(after)
    weights, x = after[0].weight[0].detach(), problem.foreground
    change = weights * (x - problem.baseline)
    assert found("deeplift", problem).units(N) == pytest.approx(change.abs().mean(0).numpy())
    relevance = (weights * x).abs().mean(0).numpy()
    assert found("lrp", problem).units(N) == pytest.approx(relevance, abs=1e-6)


@pytest.mark.parametrize(
    "act", [torch.square, lambda x: (5 * x).sigmoid(), lambda x: (3 * x).cos()]
)
def test_deeplift_refuses_what_its_rules_do_not_cover(act) -> None:
    for name in ("deeplift", "deeplift-shap"):
        with pytest.raises(NotApplicable, match="contributions miss the change of the margin"):
            found(name, problem_of(Functional(act)))


def test_modules_that_run_twice_and_functions_are_refused_by_name() -> None:
    for name in ("deeplift", "guided-backprop", "deconvolution"):
        with pytest.raises(NotApplicable, match=r"'model.1.module' \(ReLU\) runs 2 times"):
            found(name, problem_of(Reused()))
    for act in (functional.relu, torch.relu, Tensor.relu_, lambda x: x.clamp(min=0)):
        for name in ("guided-backprop", "deconvolution", "deeplift"):
            with pytest.raises(NotApplicable, match=r"rectifies by \w+\(\) in 'model.1'"):
                found(name, problem_of(Functional(act)))
    with pytest.raises(NotApplicable, match=r"through tanh\(\), which 'model.1' \(Functional\)"):
        found("lrp", problem_of(Functional(torch.tanh)))
    with pytest.raises(NotApplicable, match=r"no rule .* through 'model.1.1' \(LayerNorm\)"):
        found("lrp", problem_of(nn.Sequential(nn.Linear(N, 4), nn.LayerNorm(4), nn.Linear(4, 1))))
    for name in ("guided-backprop", "deconvolution"):
        with pytest.raises(NotApplicable, match="would be the plain gradient"):
            found(name, problem_of(mlp(nn.Tanh)))


def test_guided_backprop_and_deconvolution_by_hand_and_by_captum() -> None:
    after = mlp()
    problem = problem_of(after)
    first, second, last = (after[i].weight.detach() for i in (0, 2, 4))
    hidden = functional.linear(problem.foreground, first, after[0].bias.detach())
    deeper = functional.linear(hidden.relu(), second, after[2].bias.detach())
    above = last.relu().expand(len(hidden), -1)
    guided = ((above * (deeper > 0)) @ second).relu() * (hidden > 0) @ first
    deconvolved = (above @ second).relu() @ first
    for name, by_hand in (("guided-backprop", guided), ("deconvolution", deconvolved)):
        expected = by_hand.mean(0)
        assert torch.allclose(signed(name, problem), expected, atol=1e-5), name
    with pytest.warns(UserWarning, match="hooks"):
        direct = captum.attr.GuidedBackprop(mlp()).attribute(problem.foreground.requires_grad_())
    assert torch.allclose(direct.detach(), guided, atol=1e-5)


def test_a_skip_connection_keeps_its_own_gradient() -> None:
    after = Skipping()
    problem = problem_of(after)
    first, last = after.first.weight.detach(), after.last.weight.detach()
    on = functional.linear(problem.foreground, first, after.first.bias.detach()) > 0
    expected = ((last.relu() * on - 2 * last) @ first).mean(0)
    assert torch.allclose(signed("guided-backprop", problem), expected, atol=1e-5)


def test_lrp_epsilon_is_input_times_gradient_of_rectifiers() -> None:
    """Ancona et al. 2018, proposition 1; margins of classes and parts of inputs too."""
    problems = [problem_of(mlp(outputs=3), target=1), built("digits-hidden").problem]
    for problem in [*problems, built("digits-patches").problem]:
        expected = found("input-x-gradient", problem).units(problem.n)
        told = found("lrp", problem, rule="epsilon").units(problem.n)
        assert told == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert found("lrp", problem, gamma=0.0).units(problem.n) == pytest.approx(
            expected, rel=1e-3, abs=1e-4
        )


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("rule", ["epsilon", "gamma"])
def test_relevance_adds_up_to_the_margin_and_is_that_of_captum(act, rule: str) -> None:
    after = mlp(act, bias=False)
    problem = problem_of(after)
    rows = problem.foreground
    told = signed("lrp", problem, rule=rule)
    assert float(told.sum()) == pytest.approx(float(problem.margin(rows).mean()), abs=1e-5)
    if act is nn.ReLU or rule == "epsilon":
        # Captum's gamma leaves out what is negative, which only a rectifier does away with.
        if rule == "gamma":
            after[0].rule, after[2].rule = GammaRule(0.25), GammaRule(0.25)
        direct = captum.attr.LRP(after).attribute(rows.clone().requires_grad_())
        assert torch.allclose(told, direct.detach().mean(0), atol=1e-4)


@pytest.mark.parametrize("name", HOOKING)
def test_the_network_stays_as_it_was(name: str) -> None:
    torch.manual_seed(3)
    after = nn.Sequential(
        nn.Linear(N, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    model = nn.Sequential(entrance(), after).train()
    model.requires_grad_(requires_grad=True)
    model[0].register_forward_hook(lambda *_: None)
    problem = Problem.from_module(model, layer="0", inputs=torch.randn(40, 5), target=2)
    before = state_of(model)
    rows = problem.foreground
    told = attribute(name, problem)
    assert state_of(model) == before
    assert told.subsets
    assert torch.equal(problem.foreground, rows)
    model.eval()
    with torch.no_grad():
        margins = of_class(after(rows), 2)
    if name == "deeplift":
        again = restarted(problem, budget=10, seed=0)
        assert torch.allclose(again.margin(rows[:1]), margins[:1], atol=1e-5)
        assert told.info["gap"] < 0.05


def test_the_network_keeps_the_latest_margins_alone() -> None:
    problem = problem_of(mlp())
    network = after_layer(problem, cost=2)
    rows = problem.foreground
    first, second = network(rows[:20]), network(rows[20:])
    assert not torch.equal(first[:12], second)
    assert torch.equal(network.latest, second)
    assert not [name for name, kept in vars(network).items() if isinstance(kept, list)]


def test_a_row_looks_at_the_network_and_little_budget_is_told() -> None:
    problem = problem_of(mlp())
    for name, least, cost in (("deeplift", 5, 4), ("lrp", 3, 2), ("guided-backprop", 3, 2)):
        short = restarted(problem, budget=least - 1, seed=0)
        with pytest.raises(NotApplicable, match=f"one row costs {least} queries"):
            attribute(name, short)
        some = restarted(problem, budget=30, seed=0)
        rows = attribute(name, some).info["rows"]
        assert rows == 29 // cost
        assert sum(some.spent.values()) == 1 + cost * rows
