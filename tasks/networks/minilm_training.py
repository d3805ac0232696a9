"""Pretrained encoder and SST-2 -> trained sentiment head, as tasks use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.caching import cached_tensors, recipe_digest
from actspec_bench.data import read_sst2
from actspec_bench.data.catalogue import data_set
from actspec_bench.problems.devices import chosen, placed
from actspec_bench.tasks.networks import encoder as pretrained
from actspec_bench.tasks.networks.encoder import Encoder, encoder

if TYPE_CHECKING:
    from jaxtyping import Float

WIDTH = 384
POOLER = 64
SENTENCES = 4096

# Chosen by fourfold cross-validation on the 4,096 training sentences, where they give 0.811.
SEED = 0
STEPS = 200
BATCH = 256
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
DROPOUT = 0.7


def whole_sentences(texts: Sequence[str]) -> list[int]:
    """Places of the texts that end in a full stop and with which no other text ends.

    GLUE's training rows are sentences together with phrases that occur in them; a phrase that
    has the full stop is the end of its sentence.
    """
    backwards = sorted((text[::-1], place) for place, text in enumerate(texts))
    following = [text for text, _ in backwards[1:]] + [""]
    return sorted(
        place
        for (text, place), longer in zip(backwards, following, strict=True)
        if text.startswith(". ") and not longer.startswith(text)
    )


def fit(x: Float[Tensor, "rows width"], y: Tensor) -> nn.Sequential:
    """Linear layer, ReLU and linear layer from embeddings to logits, trained on ``y``.

    AdamW under one cycle of the learning rate (Loshchilov & Hutter 2019; Smith & Topin 2019),
    with dropout of the ReLU units. Embeddings have length 1; training sees them at the length
    of a standard normal vector, and the weights that are returned have that factor in them.
    """
    length = WIDTH**0.5
    draws = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        first, last = nn.Linear(WIDTH, POOLER), nn.Linear(POOLER, 2)
        model = nn.Sequential(first, nn.ReLU(), nn.Dropout(DROPOUT), last)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
        for _ in range(STEPS):
            rows = torch.randint(0, len(x), (BATCH,), generator=draws)
            loss = functional.cross_entropy(model(x[rows] * length), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    first.weight.data *= length
    return nn.Sequential(first, nn.ReLU(), last)


def chosen_sentences(texts: Sequence[str]) -> list[int]:
    """Places of the 4,096 whole sentences that the head is trained on."""
    drawn: list[int] = np.random.default_rng(SEED).permutation(whole_sentences(texts)).tolist()
    return drawn[:SENTENCES]


def train() -> dict[str, Tensor]:
    """Train the head on 4,096 whole sentences; return its weights with all that needs the data.

    Beside the weights: what enters the pooler's ReLU on these sentences, ``sentences``
    (4096, 64), and on the dev split, ``dev`` (872, 64); and ``mean_heads`` (layers, heads, head),
    the mean outputs of the encoder's heads over all word pieces of the former.
    """
    texts, labels = read_sst2("train")
    places = chosen_sentences(texts)
    x, mean_heads = encoder().embed_all([texts[place] for place in places])
    model = fit(x, torch.from_numpy(labels[places]))
    dev, _ = encoder().embed_all(read_sst2("dev")[0])
    return {
        **model.state_dict(),
        "sentences": model[0](x),
        "dev": model[0](dev),
        "mean_heads": mean_heads,
    }


@dataclass(frozen=True)
class Sentiment:
    """The trained head as tasks use it.

    Attributes
    ----------
    head
        Embedding (rows, width) -> logits (rows, 2): linear layer, ReLU, linear layer.
    sentences, dev
        (4096, pooler), (872, pooler): what enters the ReLU on the training sentences and on the
        dev split.
    mean_heads
        (layers, heads, head) mean outputs of the encoder's heads on the former.
    """

    head: nn.Sequential
    sentences: Float[Tensor, "sentences pooler"]
    dev: Float[Tensor, "dev pooler"]
    mean_heads: Float[Tensor, "layers heads head"]

    def placed(self, *, on_device: bool) -> Sentiment:
        """Return the head on the CPU, or on the device that problems are evaluated on."""
        if not on_device:
            return self
        head = placed(self.head)
        assert isinstance(head, nn.Sequential)
        return replace(self, head=head, mean_heads=self.mean_heads.to(chosen()))

    def by_words(self, encoder: Encoder, words: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """Logits with each word between [UNK] (-1) and itself (+1), at its own places.

        All pieces of a word go together, each to [UNK]; [CLS] and [SEP] stay.
        """
        pieces, owners = encoder.pieces(words)
        unknown = encoder.tokenizer.token_to_id(pretrained.UNKNOWN)
        own, off = encoder.vectors(pieces), encoder.vectors([unknown])
        middle, half = (own + off) / 2, (own - off) / 2
        units = [owner for owner in owners if owner is not None]

        def logits(x: Tensor) -> Tensor:
            on = functional.pad(x[:, units], (1, 1), value=1.0)
            shown = torch.addcmul(middle, on[:, :, None], half)
            found: Tensor = self.head(encoder.embed(shown))
            return found

        return logits

    def by_heads(self, encoder: Encoder, words: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """Logits on ``words`` with each head between its mean (-1) and its own output (+1)."""
        vectors = encoder.vectors(encoder.pieces(words)[0])

        def logits(x: Tensor) -> Tensor:
            kept = (x.reshape(-1, *self.mean_heads.shape[:2]) + 1) / 2

            def mixed(layer: int, outputs: Tensor) -> Tensor:
                return torch.lerp(self.mean_heads[layer], outputs, kept[:, layer, None, :, None])

            with encoder.changing_heads(mixed):
                embedding = encoder.embed(vectors.expand(len(x), -1, -1))
            found: Tensor = self.head(embedding)
            return found

        return logits


@cache
def sentiment() -> Sentiment:
    """The one head of all instances; trained on first use, then cached."""
    found = cached_tensors(
        "minilm",
        train,
        encoder=pretrained.identity(),
        data=[file.forms[-1].sha256 for file in data_set("sst2").files],
        recipe=recipe_digest(__file__, pretrained.__file__),
    )
    kept = {name: found.pop(name) for name in ("sentences", "dev", "mean_heads")}
    head = nn.Sequential(nn.Linear(WIDTH, POOLER), nn.ReLU(), nn.Linear(POOLER, 2))
    head.load_state_dict(found)
    return Sentiment(head.requires_grad_(False).eval(), **kept)
