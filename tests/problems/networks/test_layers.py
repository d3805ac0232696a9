"""Layers of networks of every sort become problems, and the networks stay as they were."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench import Problem
from actspec_bench.problems.networks.replacing import Units


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


IMAGES = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def of_class(logits: Tensor, target: int) -> Tensor:
    rivals = [c for c in range(logits.shape[1]) if c != target]
    return logits[:, target] - logits[:, rivals].amax(1)


def state_of(model: nn.Module) -> list:
    return [
        [module.training for module in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [p.grad is None for p in model.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        {k: v.tolist() for k, v in model.state_dict().items()},
        torch.get_rng_state().tolist(),
    ]


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


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.cell(torch.tanh(self.cell(x)))))


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


def test_an_encoder_of_torch_itself_with_its_fast_path() -> None:
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(encoder, nn.Flatten(), nn.Linear(40, 3))
    inputs = torch.randn(20, 5, 8)
    problem = Problem.from_module(
        model, layer="0.linear1", inputs=inputs, target=1, readout="margin", units="features",
        position=0,
    )  # fmt: skip
    assert problem.n == 16
    own = problem.foreground[:1]
    assert torch.allclose(problem.value(own), of_class(model.eval()(inputs[:1]), 1), atol=1e-5)


@pytest.fixture
def bert() -> tuple[nn.Module, dict[str, Tensor]]:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_labels": 3}
    config = BertConfig(**sizes, num_attention_heads=2, intermediate_size=12)
    words = torch.randint(0, 50, (20, 7))
    return BertForSequenceClassification(config), {
        "input_ids": words,
        "attention_mask": (words > 5).long().index_fill(1, torch.tensor([0]), 1),
    }


def test_a_field_of_a_transformers_output(bert: tuple[nn.Module, dict[str, Tensor]]) -> None:
    model, inputs = bert
    x, before = torch.randn(5, 16), state_of(model)
    problem = Problem.from_module(
        model, layer="bert", output="pooler_output", inputs=inputs, target=2, readout="margin"
    )
    assert torch.allclose(problem.value(x), of_class(model.classifier(x), 2), atol=1e-6)
    assert problem.notes == ()
    assert state_of(model) == before
    pooled = model.eval().bert(**inputs).pooler_output
    assert torch.allclose(problem.foreground, pooled, atol=1e-5)


def test_neurons_of_a_transformer_at_its_first_token(
    bert: tuple[nn.Module, dict[str, Tensor]],
) -> None:
    model, inputs = bert
    problem = Problem.from_module(
        model, layer="bert.encoder.layer.0.intermediate", inputs=inputs, target=0,
        readout="margin", units="features", position=0, budget=1000,
    )  # fmt: skip
    assert (problem.n, len(problem.notes)) == (12, 1)
    own = problem.foreground[:1]
    carrier = {name: tensor[:1] for name, tensor in inputs.items()}
    logits = model.eval()(**carrier).logits
    assert torch.allclose(problem.value(own), of_class(logits, 0), atol=1e-5)

    # The same function by hand: the change that neurons make to the feed-forward sum.
    x = problem.foreground[5:9]
    layer = model.bert.encoder.layer[0]

    def add(_module, _inputs, out: Tensor) -> Tensor:
        changed = out.expand(4, -1, -1).clone()
        changed[:, 0] += (x - own) @ layer.output.dense.weight.T
        return changed

    handle = layer.output.dense.register_forward_hook(add)
    copies = {name: tensor.expand(4, -1) for name, tensor in carrier.items()}
    expected = of_class(model(**copies).logits, 0)
    handle.remove()
    assert torch.allclose(problem.value(x), expected, atol=1e-5)
    leaf = x.clone().requires_grad_()
    problem.margin(leaf).sum().backward()
    step = torch.randn(4, 12) * 1e-2
    slope = (problem.value(x + step) - problem.value(x - step)) / 2
    assert torch.allclose((leaf.grad * step).sum(1), slope, rtol=0.05, atol=1e-6)


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
