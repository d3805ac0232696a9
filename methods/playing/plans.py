"""Units, order and budget -> how many rows to explain, and by how many coalitions each.

What the library's estimators need and cost is here as formulas: times measured on one thread, so
that a plan is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import NamedTuple

from actspec_bench.errors import NotApplicable

__all__ = [
    "Cost",
    "Plan",
    "interactions",
    "kernelshap_iq",
    "largest_order",
    "permutation_sii",
    "permutation_stii",
    "planned",
    "proxyshap",
    "regression",
    "svarm_iq",
]

MOST_SECONDS = 20.0
MOST_BYTES = 2.0**30
MOST_INTERACTIONS = 200_000


class Cost(NamedTuple):
    """What an estimator needs for one row of n units.

    Attributes
    ----------
    least, sensible
        Coalitions below which it has no estimate, and above which another row is worth more
        than more of this one.
    fixed, each
        Seconds that a row takes, and each of its coalitions besides.
    held, held_each
        Bytes that it holds, and for each coalition.
    batch
        Coalitions of one permutation, if it draws such; else it draws each coalition once.
    """

    least: int
    sensible: int
    fixed: float = 0.0
    each: float = 2e-5
    held: float = 0.0
    held_each: float = 1e3
    batch: int | None = None


class Plan(NamedTuple):
    """Rows to explain, and coalitions of each."""

    rows: int
    coalitions: int


def interactions(n: int, order: int) -> int:
    """Return the number of subsets of at most ``order`` of n units, the empty one included."""
    return sum(comb(n, size) for size in range(order + 1))


def planned(
    name: str, cost: Callable[[int, int], Cost], n: int, order: int, *, budget: int, rows: int
) -> Plan:
    """Return how many of ``rows`` to explain, and by how many coalitions each.

    As many rows as can have the sensible coalitions, one at least; what is left of the budget
    goes into more coalitions, of which there are 2^n. Both as far as time and memory go.

    Raises
    ------
    NotApplicable
        One row cannot have the least coalitions, or they would cost too much.
    """
    listed = interactions(n, order)
    if listed > MOST_INTERACTIONS:
        raise NotApplicable(
            f"{name} lists every interaction, and {n} units have {listed:,} of up to {order}: "
            f"more than {MOST_INTERACTIONS:,}"
        )
    own = cost(n, order)
    there = budget if own.batch else min(budget, 2**n)
    if there < own.least:
        lacking = f"{there:,} rows of the budget remain" if there == budget else f"there are 2^{n}"
        raise NotApplicable(
            f"{name} of order {order} needs {own.least:,} coalitions of {n} units at least, and "
            f"{lacking}"
        )
    sensible = min(own.sensible, there)
    in_time = int(MOST_SECONDS / (own.fixed + sensible * own.each))
    explained = max(1, min(rows, budget // sensible, in_time))
    coalitions = min(
        budget // explained,
        budget if own.batch else 2**n,
        int((MOST_SECONDS / explained - own.fixed) / own.each),
        int((MOST_BYTES - own.held) / own.held_each),
    )
    if coalitions < own.least:
        seconds, size = own.fixed + own.least * own.each, own.held + own.least * own.held_each
        raise NotApplicable(
            f"{name} of order {order} would take about {seconds:,.0f} s and {size / 2**30:.1f} GiB "
            f"for the {own.least:,} coalitions of {n} units that it needs: more than "
            f"{MOST_SECONDS:g} s or {MOST_BYTES / 2**30:g} GiB"
        )
    return Plan(explained, coalitions)


def largest_order(cost: Callable[[int, int], Cost], n: int, budget: int) -> int:
    """Return the largest order up to 4 for which one row has coalitions in plenty, or else 2.

    In plenty is twice the sensible ones, or all 2^n, in a quarter of the time that it may take.
    """
    for order in (4, 3):
        if order <= n and interactions(n, order) <= MOST_INTERACTIONS:
            own = cost(n, order)
            wanted = 2 * own.sensible if own.batch else min(2 * own.sensible, 2**n)
            seconds = own.fixed + wanted * own.each
            held = own.held + wanted * own.held_each
            if wanted <= budget and seconds <= MOST_SECONDS / 4 and held <= MOST_BYTES:
                return order
    return 2


def regression(n: int, order: int) -> Cost:
    """Least squares: at least as many equations as unknowns, and twice as many before more rows."""
    listed = interactions(n, order)
    return Cost(
        listed,
        2 * listed,
        fixed=1e-10 * listed**3,
        each=(1e-10 * listed + 2e-9 * n) * listed,
        held=24.0 * listed**2,
        held_each=32.0 * listed,
    )


def kernelshap_iq(n: int, order: int) -> Cost:
    """As `regression`, and looking up the weights of all small and large coalitions."""
    lookups = sum(interactions(n, size - 1) * comb(n, size) for size in range(2, order + 1))
    plain = regression(n, order)
    return plain._replace(fixed=plain.fixed + 6e-6 * lookups)


def svarm_iq(n: int, order: int) -> Cost:
    """Means in strata: every interaction goes through the coalitions of each of its own."""
    listed = interactions(n, order)
    strata = (n + 1) * sum(comb(n, size) * 2**size for size in range(order + 1))
    return Cost(listed, 8 * listed, fixed=5e-5 * strata, each=3.5e-9 * n * strata)


def permutation_sii(n: int, order: int) -> Cost:
    """Permutations, of which one shows n - s + 1 interactions of s units; each four times."""
    one = sum((n - size + 1) * 2**size for size in range(1, order + 1))
    passes = -(-4 * comb(n, order) // (n - order + 1))
    return Cost(1 + one, 1 + one * passes, batch=one)


def permutation_stii(n: int, order: int) -> Cost:
    """Permutations, of which one shows every interaction of the order, after all the smaller."""
    one = comb(n, order) * 2**order
    before = interactions(n, order - 1) + 1
    return Cost(before + one, before + one, batch=one)


def proxyshap(n: int, order: int) -> Cost:  # noqa: ARG001 - trees list no interactions
    """Boosted trees: below 60 coalitions they do not split."""
    return Cost(60, 2000, fixed=1.0, each=1e-3)
