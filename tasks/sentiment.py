"""SST-2 tasks: a small transformer's pooler units, heads, and the words of a sentence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task

Label = Annotated[int, Field(ge=0, le=1)]
Subsets = Annotated[int, Field(ge=1, le=1000)]

_DATA = "SST-2 as in GLUE: 67,349 training phrases and sentences, 872 dev sentences"
_LICENCE = "none stated; research use with citation"
_CITATION = "Socher et al. 2013 (EMNLP); Wang et al. 2019 (ICLR); network: Vaswani et al. 2017"
_IMPORTS = ("actspec_bench.tasks.networks.sst2",)


@task(
    "sst2-pooler",
    truth="none",
    main_metric="surrogate_r2",
    chance="about 0.9: the units change together with the class, so that 16 random characters "
    "tell most of it; see the row `random`",
    ceiling="at most 1; below it where 16 characters cannot carry the function",
    data=_DATA,
    needs=("sst2",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    figures=(
        "82.0% of the dev sentences right (0.81 give or take 0.005 over training seeds; dev "
        "accuracies were seen while settings were chosen), 27 s to train; 32 million rows/s in "
        "calls of 4,096, 60% of it outside the network, a single 64 to 2 layer"
    ),
)
def sst2_pooler(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    target: Label | None = None,
) -> Instance:
    """64 units of the ReLU pooler over [CLS], over training sentences.

    One transformer of 2 layers with 8 heads, width 64, trained from scratch with its own
    vocabulary of words, serves all instances; it is right about 0.82 of the dev sentences. An
    instance draws 2,048 of 4,096 training rows that look like whole sentences (ten words or
    more, ending in a full stop). The function is one class against the other: the difference of
    their logits, or its sign. Nothing goes round the pooler. The rows to explain are 16 of each
    class; scores use dev sentences.

    Parameters
    ----------
    readout
        The margin, or its sign.
    target
        The class, 0 negative or 1 positive; from the seed, in turn, if not given.
    """
    from actspec_bench.tasks.networks.sst2 import pooler

    return pooler(seed, readout=readout, target=target)


@task(
    "sst2-heads",
    truth="enumerated",
    main_metric="subset_f1",
    chance="see the rows `random` and `constant`",
    ceiling="1",
    data=_DATA,
    needs=("sst2",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 52.9 / 18.4 / 4.4 / 7.4, margin 92.9 / "
        "6.2 / 0.6 / 0.2, means of five instances; network as in sst2-pooler; 30,000 rows/s, "
        "less than 1% of it outside the network"
    ),
)
def sst2_heads(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    subsets: Subsets = 10,
) -> Instance:
    """All 16 attention heads of the transformer of `sst2-pooler`, on one dev sentence.

    A head that is on gives its own output, on what reaches it from the heads before; off, its
    mean output over the words of 4,096 training rows that look like sentences, at every
    position. The function is the sentence's label against the other. The truth is the largest
    coefficients of the transform of all 65,536 patterns. The seed chooses the sentence, of 10 to
    14 words; it is taken if the network is right about it and at least a tenth of the
    patterns change the decision.

    Parameters
    ----------
    readout
        The margin, or its sign.
    subsets
        How many of the largest coefficients count as the truth; subsets tied with the last one
        count too.
    """
    from actspec_bench.tasks.networks.sst2 import heads

    return heads(seed, readout=readout, subsets=subsets)


@task(
    "sst2-tokens",
    truth="enumerated",
    main_metric="subset_f1",
    chance="see the rows `random` and `constant`",
    ceiling="1",
    data=_DATA,
    needs=("sst2",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 54.8 / 28.5 / 7.1 / 5.6, margin 94.1 / "
        "5.4 / 0.4 / 0.1, means of five instances; network as in sst2-pooler; 17,000 rows/s, "
        "1% of it outside the network"
    ),
)
def sst2_tokens(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    subsets: Subsets = 10,
    kind: Literal["plain", "negation", "contrast"] | None = None,
) -> Instance:
    """10 to 14 words of one dev sentence, each switched between itself and [UNK].

    The network is that of `sst2-pooler`, which has met [UNK] in training, in place of a tenth of
    the words, as a word it is told nothing about; positions are kept. A word that its vocabulary
    lacks is [UNK] either way and never matters. The function is the sentence's label against
    the other. The truth is the largest coefficients of the transform of all patterns. The seed
    chooses the sentence; it is taken if the network is right about it and at least a tenth of
    the patterns change the decision. Of any five seeds in a row one has a sentence with a
    negation and one a sentence with a contrast.

    Parameters
    ----------
    readout
        The margin, or its sign.
    subsets
        How many of the largest coefficients count as the truth; subsets tied with the last one
        count too.
    kind
        ``contrast``: a word such as "but" or "although" occurs; ``negation``: none of these but
        one such as "not" or "never"; ``plain``: none of either. From the seed if not given.
    """
    from actspec_bench.tasks.networks.sst2 import tokens

    return tokens(seed, readout=readout, subsets=subsets, kind=kind)
