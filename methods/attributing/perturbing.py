"""Problem -> contributions of units from changes of the function under perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.attributing.adapter import (
    called,
    perturbed,
    rows_a_call,
    scored,
)
from actspec_bench.problems.explaining import Aggregate, On, affordable_rows, explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["ablated", "occluded", "permutation_changes", "permuted", "window_of"]

SMALL_SIDE = 8


def ablated(problem: Problem, on: On, aggregate: Aggregate) -> Attribution:
    """Change of the function when one unit goes to the baseline."""
    from captum.attr import FeatureAblation

    rows = affordable_rows(problem, problem.n + 1)
    explainer = FeatureAblation(explained(problem, on))
    found = perturbed(problem, explainer, rows, baselines=problem.baseline[None])
    return scored(found, aggregate)


def permuted(problem: Problem, on: On, aggregate: Aggregate) -> Attribution:
    """Change of the function when one unit is permuted among draws of D."""
    cost = problem.n + 1
    if problem.remaining < 2 * cost:
        raise NotApplicable(
            f"units are permuted among at least 2 draws, which cost {2 * cost:,} rows, and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    draws = problem.sample(problem.remaining // cost)
    together = max(1, rows_a_call(problem.n) // len(draws))
    with called(problem):
        return scored(permutation_changes(explained(problem, on), draws, together), aggregate)


def permutation_changes(
    function: Callable[[Tensor], Tensor], draws: Float[Tensor, "rows n"], together: int
) -> Float[Tensor, "rows n"]:
    """Change of each row's value when one unit has another row's, for every unit.

    The orders are those that Captum's FeaturePermutation draws, from torch's global generator,
    none of them as it was. Its own loop over units takes longer than most functions.

    Parameters
    ----------
    together
        Units to permute in one call of the function.
    """
    rows, n = draws.shape
    as_they_are = torch.arange(rows)
    changes = torch.empty(rows, n)
    before = function(draws)
    for units in torch.split(torch.arange(n), together):
        orders = torch.stack([_other_order(as_they_are) for _ in units])
        changed = draws.repeat(len(units), 1, 1)
        changed[torch.arange(len(units)), :, units] = draws.T[units[:, None], orders]
        after = function(changed.flatten(0, 1)).view(len(units), rows)
        changes[:, units] = before[:, None] - after.T
    return changes


def _other_order(as_they_are: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    order = torch.randperm(len(as_they_are))
    while torch.equal(order, as_they_are):
        order = torch.randperm(len(as_they_are))
    return order


def window_of(layout: tuple[int, ...], side: int | None) -> tuple[int, ...]:
    """Shape of the occluding window over a layout; leading dimensions are taken one by one."""
    drawn = layout[-2:]
    if side is None:
        side = 2 if min(drawn) < SMALL_SIDE else 3
    window = tuple(min(side, length) for length in drawn)
    return (1,) * (len(layout) - len(drawn)) + window


def occluded(problem: Problem, side: int | None, on: On, aggregate: Aggregate) -> Attribution:
    """Mean change of the function over the windows that cover a unit."""
    from captum.attr import Occlusion

    layout = problem.layout
    assert layout is not None
    window = window_of(layout, side)
    places = 1
    for length, width in zip(layout, window, strict=True):
        places *= length - width + 1
    rows = affordable_rows(problem, places + 1)
    function = explained(problem, on)
    found = perturbed(
        problem,
        Occlusion(lambda x: function(x.flatten(1))),
        rows.reshape(-1, *layout),
        sliding_window_shapes=window,
        baselines=problem.baseline.reshape(1, *layout),
    )
    return scored(found.flatten(1), aggregate, window=list(window))
