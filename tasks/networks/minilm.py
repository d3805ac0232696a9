"""Pretrained encoder with a sentiment head -> its units, its heads, the words of a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from torch import Tensor, nn

from actspec_bench.caching import recipe_digest, weights_digest
from actspec_bench.data import read_sst2
from actspec_bench.tasks.enumeration.parts import Parts
from actspec_bench.tasks.networks import encoder as pretrained
from actspec_bench.tasks.networks import minilm_training
from actspec_bench.tasks.networks.bottleneck import Bottleneck
from actspec_bench.tasks.networks.encoder import encoder
from actspec_bench.tasks.networks.minilm_training import chosen_sentences, sentiment
from actspec_bench.tasks.networks.sentences import (
    DevSplit,
    LogitsOf,
    drawn,
    head_names,
    sentence_parts,
)

WORDS = range(6, 11)


@cache
def dev() -> DevSplit:
    """Dev sentences, and which of them the network gets right."""
    network = sentiment()
    return DevSplit.of(network.head[1:](network.dev))


def _facts() -> dict[str, Any]:
    return {"dev_accuracy": dev().accuracy, "transformers": version("transformers")}


def layer(seed: int) -> Bottleneck:
    """Units of the head over 2,048 training sentences; the encoder is not run, once it was."""
    network = sentiment()

    def texts() -> list[str]:
        every = read_sst2("train")[0]
        return [every[place] for place in chosen_sentences(every)]

    whole = Bottleneck(network.sentences, network.dev, nn.ReLU(), network.head[2], facts=_facts())
    return drawn(whole, texts, seed)


def heads(seed: int) -> Parts:
    """All attention heads of the encoder, on a dev sentence."""
    layers, each = sentiment().mean_heads.shape[:2]

    def logits_of(words: Sequence[str], *, on_device: bool) -> Callable[[Tensor], Tensor]:
        loaded = encoder().placed(on_device=on_device)
        return sentiment().placed(on_device=on_device).by_heads(loaded, words)

    return _parts("minilm-heads", logits_of, seed, head_names(layers, each), (layers, each))


def tokens(seed: int) -> Parts:
    """Words of a dev sentence."""

    def logits_of(words: Sequence[str], *, on_device: bool) -> Callable[[Tensor], Tensor]:
        loaded = encoder().placed(on_device=on_device)
        return sentiment().placed(on_device=on_device).by_words(loaded, words)

    return _parts("minilm-tokens", logits_of, seed)


def _parts(
    name: str,
    logits_of: LogitsOf,
    turn: int,
    names: tuple[str, ...] | None = None,
    layout: tuple[int, int] | None = None,
) -> Parts:
    """Parts of a dev sentence of 6 to 10 words."""
    return sentence_parts(
        name,
        dev(),
        logits_of,
        turn=turn,
        words=WORDS,
        names=names,
        layout=layout,
        facts=lambda _: _facts(),
        depends_on={
            "encoder": pretrained.identity(),
            "head": weights_digest(sentiment().head),
            "recipe": recipe_digest(__file__, pretrained.__file__, minilm_training.__file__),
        },
    )
