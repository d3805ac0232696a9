"""Transformers computed head by head from their formulas, for tests to compare with."""

from __future__ import annotations

import torch
from torch.nn import functional

from actspec_bench.tasks.networks.encoder import Encoder
from actspec_bench.tasks.networks.transformer import Transformer


def bert_by_hand(encoder: Encoder, ids: list[int], replaced: dict | None = None):
    """Embedding of one text and its heads' outputs, by the formulas of BERT, head by head."""
    bert, outputs = encoder.bert, []
    parts = bert.embeddings
    x = parts.word_embeddings.weight[ids] + parts.position_embeddings.weight[: len(ids)]
    x = parts.LayerNorm(x + parts.token_type_embeddings.weight[0])
    size = x.shape[1] // bert.config.num_attention_heads
    for number, layer in enumerate(bert.encoder.layer):
        own = layer.attention.self
        queries, keys, values = own.query(x), own.key(x), own.value(x)
        found = []
        for j in range(bert.config.num_attention_heads):
            part = slice(j * size, (j + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / size**0.5
            head = torch.softmax(scores, 1) @ values[:, part]
            found.append((replaced or {}).get((number, j), head).expand(len(ids), -1))
        outputs.append(torch.stack(found))
        after = layer.attention.output
        x = after.LayerNorm(after.dense(torch.cat(found, 1)) + x)
        inner = functional.gelu(layer.intermediate.dense(x))
        x = layer.output.LayerNorm(layer.output.dense(inner) + x)
    mean = x.mean(0)
    return mean / mean.norm(), torch.stack(outputs)


def transformer_by_hand(model: Transformer, vectors: torch.Tensor) -> torch.Tensor:
    """Logits of one input (T, width), from the formulas of Vaswani et al. 2017, head by head."""
    x = vectors + model.positions[: len(vectors)]
    for block in model.blocks:
        normed = block.before_attention(x)
        queries, keys, values = block.queries_keys_values(normed).split(x.shape[1], dim=1)
        size = x.shape[1] // block.heads
        outputs = []
        for j in range(block.heads):
            part = slice(j * size, (j + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / size**0.5
            outputs.append(torch.softmax(scores, 1) @ values[:, part])
        x = x + block.output(torch.cat(outputs, 1))
        first, _, second = block.inner
        x = x + second(first(block.before_inner(x)).clamp(min=0))
    return model.head(model.pooler(model.norm(x[0])).clamp(min=0))
