"""Problem -> attribution, in the caller's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actspec_bench.errors import UsageError
from actspec_bench.problems.attribution import Attribution, checked_attribution
from actspec_bench.problems.needs import check_needs
from actspec_bench.registry.entries import methods
from actspec_bench.registry.plugins import load_entry_points

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

__all__ = ["attribute"]


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
    given = entry.resolve(params)
    check_needs(problem, entry.card.needs)
    found = entry.function(problem, **given)
    return checked_attribution(found, name, returns=entry.card.returns, n=problem.n)
