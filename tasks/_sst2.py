"""SST-2 -> trained transformer: vocabulary, training recipe and what is cached with it.

The settings were chosen on a part of the training rows (1,000 rows that look like whole
sentences, with all phrases that occur in them taken out of the rest), never on the dev split.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from actspec_bench.tasks import _transformer
from actspec_bench.tasks._hidden import Bottleneck
from actspec_bench.tasks._transformer import Transformer
from torch import Tensor
from torch.nn import functional

from actspec_bench.data import read_sst2
from actspec_bench.data.catalogue import data_set
from actspec_bench.networks import cached_tensors, recipe_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float, Int

LAYERS = 2
HEADS = 8
WIDTH = 64
INNER = 128
POOLER = 64
POSITIONS = 64
DROPOUT = 0.2
EMBEDDING_STD = 0.1
POSITION_STD = 0.02

SEED = 0
EPOCHS = 3
BATCH = 256
LEARNING_RATE = 2e-3
WARM_UP = 0.1
WEIGHT_DECAY = 0.01
WORD_DROPOUT = 0.1

PADDING, START, UNKNOWN = range(3)
MARKS = ("[PAD]", "[CLS]", "[UNK]")
RAREST = 2
SENTENCE_WORDS = 10
SENTENCES = 4096
CHUNK = 512


def _network(words: int) -> Transformer:
    return Transformer(
        words,
        positions=POSITIONS,
        width=WIDTH,
        layers=LAYERS,
        heads=HEADS,
        inner=INNER,
        pooler=POOLER,
        classes=2,
        dropout=DROPOUT,
    )


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Three marks, then every word that occurs at least twice, in alphabetical order."""
    counts = Counter(word for text in texts for word in text.split())
    return [*MARKS, *sorted(word for word, count in counts.items() if count >= RAREST)]


def numbers(texts: Sequence[str], places: dict[str, int]) -> Int[Tensor, "rows longest"]:
    """[CLS] and the words' places in the vocabulary, padded; unknown words are [UNK]."""
    rows = [[START, *(places.get(word, UNKNOWN) for word in text.split())] for text in texts]
    padded = np.full((len(rows), max(map(len, rows))), PADDING)
    for row, line in zip(rows, padded, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)


def fit(
    model: Transformer, x: Int[Tensor, "rows longest"], y: Int[Tensor, " rows"], seed: int
) -> None:
    """Minimise the cross-entropy over batches of rows of similar length.

    In every batch a tenth of the words is replaced by [UNK]. AdamW under one cycle of the
    learning rate (Loshchilov & Hutter 2019; Smith & Topin 2019).
    """
    rng = np.random.default_rng(seed)
    present = x != PADDING
    lengths = present.sum(1)
    steps = EPOCHS * -(-len(x) // BATCH)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1]},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=WARM_UP
    )
    model.train()
    for _ in range(EPOCHS):
        shuffled = torch.from_numpy(rng.permutation(len(x)))
        batches = shuffled[lengths[shuffled].argsort(stable=True)].split(BATCH)
        for number in rng.permutation(len(batches)).tolist():
            rows = batches[number]
            longest = int(lengths[rows].max())
            words = x[rows, :longest]
            dropped = (torch.rand(words.shape) < WORD_DROPOUT) & (words > UNKNOWN)
            vectors = model.words(words.masked_fill(dropped, UNKNOWN))
            loss = functional.cross_entropy(model(vectors, present[rows, :longest]), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    model.eval()


def _encoded(model: Transformer, x: Int[Tensor, "rows longest"]) -> Float[Tensor, "rows pooler"]:
    parts = [model.encode(model.words(part), part != PADDING) for part in x.split(CHUNK)]
    return torch.cat(parts)


def _mean_heads(model: Transformer, x: Int[Tensor, "rows longest"]) -> list[Tensor]:
    """Mean output (heads, head) of the heads of each block over all words that ask."""
    sums, counts = [torch.zeros(HEADS, WIDTH // HEADS) for _ in range(LAYERS)], [0] * LAYERS
    for part in x.split(CHUNK):
        present = part != PADDING
        for i, outputs in enumerate(model.head_outputs(model.words(part), present)):
            asking = present[:, : outputs.shape[2]]
            sums[i] = sums[i] + (outputs * asking[:, None, :, None]).sum((0, 2))
            counts[i] += int(asking.sum())
    return [total / count for total, count in zip(sums, counts, strict=True)]


def train(seed: int = SEED) -> dict[str, Tensor]:
    """Train the network; return its weights with all that needs the training rows.

    Beside the weights: ``vocabulary`` (UTF-8, one word a line), ``sentences`` (4,096, 64), what
    enters the pooler's ReLU on training rows that look like whole sentences, ``mean_heads``
    (layers, heads, head), the heads' mean outputs on the same rows, and ``dev_accuracy``.
    """
    texts, labels = read_sst2("train")
    words = vocabulary(texts)
    places = {word: place for place, word in enumerate(words)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _network(len(words))
        torch.nn.init.normal_(model.words.weight, std=EMBEDDING_STD)
        torch.nn.init.normal_(model.positions, std=POSITION_STD)
        fit(model, numbers(texts, places), torch.from_numpy(labels), seed)
    with torch.no_grad():
        chosen = numbers(sentence_rows(texts), places)
        dev, truth = read_sst2("dev")
        logits = model.read(_encoded(model, numbers(dev, places)).relu())
        return {
            **model.state_dict(),
            "vocabulary": torch.frombuffer(bytearray("\n".join(words).encode()), dtype=torch.uint8),
            "sentences": _encoded(model, chosen),
            "mean_heads": torch.stack(_mean_heads(model, chosen)),
            "dev_accuracy": (logits.argmax(1) == torch.from_numpy(truth)).double().mean(),
        }


def sentence_rows(texts: Sequence[str]) -> list[str]:
    """Training rows of ten words or more that end in a full stop; most are whole sentences."""
    long = [t for t in texts if t.endswith(" .") and len(t.split()) >= SENTENCE_WORDS]
    order = np.random.default_rng(SEED).permutation(len(long))[:SENTENCES]
    return [long[i] for i in order]


@dataclass(frozen=True)
class Sentiment:
    """The trained network as tasks use it.

    Attributes
    ----------
    model
        In evaluation mode, without gradients to its weights.
    places
        Word -> row of the word vectors.
    sentences
        (4096, pooler) what enters the pooler's ReLU on training sentences.
    mean_heads
        (layers, heads, head) mean outputs of the heads on the same.
    accuracy
        Share of the 872 dev sentences that it gets right.
    """

    model: Transformer
    places: dict[str, int]
    sentences: Tensor
    mean_heads: Tensor
    accuracy: float

    @property
    def heads(self) -> tuple[int, int]:
        """Layers, and heads of each."""
        return LAYERS, HEADS

    def _vectors(self, words: Sequence[str]) -> Float[Tensor, "T width"]:
        place = torch.tensor([START, *(self.places.get(word, UNKNOWN) for word in words)])
        vectors: Tensor = self.model.words(place).detach()
        return vectors

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "rows 2"]:
        """Logits of whole texts."""
        with torch.no_grad():
            return self.model.read(_encoded(self.model, numbers(texts, self.places)).relu())

    def bottleneck(self, texts: Sequence[str]) -> Bottleneck:
        """Pooler over the training sentences, with ``texts`` held out."""
        with torch.no_grad():
            heldout = _encoded(self.model, numbers(texts, self.places))
        return Bottleneck(self.sentences, heldout, torch.relu, self.model.read)

    def by_words(self, words: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """Logits with each word between [UNK] (-1) and itself (+1), at its own position."""
        own = self._vectors(words)
        start, own, unknown = own[:1], own[1:], self._vectors([MARKS[UNKNOWN]])[1:]
        middle, half = (own + unknown) / 2, (own - unknown) / 2

        def logits(x: Tensor) -> Tensor:
            shown = torch.addcmul(middle, x[:, :, None], half)
            return self.model(torch.cat([start.expand(len(x), -1, -1), shown], 1))

        return logits

    def by_heads(self, words: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """Logits on ``words`` with each head between its mean (-1) and its own output (+1)."""
        vectors = self._vectors(words)[None]

        def logits(x: Tensor) -> Tensor:
            kept = (x.reshape(-1, *self.heads) + 1) / 2
            pooled = self.model.encode(vectors, kept=kept, means=self.mean_heads)
            return self.model.read(pooled.relu())

        return logits


@cache
def network() -> Sentiment:
    """The one network of all instances; trained on first use, then cached."""
    found = cached_tensors(
        "sst2",
        train,
        seed=SEED,
        data=[file.forms[-1].sha256 for file in data_set("sst2").files],
        recipe=recipe_digest(__file__, _transformer.__file__),
    )
    words = bytes(found.pop("vocabulary").numpy()).decode().split("\n")
    sentences, mean_heads = found.pop("sentences"), found.pop("mean_heads")
    accuracy = float(found.pop("dev_accuracy"))
    model = _network(len(words))
    model.load_state_dict(found)
    model.requires_grad_(False).eval()
    places = {word: place for place, word in enumerate(words)}
    return Sentiment(model, places, sentences, mean_heads, accuracy)
