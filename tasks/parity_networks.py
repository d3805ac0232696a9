"""Parities in networks: learnt by training, and built into the weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task
from actspec_bench.tasks.kinds.declared import TRUTH_UNKNOWN
from actspec_bench.tasks.planting.terms import check_room, check_terms, orders_of

MOST_SIGNALS = 512
LARGEST_RATIO = 2**20

_TRAINED: dict[str, Any] = {
    "imports": ("actspec_bench.tasks.planting.trained_parity",),
    "figures": "99.6% to all of fresh patterns right (20 networks), half a second to train; 11 "
    "million rows/s in calls of 4,096, 21% of it outside the network",
    "citation": "Barak, Edelman, Goel, Kakade, Malach & Zhang 2022, arXiv:2207.08799, section 3",
}


@task(
    "trained-parity",
    truth="planted",
    main_metric="subset_f1",
    chance="about 0: the one subset among C(n, order)",
    ceiling="1",
    **_TRAINED,
)
def trained_parity(
    seed: int,
    *,
    n: Annotated[int, Field(ge=8, le=40)] = 40,
    order: Annotated[int, Field(ge=2, le=4)] = 3,
    readout: Literal["margin", "decision"] = "decision",
) -> Instance:
    r"""Inputs of a ReLU network trained on the parity of a few of them.

    A network with 64 hidden units is trained on fresh uniform patterns until it is right on more
    than 99% of them. The truth is the support S of the parity. The network only comes near
    the parity, so the coefficient of S is measured: for the decision it is
    :math:`2 \cdot \text{accuracy} - 1`, exact over all patterns for n up to 20, otherwise from
    2^18 of them, with its standard error among the facts. The network's errors give other
    subsets small coefficients.

    Parameters
    ----------
    n
        Inputs, on or off by a fair coin.
    order
        Inputs in the parity; which ones is drawn from the seed.
    readout
        The logit of parity +1 minus that of -1, or the sign.
    """
    from actspec_bench.tasks.planting.trained_parity import inputs

    return inputs(seed, n=n, order=order, readout=readout)


@task(
    "trained-parity-hidden",
    **TRUTH_UNKNOWN,
    **_TRAINED,
)
def trained_parity_hidden(
    seed: int,
    *,
    n: Annotated[int, Field(ge=20, le=40)] = 40,
    order: Annotated[int, Field(ge=2, le=4)] = 3,
    readout: Literal["margin", "decision"] = "decision",
) -> Instance:
    """64 hidden units of the network of `trained-parity`, over fresh uniform patterns.

    How the units share the parity among them is not known. The rows to explain are 16 of each
    decision; scores use patterns that methods never see.

    Parameters
    ----------
    n
        Inputs of the network.
    order
        Inputs in the parity.
    readout
        The logit of parity +1 minus that of -1, or the sign.
    """
    from actspec_bench.tasks.planting.trained_parity import hidden

    return hidden(seed, n=n, order=order, readout=readout)


def _check(*, n: int, **parameters: Any) -> None:
    """Raise ValueError unless the parts fit together, into n units and into the network."""
    check_room(n, check_terms(**parameters))
    signals = sum(orders_of(parameters["terms"], parameters["order"], parameters["orders"]))
    if signals > MOST_SIGNALS:
        raise ValueError(
            f"the terms' orders add up to {signals}, and the network takes {MOST_SIGNALS} at most"
        )
    terms, low, high = parameters["terms"], parameters["low"], parameters["high"]
    if terms * high > LARGEST_RATIO * low:
        raise ValueError(
            f"low={low} is too small beside {terms} terms of up to high={high}: the network adds "
            "in single precision"
        )


@task(
    "planted-network",
    truth="planted",
    main_metric="subset_f1",
    imports=("actspec_bench.tasks.planting.network",),
    check=_check,
    chance="about 0: the share of C(n, order) subsets that are planted",
    ceiling="1",
    citation="O'Donnell, Analysis of Boolean Functions, 2014, chapters 1 and 3",
    figures=(
        "exact to the last digit; 8 million rows/s in calls of 4,096, 18% of it outside the network"
    ),
)
def planted_network(
    seed: int,
    *,
    n: Annotated[int, Field(ge=1, le=512)] = 32,
    terms: Annotated[int, Field(ge=1, le=256)] = 5,
    order: Annotated[int, Field(ge=1)] = 3,
    orders: tuple[Annotated[int, Field(ge=1)], ...] = (),
    overlap: Annotated[int, Field(ge=0)] = 0,
    readout: Literal["margin", "decision"] = "margin",
    low: Annotated[float, Field(ge=1e-6)] = 0.5,
    high: Annotated[float, Field(gt=0, le=1e6)] = 1.5,
) -> Instance:
    r"""Real-valued units of a layer after which ReLUs compute a sum of parities of their signs.

    The network's output is :math:`\sum_j c_j \prod_{i \in S_j} \mathrm{sign}(h_i)`, exactly, for
    activations h of at least 1/2 in magnitude. Those of the data are between 1 and 3, with fair
    signs, so that every mixture of rows is exact too; between the signs the network is
    piecewise linear, and zero where a unit of each subset is. At the data itself all gradients
    vanish, as they must where only signs matter: gradient methods need a path.

    Parameters
    ----------
    n
        Units; which of them the subsets use is drawn from the seed.
    terms, order, orders
        Number of subsets, and their sizes: all ``order``, or those in ``orders`` in turn.
    overlap
        Units that each subset after the first shares with those before it; the rest are fresh.
    readout
        ``margin``, the network's output, or ``decision``: its sign.
    low, high
        Range of the coefficients' magnitudes, drawn uniformly and rounded to a grid on which
        single precision adds them without error; signs are fair.
    """
    from actspec_bench.tasks.planting.network import planted_network as build

    sizes = orders_of(terms, order, orders)
    return build(seed, n=n, sizes=sizes, overlap=overlap, readout=readout, magnitudes=(low, high))
