"""Layers of networks of every sort become problems."""

from __future__ import annotations

import pytest
import torch
from small_networks import of_class, small_network, state_of
from torch import Tensor, nn

from actspec_bench import Problem

IMAGES = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_layer_of_a_network_becomes_the_same_function() -> None:
    model, inputs = small_network(), torch.randn(40, 3)
    problem = Problem.from_module(model, layer="1", inputs=inputs, target=2, readout="margin")
    hidden = model[1](model[0](inputs))
    logits = model.eval()(inputs)
    rivals = logits[:, [0, 1, 3]].amax(1)
    assert torch.allclose(problem.value(hidden), logits[:, 2] - rivals, atol=1e-6)
    assert (problem.n, problem.kind, problem.notes) == (5, "interchange", ())
    assert torch.allclose(problem.baseline, hidden.mean(0))


def test_the_margin_has_the_gradient_of_the_network() -> None:
    model = small_network().eval()
    problem = Problem.from_module(model, layer="1", inputs=torch.randn(9, 3), target=1)
    x = problem.foreground.requires_grad_()
    problem.margin(x).sum().backward()
    y = problem.foreground.requires_grad_()
    logits = model[3](y)
    (logits[:, 1] - logits[:, [0, 2, 3]].amax(1)).sum().backward()
    assert torch.allclose(x.grad, y.grad, atol=1e-6)


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.inner(x))


def test_a_bypassed_layer_says_that_its_carrier_is_fixed() -> None:
    problem = Problem.from_module(Skip(), layer="inner", inputs=torch.randn(9, 3), target=0)
    assert "carrier input is fixed" in problem.notes[0]


class Convolutions(nn.Module):
    """Convolution, batch norm, in-place ReLU, a residual block, average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        )
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        out = self.block(x)
        out += x
        return self.head(self.dropout(self.relu(out).mean((2, 3))))


@pytest.fixture
def convolutions() -> nn.Module:
    torch.manual_seed(0)
    model = Convolutions()
    with torch.no_grad():
        for _ in range(5):
            model(torch.randn(16, 1, 8, 8))
    return model


def test_every_number_of_a_map_before_in_place_operations(convolutions: nn.Module) -> None:
    """The batch norm's output, which an in-place ReLU then overwrites."""
    model, before = convolutions, state_of(convolutions)
    images = IMAGES.clone()
    problem = Problem.from_module(
        model, layer="stem.1", inputs=images, target=1, readout="margin", units="all"
    )
    x = problem.foreground
    assert (problem.n, problem.layout, problem.notes) == (6 * 64, (6, 8, 8), ())
    kept = x.clone().requires_grad_()
    problem.margin(kept).sum().backward()
    values = problem.value(x)
    assert state_of(model) == before
    assert torch.equal(images, IMAGES)

    model.eval()
    by_hand = model.stem[1](model.stem[0](IMAGES[:32]))
    assert torch.allclose(x, by_hand.flatten(1), atol=1e-6)
    assert (x < 0).any()
    assert torch.equal(x, kept.detach())
    assert torch.allclose(values, of_class(model(IMAGES[:32]), 1), atol=1e-5)
    leaf = by_hand.detach().requires_grad_()
    after = torch.relu(leaf)
    out = torch.relu(model.block(after) + after).mean((2, 3))
    of_class(model.head(out), 1).sum().backward()
    assert torch.allclose(kept.grad, leaf.grad.flatten(1), atol=1e-6)


def test_a_channel_is_its_mean_and_shifts_the_carriers_map(convolutions: nn.Module) -> None:
    model = convolutions
    problem = Problem.from_module(
        model, layer="block.1", inputs=IMAGES, target=0, readout="margin", units="channels"
    )
    model.eval()
    maps = model.block[1](model.block[0](model.stem(IMAGES)))
    means = maps.mean((2, 3))
    assert torch.allclose(problem.foreground, means[:32], atol=1e-5)
    assert torch.allclose(problem.threshold, means.mean(0), atol=1e-5)
    assert "carrier input" in problem.notes[0]
    x = torch.randn(5, 6)
    shifted = maps[:1] + (x - means[:1])[:, :, None, None]
    out = torch.relu(shifted + model.stem(IMAGES[:1])).mean((2, 3))
    assert torch.allclose(problem.value(x), of_class(model.head(out), 0), atol=1e-5)


def test_channels_before_average_pooling_need_no_carrier() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    problem = Problem.from_module(
        model, layer="1", inputs=IMAGES, target=2, readout="margin", units="channels"
    )
    assert problem.notes == ()
    assert torch.allclose(
        problem.value(problem.foreground), of_class(model(IMAGES[:32]), 2), atol=1e-5
    )


def test_rows_that_influence_one_another_are_refused() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(),
        nn.Linear(144, 2),
    )  # fmt: skip
    with pytest.raises(ValueError, match="depends on the other rows of its batch"):
        Problem.from_module(model, layer="0", inputs=IMAGES, target=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_networks_of_other_precisions(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)).to(dtype)
    inputs = torch.randn(20, 3, dtype=dtype)
    problem = Problem.from_module(model, layer="1", inputs=inputs, target=2, readout="margin")
    x = problem.foreground
    assert x.dtype == problem.value(x).dtype == torch.float32
    x.requires_grad_()
    problem.margin(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.dtype == dtype for p in model.parameters())
    expected = of_class(model(inputs), 2).float()
    assert torch.allclose(problem.value(x), expected, atol=20 * torch.finfo(dtype).eps, rtol=0.05)
    assert problem.notes == ()


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.rows = nn.Linear(3, 5), nn.Linear(5, 2), 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        return self.second(torch.relu(self.first(x)))


def test_what_comes_before_the_layer_runs_on_one_row() -> None:
    model = Counting()
    problem = Problem.from_module(model, layer="first", inputs=torch.randn(50, 3), target=0)
    model.rows = 0
    problem.value(problem.sample(1_000))
    assert model.rows == 1


class NeedsCopies(Counting):
    def forward(self, x: Tensor) -> Tensor:
        hidden = super().forward(x)
        return torch.cat([hidden, x[:, :1]], dim=1)


def test_a_network_that_needs_a_carrier_a_row_gets_one() -> None:
    torch.manual_seed(0)
    model, inputs = NeedsCopies(), torch.randn(50, 3)
    problem = Problem.from_module(model, layer="first", inputs=inputs, target=2, readout="margin")
    x = torch.randn(7, 5)
    carrier = inputs[:1, :1].expand(7, 1)
    logits = torch.cat([model.second(torch.relu(x)), carrier], dim=1)
    assert torch.allclose(problem.value(x), of_class(logits, 2), atol=1e-6)
    assert "carrier input is fixed" in problem.notes[0]


def test_outputs_whose_first_dimension_is_not_the_rows_are_refused() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16)
            self.head = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(x.transpose(0, 1)).mean(0))

    with pytest.raises(ValueError, match=r"returns shape \(5, 1, 8\) for 1 inputs"):
        Problem.from_module(Turned(), layer="encoder", inputs=torch.randn(9, 5, 8), target=0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (torch.zeros(0, 8), "^heldout must be a tensor, or a tuple or dict of tensors, of which"),
        (torch.zeros(5, 3), "^heldout must be like inputs, which the network takes: of these it"),
        (torch.full((5, 8), torch.nan), "^the layer's activations for heldout are not all finite"),
    ],
)
def test_held_out_inputs_are_checked_by_their_own_name(wrong: torch.Tensor, sentence: str) -> None:
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    inputs = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=sentence):
        Problem.from_module(model, layer="1", inputs=inputs, target=1, heldout=wrong)
