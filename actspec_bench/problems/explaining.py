"""Problem -> what instance-wise methods share: the function, the rows, and one score a unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.problems.problem import Problem

__all__ = ["Aggregate", "On", "affordable_rows", "aggregated", "explained"]

On = Literal["margin", "value"]
Aggregate = Literal["mean-absolute", "mean", "root-mean-square"]


def explained(problem: Problem, on: On) -> Callable[[Tensor], Tensor]:
    """Return the metered function to attribute, (B, n) -> (B,): the margin or the value."""
    return problem.margin if on == "margin" else problem.value


def affordable_rows(problem: Problem, cost: int) -> Float[Tensor, "rows n"]:
    """Return the foreground rows that can be explained at ``cost`` rows of budget each, in order.

    Raises
    ------
    NotApplicable
        Not even one.
    """
    if problem.remaining < cost:
        raise NotApplicable(
            f"one row costs {cost:,} queries and {problem.remaining:,} of the budget of "
            f"{problem.budget:,} remain"
        )
    return problem.foreground[: problem.remaining // cost]


def aggregated(
    attributions: Float[Tensor, "rows n"], aggregate: Aggregate = "mean-absolute"
) -> Float[Tensor, " n"]:
    r"""Return one score a unit from those of several rows, (R, n) -> (n,).

    ``mean-absolute``, :math:`\frac1R \sum_r |a_{ri}|`, is the default of every method here: a
    unit that acts jointly pushes some rows up and others down, so that its signed mean is near
    zero however much it matters (for a parity it is zero exactly), and a score is to say how much.
    It is the usual global importance of Shapley values (Lundberg et al. 2020, Nature Machine
    Intelligence 2:56, Methods). ``mean`` keeps the sign, for functions to which a unit
    contributes in one direction; ``root-mean-square`` weighs rows with large contributions more,
    as a variance does.
    """
    if aggregate == "mean":
        return attributions.mean(0)
    if aggregate == "root-mean-square":
        return attributions.square().mean(0).sqrt()
    return attributions.abs().mean(0)
