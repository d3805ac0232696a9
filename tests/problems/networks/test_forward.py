"""Networks are called with inputs of every form, and stay as they were."""

from __future__ import annotations

import pytest
import torch
from small_networks import Shared, of_class, small_network, state_of
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench import Problem


def test_a_network_is_put_back_as_it_was() -> None:
    model = small_network().train()
    model[0].weight.requires_grad_(requires_grad=False)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    problem = Problem.from_module(model, layer=model[1], inputs=torch.randn(9, 3), target=0)
    problem.margin(problem.foreground.requires_grad_()).sum().backward()
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True]
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


class Named(nn.Module):
    """Takes keyword arguments and returns an object with logits."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.inner, self.head = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, *, words: Tensor, mask: Tensor):
        hidden = torch.relu(self.inner(self.words(words)))
        return {"logits": self.head((hidden * mask[:, :, None]).sum(1) / mask.sum(1)[:, None])}


def named_inputs(rows: int) -> dict[str, Tensor]:
    words = torch.randint(0, 9, (rows, 5))
    return {"words": words, "mask": (words > 1).float() + 1e-3}


def test_named_inputs_and_the_features_of_one_position() -> None:
    torch.manual_seed(0)
    model, inputs = Named(), named_inputs(30)
    problem = Problem.from_module(
        model, layer="inner", inputs=inputs, target=2, readout="margin", units="features",
        position=1, heldout=named_inputs(4), foreground=named_inputs(3),
    )  # fmt: skip
    hidden = model.inner(model.words(inputs["words"]))
    assert torch.allclose(problem.baseline, hidden[:, 1].mean(0), atol=1e-6)
    assert problem.foreground.shape == (3, 6)
    assert problem.threshold.tolist() == [0] * 6
    assert "carrier input" in problem.notes[0]
    x = torch.randn(4, 6)
    changed = hidden[:1].repeat(4, 1, 1)
    changed[:, 1] = x
    mask = inputs["mask"][:1]
    logits = model.head((changed.relu() * mask[:, :, None]).sum(1) / mask.sum())
    assert torch.allclose(problem.value(x), of_class(logits, 2), atol=1e-5)


def test_positional_inputs() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Bilinear(3, 2, 5), nn.Linear(5, 1)

        def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, None]:
            return self.head(self.inner(a, b)), None

    model, inputs = Sum(), (torch.randn(9, 3), torch.randn(9, 2))
    problem = Problem.from_module(model, layer="inner", inputs=inputs, target=0, readout="margin")
    assert torch.allclose(problem.value(problem.foreground), model(*inputs)[0][:, 0], atol=1e-6)


@pytest.mark.parametrize(
    "inputs", [(torch.ones(3, 2), torch.ones(4, 2)), {}, {"a": None}, torch.ones(0, 4)]
)
def test_inputs_that_are_no_rows_are_told(inputs) -> None:
    with pytest.raises(ValueError, match="same number of rows, at least 1"):
        Problem.from_module(Shared(), layer="head", inputs=inputs, target=0)


class Failing(nn.Module):
    """Answers until it is told not to; counts its calls in buffers, in both ways there are."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.drop, self.norm = nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("same", torch.zeros(1))
        self.broken = False

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.same = self.same + 1
        hidden = self.drop(self.norm(self.inner(x)))
        if self.broken:
            raise RuntimeError("broken")
        return hidden


def test_a_network_is_put_back_also_when_it_fails() -> None:
    model = Failing().train()
    model.norm.eval()
    model.inner.weight.requires_grad_(requires_grad=False)
    buffers = [model.calls, model.same]
    before = state_of(model)
    problem = Problem.from_module(model, layer="inner", inputs=torch.randn(9, 3), target=0)
    problem.value(problem.foreground)
    model.broken = True
    with pytest.raises(RuntimeError, match="broken"):
        problem.value(problem.foreground)
    with pytest.raises(RuntimeError, match="broken"):
        Problem.from_module(model, layer="inner", inputs=torch.randn(9, 3), target=0)
    model.broken = False
    with pytest.raises(ValueError, match="target 9"):
        Problem.from_module(model, layer="inner", inputs=torch.randn(9, 3), target=9)
    torch.set_rng_state(torch.tensor(before[-1], dtype=torch.uint8))
    problem.value(problem.foreground)
    assert state_of(model) == before
    assert [model.calls, model.same] == [0, 0]
    assert model.calls is buffers[0]
    assert model.same is buffers[1]


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(3, 50), nn.Linear(50, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.dropout(self.inner(x), 0.5, training=True))


def test_a_network_that_draws_numbers_says_so_and_answers_the_same_each_time() -> None:
    torch.manual_seed(0)
    model, inputs = Noisy(), torch.randn(9, 3)
    problem = Problem.from_module(model, layer="inner", inputs=inputs, target=0, readout="margin")
    state = torch.get_rng_state()
    first, second = problem.value(problem.foreground), problem.value(problem.foreground)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(problem.notes) == 1
    assert "draws random numbers" in problem.notes[0]
