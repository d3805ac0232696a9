"""Subsets and what was estimated of them -> attribution: no zeros, and a reason where none is left.

What a method cannot afford is told here in one sentence too.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING, Any

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["NOTHING_MOVES", "enough", "reported", "singles_and_pairs"]

RELATIVE_FLOOR = 1e-6
NOTHING_MOVES = "the function did not change in anything that was asked"


def enough(problem: Problem, rows: int, what: str) -> None:
    """Raise NotApplicable unless ``rows`` remain of the budget, naming ``what`` needs them."""
    if problem.remaining < rows:
        raise NotApplicable(
            f"{what} costs {rows:,} rows and {problem.remaining:,} of the budget of "
            f"{problem.budget:,} remain"
        )


def singles_and_pairs(units: int) -> list[Subset]:
    """All subsets of one unit, and after them all of two, in the order of `numpy.triu_indices`."""
    return [*((i,) for i in range(units)), *combinations(range(units), 2)]


def reported(
    subsets: Iterable[Subset],
    coefficients: Iterable[float],
    problem: Problem,
    info: dict[str, Any],
    reason: str = NOTHING_MOVES,
) -> Attribution:
    """Attribution of the subsets whose coefficient is not zero.

    Those below a millionth of the largest are rounding and left out. Where none is left, ``info``
    has the ``reason``.
    """
    found = {s: float(c) for s, c in zip(subsets, coefficients, strict=True)}
    floor = RELATIVE_FLOOR * max(map(abs, found.values()), default=0.0)
    found = {s: c for s, c in found.items() if abs(c) > floor}
    told = info if found else {**info, "reason": reason}
    return Attribution.from_subsets(found, n=problem.n, info=told)
