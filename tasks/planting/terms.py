"""Parameters of planted parities -> their orders, checked before anything runs."""

from __future__ import annotations

MOST_DECISION_TERMS = 12


def orders_of(terms: int, order: int, orders: tuple[int, ...]) -> list[int]:
    """Order of each term: ``order``, or those in ``orders`` in turn."""
    cycle = orders or (order,)
    return [cycle[j % len(cycle)] for j in range(terms)]


def check_terms(
    *,
    terms: int,
    order: int,
    orders: tuple[int, ...],
    overlap: int,
    readout: str,
    low: float,
    high: float,
    **_: object,
) -> int:
    """Return the number of units that the terms use.

    Raises
    ------
    ValueError
        The parts do not fit together.
    """
    sizes = orders_of(terms, order, orders)
    if terms > 1 and overlap >= min(sizes):
        raise ValueError(f"overlap={overlap} must be below the smallest order, {min(sizes)}")
    if low > high:
        raise ValueError(f"low={low} must not exceed high={high}")
    if readout == "decision" and terms > MOST_DECISION_TERMS:
        raise ValueError(f"the decision readout takes at most {MOST_DECISION_TERMS} terms")
    return sum(sizes) - overlap * (terms - 1)


def check_room(n: int, needed: int) -> None:
    """Raise ValueError unless n units are enough."""
    if needed > n:
        raise ValueError(f"n={n} units are too few, these parameters need {needed}")
