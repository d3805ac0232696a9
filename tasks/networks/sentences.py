"""Sentiment network on SST-2 -> a layer over sentences, and the parts of a dev sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from actspec_bench.caching import recipe_digest
from actspec_bench.data import read_sst2
from actspec_bench.problems.readouts import class_margin
from actspec_bench.tasks.enumeration.choosing import in_turn
from actspec_bench.tasks.enumeration.parts import Parts

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.tasks.networks.bottleneck import Bottleneck

__all__ = ["DevSplit", "LogitsOf", "drawn", "head_names", "sentence_parts"]

ROWS = 2048


class LogitsOf(Protocol):
    """What a network makes of the parts of a sentence."""

    def __call__(self, words: Sequence[str], *, on_device: bool) -> Callable[[Tensor], Tensor]:
        """Logits of (B, parts) coordinates, on the CPU or on the device of problems."""
        ...


@dataclass(frozen=True)
class DevSplit:
    """The 872 dev sentences as words, their labels, and whether a network gets them right."""

    sentences: list[list[str]]
    labels: list[int]
    right: list[bool]

    @classmethod
    def of(cls, logits: Float[Tensor, "sentences classes"]) -> DevSplit:
        """Dev split of a network with these logits on it."""
        texts, labels = read_sst2("dev")
        right = logits.argmax(1) == torch.from_numpy(labels)
        return cls([text.split() for text in texts], labels.tolist(), right.tolist())

    @property
    def accuracy(self) -> float:
        """Share of the sentences that the network gets right."""
        return sum(self.right) / len(self.right)


def drawn(layer: Bottleneck, texts: Callable[[], Sequence[str]], seed: int) -> Bottleneck:
    """2,048 rows of a layer over training sentences, drawn by ``seed``, with their ``texts``."""
    order = torch.randperm(len(layer.before), generator=torch.Generator().manual_seed(seed))
    rows = order[:ROWS]

    def originals() -> list[str]:
        all_texts = texts()
        return [all_texts[row] for row in rows.tolist()]

    return replace(layer, before=layer.before[rows], originals=originals)


def head_names(layers: int, heads: int) -> tuple[str, ...]:
    """One name a head."""
    return tuple(f"layer {i}, head {j}" for i in range(layers) for j in range(heads))


def sentence_parts(
    name: str,
    dev: DevSplit,
    logits_of: LogitsOf,
    *,
    turn: int,
    words: range,
    names: tuple[str, ...] | None = None,
    serves: Callable[[Sequence[str]], bool] = lambda _: True,
    facts: Callable[[Sequence[str]], dict[str, Any]],
    depends_on: dict[str, Any],
    layout: tuple[int, int] | None = None,
) -> Parts:
    """Parts of a dev sentence that the network gets right; the class is the sentence's label.

    Parameters
    ----------
    name, depends_on, layout
        See `Parts`.
    dev, logits_of
        The sentences, and what the network makes of their parts.
    turn
        Which of the sentences that serve is tried first.
    words
        How many words a sentence may have.
    names
        Names of the parts; the sentence's words if not given.
    serves
        Whether a sentence may be taken.
    facts
        Words -> figures for the records, to which the sentence and its label are added.
    """

    def candidates() -> list[int]:
        found = [
            i
            for i, sentence in enumerate(dev.sentences)
            if dev.right[i] and len(sentence) in words and serves(sentence)
        ]
        return in_turn(found, turn)

    def margin_of(position: int, *, on_device: bool) -> Callable[[Tensor], Tensor]:
        logits = logits_of(dev.sentences[position], on_device=on_device)
        return lambda x: class_margin(logits(x), dev.labels[position])

    def facts_of(position: int) -> dict[str, Any]:
        sentence = dev.sentences[position]
        told = {"sentence": " ".join(sentence), "label": dev.labels[position]}
        return {**facts(sentence), **told}

    return Parts(
        name,
        candidates,
        margin_of,
        names=lambda position: tuple(dev.sentences[position]) if names is None else names,
        facts=facts_of,
        depends_on={"turn": turn, "recipe_of_parts": recipe_digest(__file__), **depends_on},
        layout=layout,
    )
