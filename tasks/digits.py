"""Digits tasks: a network trained on scikit-learn's 1,797 handwritten digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actspec_bench.tasks.kinds.hidden import hidden_task
from actspec_bench.tasks.kinds.masked import masked_task
from actspec_bench.tasks.kinds.recoded import recoded_task

if TYPE_CHECKING:
    from actspec_bench.tasks.enumeration.parts import Parts
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

_DIGITS: dict[str, Any] = {
    "data": "the 1,797 8x8 digits that ship with scikit-learn (UCI optical recognition, test part)",
    "imports": ("actspec_bench.tasks.networks.digits",),
    "licence": "CC BY 4.0",
    "citation": "Alpaydin & Kaynak 1998, doi:10.24432/C50P49",
}


@hidden_task(
    "digits-hidden",
    classes=10,
    **_DIGITS,
    chance="about 0.2, what 16 random characters explain: see the row `random`",
    figures=(
        "97.3 to 98.0% of the test digits right (five networks), 0.5 s to train; 9.6 million "
        "rows/s in calls of 4,096, 27% of it outside the network"
    ),
)
def digits_hidden(seed: int) -> Bottleneck:
    """64 neurons of the first hidden layer of a digits classifier, over its training rows.

    A 64-64-32-10 ReLU network is trained per instance. The function is one class against the
    rest: its logit minus the best other, or the sign. The rows to explain are 16 that the
    network takes for the class and 16 that it does not; scores use test digits.
    """
    from actspec_bench.tasks.networks.digits import layer

    return layer(seed)


@masked_task(
    "digits-patches",
    **_DIGITS,
    chance="about 0.15 for subsets of up to three patches, 0.3 for single patches: see the rows "
    "`random` and `constant`",
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 54.6 / 13.4 / 11.3 / 7.9, margin 78.3 / "
        "16.7 / 3.4 / 0.9, means of five instances; network as in digits-hidden; 3.3 million "
        "rows/s, 44% of it outside the network"
    ),
)
def digits_patches(seed: int) -> Parts:
    """16 patches of one test digit, switched between its own ink and a blank.

    The function is the class that the network sees in the whole digit against the rest. The
    truth is the largest coefficients of the transform of all 65,536 patterns. A digit is taken
    if the network is right about it and at least a tenth of the patterns change the decision.
    """
    from actspec_bench.tasks.networks.digits import patches

    return patches(seed)


@recoded_task(
    "digits-recoded",
    classes=10,
    **_DIGITS,
    figures=(
        "re-coding changes no output by any digit; coefficients by number of codes 1 / 2 / 3 "
        "/ 4, energy in %: 55.9 / 20.2 / 8.0 / 8.4 (decision, means of five instances); 2.9 "
        "million rows/s in calls of 4,096, 14% of it outside network and decoding"
    ),
)
def digits_recoded(seed: int) -> Bottleneck:
    """Hidden units of a digits classifier, each carried by the parity of k new units.

    The network is that of `digits-hidden`.
    """
    from actspec_bench.tasks.networks.digits import layer

    return layer(seed)
