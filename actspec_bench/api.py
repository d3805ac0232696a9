"""Problem -> attribution, in the caller's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actspec_bench.errors import UsageError
from actspec_bench.problems.attribution import Attribution
from actspec_bench.registry.entries import Entry, methods
from actspec_bench.registry.plugins import load_entry_points

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem
    from actspec_bench.registry.cards import MethodCard

__all__ = ["attribute", "checked_attribution"]


def attribute(name: str, problem: Problem, **params: Any) -> Attribution:
    """Run the method ``name`` on ``problem`` and return its attribution.

    Raises
    ------
    UsageError
        The method or a parameter is unknown or not valid.
    NotApplicable
        The method cannot serve this problem; the message says why.
    BudgetExceeded
        The method asked for more rows than the problem's budget.
    """
    load_entry_points()
    if "[" in name:
        plain = name.partition("[")[0]
        raise UsageError(f"give parameters as keywords: attribute({plain!r}, problem, ...)")
    entry = methods[name]
    if entry.card.sees_truth:
        raise UsageError(f"{name!r} is a control that needs the truth: run it on a task")
    found = entry.function(problem, **entry.resolve(params))
    return checked_attribution(found, entry, problem.n)


def checked_attribution(found: Any, entry: Entry[MethodCard], n: int) -> Attribution:
    """Check what a method returned against its card and the problem.

    Raises
    ------
    TypeError
        It is not an `Attribution`.
    ValueError
        It has unit indices beyond n, or scores for another number of units, or subsets from
        a method whose card says it returns units.
    """
    if not isinstance(found, Attribution):
        raise TypeError(
            f"method {entry.name!r} returned {type(found).__name__}; return "
            "Attribution.from_units(...) or Attribution.from_subsets(...)"
        )
    if found.returns != entry.card.returns:
        raise ValueError(
            f"method {entry.name!r} declares returns={entry.card.returns!r} and returned "
            f"{found.returns}"
        )
    if found.returns == "units" and found.n != n:
        raise ValueError(f"method {entry.name!r} scored {found.n} units of {n}")
    largest = max((subset[-1] for subset in found.subsets), default=-1)
    if largest >= n:
        raise ValueError(f"method {entry.name!r} returned unit {largest} of {n} (0 to {n - 1})")
    return found
