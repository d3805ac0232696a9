"""Layers of transformers, of torch and of the library of that name."""

from __future__ import annotations

import pytest
import torch
from small_networks import of_class, state_of
from torch import Tensor, nn

from actspec_bench import Problem


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
