"""Layers are found, and what they return is replaced."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from small_networks import Shared, of_class, small_network
from torch import Tensor, nn

from actspec_bench import Problem
from actspec_bench.problems.networks.replacing import Units


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x))


def test_layers_that_cannot_serve_are_refused() -> None:
    inputs = torch.randn(4, 3)
    with pytest.raises(ValueError, match="runs 2 times"):
        Problem.from_module(Twice(), layer="inner", inputs=inputs, target=0)
    with pytest.raises(ValueError, match=r"no layer 'iner'; did you mean 'inner'"):
        Problem.from_module(Twice(), layer="iner", inputs=inputs, target=0)
    with pytest.raises(ValueError, match="target 9 is not a class"):
        Problem.from_module(small_network(), layer="1", inputs=inputs, target=9)
    with pytest.raises(ValueError, match="not a module of the model"):
        Problem.from_module(small_network(), layer=nn.ReLU(), inputs=inputs, target=0)


@pytest.mark.parametrize("kind", ["channels", "features"])
def test_what_is_written_into_a_layer_is_read_from_it(kind: str) -> None:
    output = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    x = torch.randn(7, 3 if kind == "channels" else 5)
    written = Units(kind).write(output, x)
    assert written.shape == (7, 3, 4, 5)
    assert torch.allclose(Units(kind).read(written), x, atol=1e-6)
    spread = (written - output).std((2, 3) if kind == "channels" else (1, 2))
    assert spread.max() < 1e-6


class Pair(nn.Module):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.inner, self.wrap = nn.Linear(3, 5), wrap

    def forward(self, x: Tensor):
        return self.wrap(x[:, :2], torch.tanh(self.inner(x)))


class OverPair(nn.Module):
    def __init__(self, wrap, key) -> None:
        super().__init__()
        self.pair, self.head, self.key = Pair(wrap), nn.Linear(5, 2), key

    def forward(self, x: Tensor) -> Tensor:
        found = self.pair(x)
        item = getattr(found, self.key) if hasattr(found, "second") else found[self.key]
        return self.head(item)


class Two(NamedTuple):
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class TwoFields:
    first: Tensor
    second: Tensor


@pytest.mark.parametrize(
    ("wrap", "key", "output"),
    [
        (lambda a, b: (a, b), 1, 1),
        (lambda a, b: [b, a], 0, None),
        (lambda a, b: {"first": a, "second": b}, "second", "second"),
        (lambda a, b: OrderedDict(first=b, second=a), "first", None),
        (Two, "second", 1),
        (TwoFields, "second", "second"),
    ],
)
def test_one_tensor_of_what_a_layer_returns_is_replaced(wrap, key, output) -> None:
    torch.manual_seed(0)
    model, inputs = OverPair(wrap, key), torch.randn(20, 3)
    problem = Problem.from_module(
        model, layer="pair", output=output, inputs=inputs, target=1, readout="margin"
    )
    x = torch.randn(4, 5)
    assert torch.allclose(problem.value(x), of_class(model.head(x), 1), atol=1e-6)
    assert torch.allclose(problem.foreground, torch.tanh(model.pair.inner(inputs)), atol=1e-6)
    assert problem.notes == ()


def test_a_part_that_is_no_tensor_of_numbers_is_told() -> None:
    model, inputs = OverPair(lambda a, b: (a, b), 1), torch.randn(4, 3)
    with pytest.raises(ValueError, match=r"no tensor output=7; it has 0, 1"):
        Problem.from_module(model, layer="pair", output=7, inputs=inputs, target=0)
    embedding = nn.Sequential(nn.Identity(), nn.Embedding(9, 3), nn.Flatten(), nn.Linear(6, 2))
    words = torch.randint(0, 9, (4, 2))
    with pytest.raises(ValueError, match=r"torch.int64 numbers, which are no activations"):
        Problem.from_module(embedding, layer="0", inputs=words, target=0)


@pytest.mark.parametrize("call", [0, 1])
def test_one_run_of_a_shared_module_is_replaced(call: int) -> None:
    torch.manual_seed(0)
    model, inputs = Shared(), torch.randn(20, 4)
    problem = Problem.from_module(
        model, layer="cell", call=call, inputs=inputs, target=0, readout="margin"
    )
    runs = [model.cell(inputs)]
    runs.append(model.cell(torch.tanh(runs[0])))
    assert torch.allclose(problem.foreground, runs[call], atol=1e-6)
    x = torch.randn(6, 4)
    last = x if call else model.cell(torch.tanh(x))
    assert torch.allclose(problem.value(x), of_class(model.head(torch.tanh(last)), 0), atol=1e-6)


def test_which_run_is_meant_must_be_said() -> None:
    inputs = torch.randn(20, 4)
    with pytest.raises(ValueError, match=r"runs 2 times .* call=0 to call=1"):
        Problem.from_module(Shared(), layer="cell", inputs=inputs, target=0)
    with pytest.raises(ValueError, match=r"call=2 is not one of 0 to 1"):
        Problem.from_module(Shared(), layer="cell", call=2, inputs=inputs, target=0)
    model = Shared()
    model.spare = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="does not run"):
        Problem.from_module(model, layer="spare", inputs=inputs, target=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": "rows"}, "'all', 'channels' or 'features', not 'rows'"),
        ({"position": 1}, "units='features'"),
        ({"units": "features", "position": 1}, r"position=1 needs a layer .* not \(1, 2\)"),
        ({"threshold": torch.zeros(3)}, r"threshold must have shape \(2,\)"),
    ],
)
def test_units_that_do_not_fit_are_told(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem.from_module(Shared(), layer="head", inputs=torch.randn(5, 4), target=0, **options)
