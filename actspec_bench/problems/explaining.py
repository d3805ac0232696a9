"""Problem -> what instance-wise methods share: the function, the rows, and one score a unit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.problems.problem import Problem

__all__ = [
    "Aggregate",
    "On",
    "affordable_rows",
    "aggregated",
    "explained",
    "global_generators_seeded",
    "spread_rows",
]

On = Literal["margin", "value"]
Aggregate = Literal["mean-absolute", "mean", "root-mean-square"]


def explained(problem: Problem, on: On) -> Callable[[Tensor], Tensor]:
    """Return the metered function to attribute, (B, n) -> (B,): the margin or the value."""
    return problem.margin if on == "margin" else problem.value


def affordable_rows(problem: Problem, cost: int) -> Float[Tensor, "rows n"]:
    """Return the foreground rows that can be explained at ``cost`` rows of budget each.

    Where these are not all, they are spread evenly over the foreground.

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
    return spread_rows(problem.foreground, problem.remaining // cost)


def spread_rows(rows: Float[Tensor, "rows n"], count: int) -> Float[Tensor, "chosen n"]:
    """Return so many of the rows, evenly spread from the first on; all if there are no more.

    Rows to explain may stand class by class: the first ones would be of one class alone.
    """
    if count >= len(rows):
        return rows
    return rows[[place * len(rows) // count for place in range(count)]]


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


@contextlib.contextmanager
def global_generators_seeded(problem: Problem) -> Iterator[int]:
    """Seed the global generators of Python, numpy and torch by the problem's, and put them back.

    For libraries that draw from these, whatever seed they are given. Yields the seed, of 32 bits.
    """
    import numpy as np
    import torch

    seed = problem.generator.initial_seed() % 2**32
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        # Not torch.manual_seed, which seeds those of GPUs too, where nothing puts them back.
        torch.default_generator.manual_seed(seed)
        try:
            yield seed
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
