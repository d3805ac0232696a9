"""Planted tasks: sums of parities of known subsets, and functions with nothing planted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task
from actspec_bench.tasks.planting.terms import check_room, check_terms, orders_of


def _check(
    *, n: int, duplicates: int, constants: int, correlation: float, **parameters: Any
) -> None:
    """Raise ValueError unless the parts fit together and into n units."""
    relevant = check_terms(**parameters)
    if duplicates > relevant:
        raise ValueError(f"duplicates={duplicates} exceeds the {relevant} units of the terms")
    check_room(n, relevant * (2 if correlation else 1) + duplicates + constants)


@task(
    "planted-parity",
    truth="planted",
    main_metric="subset_f1",
    imports=("actspec_bench.tasks.planting.parities",),
    check=_check,
    chance="about 0: the share of C(n, order) subsets that are planted",
    ceiling="1",
    citation="O'Donnell, Analysis of Boolean Functions, 2014, chapters 1 and 3",
)
def planted_parity(
    seed: int,
    *,
    n: Annotated[int, Field(ge=1, le=4096)] = 64,
    terms: Annotated[int, Field(ge=1, le=256)] = 5,
    order: Annotated[int, Field(ge=1)] = 3,
    orders: tuple[Annotated[int, Field(ge=1)], ...] = (),
    overlap: Annotated[int, Field(ge=0)] = 0,
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
    readout: Literal["margin", "decision"] = "margin",
    duplicates: Annotated[int, Field(ge=0)] = 0,
    constants: Annotated[int, Field(ge=0)] = 0,
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    low: Annotated[float, Field(gt=0)] = 0.5,
    high: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.5,
) -> Instance:
    r"""Sum of signed parities of hidden subsets of n on/off units.

    The margin is :math:`\sum_j c_j \prod_{i \in S_j} x_i`. The subsets are linearly independent
    over GF(2), so that the terms are independent fair coins under the uniform distribution and
    the spectrum of the decision, the sign of the margin, follows from a transform over the
    terms alone.

    Parameters
    ----------
    n
        Units; which of them the subsets use is drawn from the seed.
    terms, order, orders
        Number of subsets, and their sizes: all ``order``, or those in ``orders`` in turn.
    overlap
        Units that each subset after the first shares with those before it; the rest are fresh.
    noise
        Standard deviation of the noise on every query, as a share of the signal's.
    readout
        ``margin``, or ``decision``: the margin's sign.
    duplicates
        Irrelevant units that copy a relevant unit under D, every second one negated.
    constants
        Units that are always on under D.
    correlation
        Correlation under D of each relevant unit with an irrelevant partner of its own.
    low, high
        Range of the coefficients' magnitudes, drawn uniformly; signs are fair.
    """
    from actspec_bench.tasks.planting.parities import plant

    sizes = orders_of(terms, order, orders)
    return plant(
        seed,
        n=n,
        sizes=sizes,
        overlap=overlap,
        noise=noise,
        readout=readout,
        duplicates=duplicates,
        constants=constants,
        correlation=correlation,
        magnitudes=(low, high),
    )


@task(
    "planted-nothing",
    truth="planted",
    main_metric="false_discovery_rate",
    units_metric="",
    imports=("actspec_bench.tasks.planting.parities",),
    chance="1: whatever is reported is false",
    ceiling="0, by reporting nothing",
    citation="Benjamini & Hochberg 1995, section 2.1",
)
def planted_nothing(
    seed: int,
    *,
    n: Annotated[int, Field(ge=1, le=4096)] = 64,
    readout: Literal["margin", "decision"] = "margin",
) -> Instance:
    """Pure noise over n units: every subset that is reported is a false discovery.

    Each query answers with an independent standard normal number (its sign, with the decision
    readout); the scores' noise-free view is constant, so faithfulness is undefined here.
    """
    from actspec_bench.tasks.planting.parities import nothing

    return nothing(seed, n=n, readout=readout)
