"""Sentiment transformer -> its pooler over sentences, its heads and the words of a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

from torch import Tensor, nn

from actspec_bench.caching import recipe_digest, weights_digest
from actspec_bench.data import read_sst2
from actspec_bench.tasks.enumeration.parts import Parts
from actspec_bench.tasks.networks import sst2_training, transformer
from actspec_bench.tasks.networks.bottleneck import Bottleneck
from actspec_bench.tasks.networks.sentences import (
    DevSplit,
    LogitsOf,
    drawn,
    head_names,
    sentence_parts,
)
from actspec_bench.tasks.networks.sst2_training import network, sentence_rows

Kind = Literal["plain", "negation", "contrast"]

# Any five seeds in a row meet each kind; plain sentences are the most frequent ones.
KINDS: tuple[Kind, ...] = ("plain", "negation", "plain", "contrast", "plain")
NEGATIONS = frozenset({"not", "n't", "never", "no", "nothing", "neither", "nor", "without"})
CONTRASTS = frozenset({"but", "although", "though", "yet", "however", "despite"})
WORDS = range(10, 15)


def kind_of(words: Sequence[str]) -> Kind:
    """``"contrast"`` if a word of contrast occurs, else ``"negation"`` likewise, else plain."""
    if not CONTRASTS.isdisjoint(words):
        return "contrast"
    return "plain" if NEGATIONS.isdisjoint(words) else "negation"


@cache
def dev() -> DevSplit:
    """Dev sentences, and which of them the network gets right."""
    sentiment = network()
    return DevSplit.of(sentiment.model.head(sentiment.dev.relu()))


def layer(seed: int) -> Bottleneck:
    """Pooler over 2,048 training sentences drawn by ``seed``, with the dev split held out."""
    found = network()
    facts = {"dev_accuracy": dev().accuracy}
    whole = Bottleneck(found.sentences, found.dev, nn.ReLU(), found.model.head, facts=facts)
    return drawn(whole, lambda: sentence_rows(read_sst2("train")[0]), seed)


def heads(seed: int) -> Parts:
    """All attention heads, on a dev sentence."""
    shape = network().heads

    def logits_of(words: Sequence[str], *, on_device: bool) -> Callable[[Tensor], Tensor]:
        return network().placed(on_device=on_device).by_heads(words)

    return _parts("sst2-heads", logits_of, turn=seed, names=head_names(*shape), layout=shape)


def tokens(seed: int, *, kind: Kind | None) -> Parts:
    """Words of a dev sentence of a ``kind``, which comes from the seed if not given."""
    cycle, place = divmod(seed, len(KINDS))
    wanted, turn = kind, seed
    if wanted is None:
        wanted = KINDS[place]
        turn = cycle * KINDS.count(wanted) + KINDS[:place].count(wanted)

    def logits_of(words: Sequence[str], *, on_device: bool) -> Callable[[Tensor], Tensor]:
        return network().placed(on_device=on_device).by_words(words)

    return _parts(
        f"sst2-tokens-{wanted}",
        logits_of,
        turn=turn,
        serves=lambda words: kind_of(words) == wanted,
    )


def _parts(name: str, logits_of: LogitsOf, **options: Any) -> Parts:
    """Parts of a dev sentence of 10 to 14 words."""
    return sentence_parts(
        name,
        dev(),
        logits_of,
        words=WORDS,
        facts=lambda words: {"dev_accuracy": dev().accuracy, "kind": kind_of(words)},
        depends_on={
            "network": weights_digest(network().model),
            "recipe": recipe_digest(__file__, sst2_training.__file__, transformer.__file__),
        },
        **options,
    )
