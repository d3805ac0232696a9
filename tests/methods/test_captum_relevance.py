"""Layer-wise relevance against its rules written out, and refused where it would be another's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench import NotApplicable, Problem, attribute

N, GAMMA = 6, 0.4


def problem_of(after: nn.Module) -> Problem:
    """A network after six units of both signs."""
    torch.manual_seed(0)
    return Problem.from_module(
        nn.Sequential(nn.Linear(5, N), after), layer="0", inputs=torch.randn(40, 5),
        target=lambda output: output[:, 0], readout="margin", budget=1000,
    )  # fmt: skip


def relevance(after: nn.Module, **parameters) -> tuple[Tensor, Problem]:
    """Mean relevance over the rows, with its signs."""
    problem = problem_of(after)
    told = attribute("lrp", problem, aggregate="mean", **parameters).as_dict()
    return torch.tensor([told.get((i,), 0.0) for i in range(N)]).double(), problem


def matrix_of(layer: nn.Module, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Weights and biases of a layer as of a linear one, (inputs, outputs) and (outputs,)."""
    size = shape.numel()
    with torch.no_grad():
        bias = layer(torch.zeros(1, *shape)).flatten().double()
        every = layer(torch.eye(size).reshape(size, *shape)).flatten(1).double()
    return every - bias, bias


def passed(layer: nn.Module, inputs: Tensor, above: Tensor, gamma: float) -> Tensor:
    """One row's relevance of the inputs from that of the outputs: contributions, one by one."""
    weights, bias = matrix_of(layer, inputs.shape)
    a = inputs.flatten().double()
    found = torch.zeros(len(a), dtype=torch.float64)
    for k in range(len(bias)):
        shares = torch.cat([a * weights[:, k], bias[k : k + 1]])
        own_sign = shares * shares.sum() > 0
        shares = torch.where(own_sign, (1 + gamma) * shares, shares)
        found += shares[:-1] / shares.sum() * above.flatten()[k]
    return found.view(inputs.shape)


def written_out(after: nn.Sequential, row: Tensor, gamma: float) -> Tensor:
    """Relevance of a row of units by the rule gamma in all layers with weights but the last."""
    inputs = [row[None]]
    with torch.no_grad():
        for module in after:
            inputs.append(module(inputs[-1]))
    found = inputs[-1].double()[0, :1]
    weighted = [at for at, m in enumerate(after) if isinstance(m, nn.Linear | nn.Conv1d)]
    for at in reversed(range(len(after))):
        before = inputs[at][0]
        if at in weighted:
            found = passed(after[at], before, found, gamma if at != weighted[-1] else 0.0)
        else:  # one number at a time, or of another shape
            found = found.reshape(before.shape)
    return found


def dense(act: Callable[[], nn.Module]) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(N, 8), act(), nn.Linear(8, 7), act(), nn.Linear(7, 1))


def convolutions() -> nn.Sequential:
    torch.manual_seed(2)
    made = nn.Sequential(
        nn.Unflatten(1, (1, N)), nn.Conv1d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv1d(3, 2, 3),
        nn.Tanh(), nn.Flatten(), nn.Linear(8, 1),
    )  # fmt: skip
    with torch.no_grad():
        made[-1].weight.mul_(20)
    return made


@pytest.mark.parametrize("after", [dense(nn.Tanh), dense(nn.ReLU), convolutions()])
def test_gamma_strengthens_contributions_of_an_outputs_own_sign(after: nn.Sequential) -> None:
    found, problem = relevance(after, gamma=GAMMA)
    rows = problem.foreground
    assert (rows < 0).any()
    assert (rows > 0).any()
    expected = torch.stack([written_out(after, row, GAMMA) for row in rows]).mean(0)
    assert torch.allclose(found, expected, atol=1e-5)
    plain = torch.stack([written_out(after, row, 0.0) for row in rows]).mean(0)
    assert not torch.allclose(found, plain, atol=1e-2)
    assert torch.allclose(relevance(after, rule="epsilon")[0], plain, atol=1e-5)


class Called(nn.Module):
    """Does what it is told between two modules."""

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.act, self.last = nn.Linear(N, N), nn.ReLU(), nn.Linear(N, 1)
        self.weight = nn.Parameter(torch.randn(N, N))
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.step(self.first(x), self.weight)))


@pytest.mark.parametrize(
    ("function", "step"),
    [
        ("linear", functional.linear),
        ("conv1d", lambda x, w: functional.conv1d(x[:, None], w[:1, None, :3], padding=1)[:, 0]),
        ("matmul", torch.matmul),
        ("matmul", lambda x, w: x @ w),
        ("mm", torch.mm),
        ("einsum", lambda x, w: torch.einsum("ri,ij->rj", x, w)),
    ],
)
def test_the_rule_gamma_is_refused_where_weights_are_used_by_a_function(function, step) -> None:
    """It would have been epsilon there, and told that it was gamma."""
    with pytest.raises(NotApplicable, match=rf"gamma cannot .* {function}\w*\(\), which 'model.1'"):
        relevance(Called(step))
    found, problem = relevance(Called(step), rule="epsilon")
    total = problem.margin(problem.foreground).mean() - found.sum()
    assert torch.isfinite(total)


def test_one_number_at_a_time_has_one_contribution_and_needs_no_rule() -> None:
    scaled, problem = relevance(Called(lambda x, w: x * w[0]), gamma=GAMMA)
    module = nn.Linear(N, N, bias=False)
    first = Called(lambda x, _: x)
    with torch.no_grad():
        module.weight.copy_(torch.diag(first.weight[0]))
    after = nn.Sequential(first.first, module, nn.ReLU(), first.last)
    expected = torch.stack([written_out(after, row, GAMMA) for row in problem.foreground]).mean(0)
    assert torch.allclose(scaled, expected, atol=1e-5)


@pytest.mark.parametrize("rule", ["gamma", "epsilon"])
def test_what_is_divided_by_is_no_factor(rule: str) -> None:
    for step in (
        lambda x, _: 1 / x,
        lambda x, _: torch.ones(()) / x,
        lambda x, _: x / x.sum(1, keepdim=True),
    ):
        with pytest.raises(NotApplicable, match=r"no rule passes relevance through \w+\(\)"):
            relevance(Called(step), rule=rule)
    halved = relevance(Called(lambda x, _: x / 2), rule=rule)[0]
    assert torch.allclose(halved, relevance(Called(lambda x, _: x * 0.5), rule=rule)[0], atol=1e-6)
