"""Trained sentiment network -> problems of its pooler, its heads and a sentence's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from actspec_bench.caching import recipe_digest, weights_digest
from actspec_bench.data import read_sst2
from actspec_bench.problems.devices import chosen
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin
from actspec_bench.problems.source import Readout
from actspec_bench.tasks.enumeration.choosing import enumeration, in_turn, searched
from actspec_bench.tasks.networks import sst2_training as _sst2
from actspec_bench.tasks.networks import transformer as _transformer
from actspec_bench.tasks.networks.bottleneck import Bottleneck, hidden_units
from actspec_bench.tasks.networks.sst2_training import Sentiment, network, sentence_rows

Kind = Literal["plain", "negation", "contrast"]

# Any five seeds in a row meet each kind; plain sentences are the most frequent ones.
KINDS: tuple[Kind, ...] = ("plain", "negation", "plain", "contrast", "plain")
NEGATIONS = frozenset({"not", "n't", "never", "no", "nothing", "neither", "nor", "without"})
CONTRASTS = frozenset({"but", "although", "though", "yet", "however", "despite"})
FEWEST_WORDS = 10
MOST_WORDS = 14
ROWS = 2048


def kind_of(words: Sequence[str]) -> Kind:
    """``"contrast"`` if a word of contrast occurs, else ``"negation"`` likewise, else plain."""
    if not CONTRASTS.isdisjoint(words):
        return "contrast"
    return "plain" if NEGATIONS.isdisjoint(words) else "negation"


@cache
def dev() -> tuple[list[list[str]], list[int], list[bool]]:
    """Words of the dev sentences, their labels, and whether the network gets them right."""
    texts, labels = read_sst2("dev")
    sentiment = network()
    right = sentiment.model.head(sentiment.dev.relu()).argmax(1) == torch.from_numpy(labels)
    return [text.split() for text in texts], labels.tolist(), right.tolist()


def accuracy() -> float:
    """Share of the 872 dev sentences that the network gets right."""
    right = dev()[2]
    return sum(right) / len(right)


def bottleneck(seed: int) -> tuple[Bottleneck, float]:
    """Pooler over 2,048 training sentences drawn by ``seed``, and the network's dev accuracy."""
    layer = network().bottleneck()
    order = torch.randperm(len(layer.before), generator=torch.Generator().manual_seed(seed))
    drawn = order[:ROWS]

    def texts() -> list[str]:
        rows = sentence_rows(read_sst2("train")[0])
        return [rows[place] for place in drawn.tolist()]

    return replace(layer, before=layer.before[drawn], originals=texts), accuracy()


def pooler(seed: int, *, readout: Readout, target: int | None) -> Instance:
    """Build an sst2-pooler instance."""
    layer, dev_accuracy = bottleneck(seed)
    target = seed % 2 if target is None else target
    problem = hidden_units(layer, readout=readout, target=target)
    facts = {"dev_accuracy": dev_accuracy, "target": target}
    return Instance(problem, None, facts, layer.inputs)


def heads(seed: int, *, readout: Readout, subsets: int) -> Instance:
    """Build an sst2-heads instance."""
    layers, each = network().heads
    names = tuple(f"layer {i}, head {j}" for i in range(layers) for j in range(each))
    return _instance(
        "sst2-heads",
        Sentiment.by_heads,
        lambda _: True,
        lambda _: names,
        turn=seed,
        readout=readout,
        subsets=subsets,
        layout=(layers, each),
    )


def tokens(seed: int, *, readout: Readout, subsets: int, kind: Kind | None) -> Instance:
    """Build an sst2-tokens instance."""
    cycle, place = divmod(seed, len(KINDS))
    wanted, turn = kind, seed
    if wanted is None:
        wanted = KINDS[place]
        turn = cycle * KINDS.count(wanted) + KINDS[:place].count(wanted)
    return _instance(
        f"sst2-tokens-{wanted}",
        Sentiment.by_words,
        lambda words: kind_of(words) == wanted,
        tuple,
        turn=turn,
        readout=readout,
        subsets=subsets,
    )


def _instance(
    name: str,
    logits_of: Callable[[Sentiment, Sequence[str]], Callable[[Tensor], Tensor]],
    serves: Callable[[Sequence[str]], bool],
    names_of: Callable[[Sequence[str]], tuple[str, ...]],
    *,
    turn: int,
    readout: Readout,
    subsets: int,
    layout: tuple[int, int] | None = None,
) -> Instance:
    """Masked problem of a dev sentence of 10 to 14 words which the network gets right.

    The margin is that of the sentence's label.
    """
    sentiment = network()
    sentences, labels, right = dev()

    def candidates() -> list[int]:
        found = [
            i
            for i, words in enumerate(sentences)
            if right[i] and FEWEST_WORDS <= len(words) <= MOST_WORDS and serves(words)
        ]
        return in_turn(found, turn)

    def margin_of(position: int, sentiment: Sentiment = sentiment) -> Callable[[Tensor], Tensor]:
        logits = logits_of(sentiment, sentences[position])
        return lambda x: class_margin(logits(x), labels[position])

    position, margins = searched(
        name,
        candidates,
        margin_of,
        lambda position: len(names_of(sentences[position])),
        network=weights_digest(sentiment.model),
        turn=turn,
        recipe=recipe_digest(__file__, _sst2.__file__, _transformer.__file__),
    )
    words = sentences[position]
    names = names_of(words)
    found = enumeration(margins, readout=readout, subsets=subsets)
    facts = {
        "dev_accuracy": accuracy(),
        "sentence": " ".join(words),
        "label": labels[position],
        "kind": kind_of(words),
    }
    problem = Problem(
        masked(
            margin_of(position, sentiment.on_device()),
            len(names),
            readout=readout,
            unit_names=names,
            layout=layout,
            device=chosen(),
        )
    )
    return Instance(problem, found.truth, {**facts, **found.facts})
