"""Word vectors -> class logits: a small transformer encoder whose heads can be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = ["Block", "Transformer"]


class Block(nn.Module):
    """Pre-norm block: multi-head attention, then a ReLU network, each added to the stream.

    ``x + W_o attention(norm(x))``, then ``x + W_2 relu(W_1 norm(x))`` (Vaswani et al. 2017,
    sections 3.2 and 3.3; norms placed as in Xiong et al. 2020, figure 1b).
    """

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.before_inner = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))
        self.dropout = nn.Dropout(dropout)

    def attend(
        self, x: Float[Tensor, "B T width"], present: Bool[Tensor, "B T"] | None, asking: int
    ) -> Float[Tensor, "B heads asking head"]:
        """Outputs of all heads at the first ``asking`` positions, before their projection."""
        normed = self.before_attention(x)
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.queries_keys_values(normed).chunk(3, dim=-1)
        )
        mask = None if present is None else present[:, None, None, :]
        return functional.scaled_dot_product_attention(queries[:, :, :asking], keys, values, mask)

    def forward(
        self, x: Float[Tensor, "B T width"], outputs: Float[Tensor, "B heads asking head"]
    ) -> Float[Tensor, "B asking width"]:
        """Stream after this block, at the positions whose head ``outputs`` are given."""
        projected = self.output(outputs.transpose(1, 2).flatten(2))
        x = x[:, : outputs.shape[2]] + self.dropout(projected)
        found: Tensor = x + self.dropout(self.inner(self.before_inner(x)))
        return found


class Transformer(nn.Module):
    """Encoder of [CLS] and words, a ReLU pooler over [CLS], and a linear head.

    The last block asks from [CLS] alone, for nothing else is read.

    Parameters
    ----------
    words
        Size of the vocabulary.
    positions
        Longest input, [CLS] counted.
    width, layers, heads, inner
        Width of the stream, blocks, heads a block, units of a block's ReLU network.
    pooler
        Units of the pooler.
    classes
        Logits.
    dropout
        Share of embeddings and of block outputs that training drops.
    """

    def __init__(
        self,
        words: int,
        *,
        positions: int,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        pooler: int,
        classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Parameter(torch.empty(positions, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, inner, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pooler = nn.Linear(width, pooler)
        self.head = nn.Linear(pooler, classes)

    def head_outputs(
        self,
        vectors: Float[Tensor, "B T width"],
        present: Bool[Tensor, "B T"] | None = None,
    ) -> list[Float[Tensor, "B heads asking head"]]:
        """Outputs of the heads of every block, before their projection."""
        outputs: list[Tensor] = []
        self.encode(vectors, present, outputs=outputs)
        return outputs

    def encode(
        self,
        vectors: Float[Tensor, "B T width"],
        present: Bool[Tensor, "B T"] | None = None,
        *,
        kept: Float[Tensor, "B layers heads"] | None = None,
        means: Float[Tensor, "layers heads head"] | None = None,
        outputs: list[Tensor] | None = None,
    ) -> Float[Tensor, "B pooler"]:
        """Pooler's values before their ReLU.

        Parameters
        ----------
        vectors
            Word vectors without positions; the first is [CLS]'s.
        present
            False where a row is padded; None if none is.
        kept, means
            With both, each head's output h is replaced by mean + kept (h - mean) at every
            position; one row of ``vectors`` serves all rows of ``kept``.
        outputs
            Gets each block's head outputs appended.
        """
        x = self.dropout(vectors + self.positions[: vectors.shape[1]])
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            last = number == len(self.blocks) - 1
            found = block.attend(x, present, 1 if last else x.shape[1])
            if outputs is not None:
                outputs.append(found)
            if kept is not None and means is not None:
                mean = means[number][:, None, :]
                found = mean + kept[:, number, :, None, None] * (found - mean)
            x = block(x, found)
        pooled: Tensor = self.pooler(self.norm(x[:, 0]))
        return pooled

    def forward(
        self,
        vectors: Float[Tensor, "B T width"],
        present: Bool[Tensor, "B T"] | None = None,
        *,
        kept: Float[Tensor, "B layers heads"] | None = None,
        means: Float[Tensor, "layers heads head"] | None = None,
    ) -> Float[Tensor, "B classes"]:
        """Logits of word vectors; see `encode`."""
        pooled = self.encode(vectors, present, kept=kept, means=means)
        logits: Tensor = self.head(pooled.relu())
        return logits
