"""Problem, explainer of Captum -> contributions of units: planned, seeded, quiet, in batches."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import (
    Aggregate,
    affordable_rows,
    aggregated,
    global_generators_seeded,
)

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.problems.problem import Problem

__all__ = ["attributed", "called", "perturbed", "planned", "rows_a_call", "scored"]

# Rows of one call together: as many numbers as stay in a processor's cache, since larger batches
# are slower, but enough rows to make up for the cost of a call.
NUMBERS_A_CALL = 2**17
LEAST_ROWS, MOST_ROWS = 256, 8192


def rows_a_call(n: int) -> int:
    """Return how many rows of n units to evaluate at a time."""
    return min(MOST_ROWS, max(LEAST_ROWS, NUMBERS_A_CALL // n))


def planned(
    problem: Problem, *, cost: int, least: int, start: int = 0, fewest: int = 1
) -> tuple[Float[Tensor, "rows n"], int]:
    """Return the rows to explain and how many samples each gets, so that the budget is spent.

    Parameters
    ----------
    cost, start
        What a sample costs of the budget, and what a row costs besides.
    least
        Samples below which rows are left out, so that the others stay spread evenly, to the
        benefit of these; a single row may have fewer.
    fewest
        Samples without which not even one row can be explained.

    Raises
    ------
    NotApplicable
        There is no budget for the fewest samples of one row.
    """
    alone = (problem.remaining - start) // cost
    rows = affordable_rows(problem, start + cost * max(fewest, min(least, alone)))
    return rows, (problem.remaining // len(rows) - start) // cost


@contextlib.contextmanager
def called(problem: Problem) -> Iterator[None]:
    """Call Captum in here: it draws from the problem's seed, and its warnings stay inside.

    It warns of the hooks that it sets and of gradients that it asks for, which is its work.
    """
    with warnings.catch_warnings(), global_generators_seeded(problem):
        warnings.filterwarnings("ignore", module=r"captum(\.|$)")
        yield


def attributed(
    problem: Problem, explainer: Any, rows: Float[Tensor, "rows n"], **options: Any
) -> Float[Tensor, "rows n"]:
    """Return what an explainer of Captum attributes to the units of each row."""
    with called(problem):
        found: Tensor = explainer.attribute(rows.clone().requires_grad_(), **options)
    return found.detach()


def perturbed(
    problem: Problem, explainer: Any, rows: Float[Tensor, "rows ..."], **options: Any
) -> Float[Tensor, "rows ..."]:
    """`attributed`, for explainers that evaluate perturbed rows: many in a call, as many as fit."""
    together = max(1, rows_a_call(problem.n) // len(rows))
    with called(problem):
        found: Tensor = explainer.attribute(rows, perturbations_per_eval=together, **options)
    return found


def scored(
    contributions: Float[Tensor, "rows n"], aggregate: Aggregate, **info: Any
) -> Attribution:
    """Return one score a unit from those of the rows; ``info`` tells how many there were."""
    told = {"rows": len(contributions), **info}
    if not contributions.any():
        told["reason"] = "no unit changes anything in the rows explained"
    return Attribution.from_units(aggregated(contributions, aggregate), info=told)
