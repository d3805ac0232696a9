"""Neuron Shapley: what each unit contributes to the performance of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.problems.explaining import On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Count = Annotated[int, Field(ge=1)]


@method(
    "neuron-shapley",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="value",
    rows="R + 1 + b (n - 1) a permutation, of as many as B affords: R rows, b of them a coalition; "
    "less where permutations are cut short",
    fails="at the few permutations that a small budget serves, values of all but the largest are "
    "mostly noise, and what is cut from a permutation counts as 0",
    imports=("actspec_bench.methods.intervening.neurons",),
    citation="Ghorbani & Zou 2020, arXiv:2002.09815, section 3 (TMAB-Shapley), and its "
    "authors' code, github.com/amiratag/neuronshapley",
)
def neuron_shapley(
    problem: Problem,
    *,
    on: On = "value",
    rows: Count = 64,
    batch: Count = 16,
    permutations: Count = 10,
    truncation: Annotated[float, Field(ge=0, lt=1)] = 0.2,
    top: Count | None = 10,
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.2,
) -> Attribution:
    r"""Shapley value of each unit in the network's performance, with truncation and a bandit.

    The performance of a coalition S of units is

    .. math:: V(S) = \frac1R \sum_r \operatorname{sign}(f(x_r)) \, f(x_r^S),

    where the units outside S have the baseline's value, on R rows: the foreground's and, if there
    are fewer than asked for, draws of D. Of a decision that is 2 a - 1, with a the share of rows
    on which the ablated network decides as the whole one does (the accuracy of the paper, with the
    network's own decisions as labels); of a margin it is the mean margin towards the class that
    the whole network chose. On a masked problem the input is the one row.

    Units are removed in random orders, and a unit's value is the mean of what its removal takes
    away. Three things save queries, the first two as in the paper: an order is cut short once the
    performance is near that of the ablated network (more than five coalitions in a row, as in the
    authors' code), and units whose confidence interval excludes the border between the ``top``
    units and the others are no longer sampled; and each order sees a random batch of the rows
    rather than all of them, as in the authors' code. Where the bandit has decided every unit, all
    are sampled again. The budget goes into more permutations.

    Parameters
    ----------
    on
        The value, which is the decision where the task reads one, as in the paper; or the margin.
    rows
        R.
    batch
        Rows a coalition is evaluated on, at most.
    permutations
        The least number of permutations: batches, then rows, are fewer until the budget allows it;
        but a tenth of a small budget goes on rows.
    truncation
        How near is near, as a share of what the whole network is above the ablated one; the
        authors' is 0.2 of accuracy. 0 never cuts.
    top
        Units that the bandit looks for; None (and n or more) samples all units alike.
    delta
        1 - delta is the confidence of each of the bandit's intervals by itself, of both sides;
        0.2 in the authors' code.

    Raises
    ------
    NotApplicable
        The budget does not serve one permutation on one row.
    """
    from actspec_bench.methods.intervening.neurons import neuron_shapley as sampled

    return sampled(
        problem,
        on=on,
        rows=rows,
        batch=batch,
        permutations=permutations,
        truncation=truncation,
        top=top,
        delta=delta,
    )
