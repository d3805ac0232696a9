"""The small transformer against its formulas."""

from __future__ import annotations

import pytest
import torch
from by_hand import transformer_by_hand

from actspec_bench.tasks.networks.transformer import Transformer


def small(layers: int = 2) -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Transformer(
            9,
            positions=12,
            width=8,
            layers=layers,
            heads=4,
            inner=16,
            pooler=6,
            classes=2,
            dropout=0.5,
        )
        torch.nn.init.normal_(model.positions)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_transformer_computes_its_formulas(layers: int) -> None:
    model = small(layers)
    vectors = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([transformer_by_hand(model, one) for one in vectors])
    assert torch.allclose(model(vectors), expected, atol=1e-5)


def test_padding_changes_nothing() -> None:
    model = small()
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, 7, 8, generator=generator)
    present_words = torch.ones(2, 7, dtype=torch.bool)
    present_words[0, 4:] = False
    padded = model(vectors, present_words)
    assert torch.allclose(padded[0], model(vectors[:1, :4])[0], atol=1e-5)
    assert torch.allclose(padded[1], model(vectors[1:])[0], atol=1e-5)
    assert not torch.allclose(padded[0], model(vectors[:1])[0], atol=1e-3)


def test_a_head_is_replaced_before_the_output_projection() -> None:
    model = small()
    vectors = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(1))
    means = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(2))
    kept = torch.ones(2, 2, 4)
    kept[1, 0, 3] = 0
    logits = model.head(model.encode(vectors, kept=kept, means=means).relu())
    assert torch.allclose(logits[0], model(vectors)[0], atol=1e-6)

    def cut(_: object, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        changed = inputs[0].clone()
        changed[..., 6:] = means[0, 3]
        return changed

    handle = model.blocks[0].output.register_forward_pre_hook(cut)
    hooked = model(vectors)
    handle.remove()
    assert torch.allclose(logits[1], hooked[0], atol=1e-6)
    assert not torch.allclose(logits[1], logits[0], atol=1e-4)
