"""Digits tasks: a network trained on scikit-learn's 1,797 handwritten digits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task

_DATA = "the 1,797 8x8 digits that ship with scikit-learn (UCI optical recognition, test part)"
_CITATION = "Alpaydin & Kaynak 1998, doi:10.24432/C50P49"


@task(
    "digits-hidden",
    truth="none",
    main_metric="surrogate_r2",
    chance="about 0.2, what 16 random characters explain: see the row `random`",
    ceiling="at most 1; below it where 16 characters cannot carry the function",
    data=_DATA,
    imports=("actspec_bench.tasks.networks.digits",),
    licence="CC BY 4.0",
    citation=_CITATION,
    figures=(
        "97.3 to 98.0% of the test digits right (five networks), 0.5 s to train; 9.6 million "
        "rows/s in calls of 4,096, 27% of it outside the network"
    ),
)
def digits_hidden(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    target: Annotated[int, Field(ge=0, le=9)] | None = None,
) -> Instance:
    """64 neurons of the first hidden layer of a digits classifier, over its training rows.

    A 64-64-32-10 ReLU network is trained per instance. The function is one class against the
    rest: its logit minus the best other, or the sign. The rows to explain are 16 that the
    network takes for the class and 16 that it does not; scores use test digits.

    Parameters
    ----------
    readout
        The margin, or its sign.
    target
        The class; drawn from the seed if not given.
    """
    from actspec_bench.tasks.networks.digits import hidden

    return hidden(seed, readout=readout, target=target)


@task(
    "digits-patches",
    truth="enumerated",
    main_metric="subset_f1",
    chance="about 0.15 for subsets of up to three patches, 0.3 for single patches: see the rows "
    "`random` and `constant`",
    ceiling="1",
    data=_DATA,
    imports=("actspec_bench.tasks.networks.digits",),
    licence="CC BY 4.0",
    citation=_CITATION,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 54.6 / 13.4 / 11.3 / 7.9, margin 78.3 / "
        "16.7 / 3.4 / 0.9, means of five instances; network as in digits-hidden; 3.3 million "
        "rows/s, 44% of it outside the network"
    ),
)
def digits_patches(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    subsets: Annotated[int, Field(ge=1, le=1000)] = 10,
) -> Instance:
    """16 patches of one test digit, switched between its own ink and a blank.

    The function is the class that the network sees in the whole digit against the rest. The
    truth is the largest coefficients of the transform of all 65,536 patterns. A digit is taken
    if the network is right about it and at least a tenth of the patterns change the decision.

    Parameters
    ----------
    readout
        The margin, or its sign.
    subsets
        How many of the largest coefficients count as the truth; subsets tied with the last one
        count too.
    """
    from actspec_bench.tasks.networks.digits import patches

    return patches(seed, readout=readout, subsets=subsets)
