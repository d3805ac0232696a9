"""Gradient methods, through Captum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

LEAST_STEPS = 2


@method(
    "integrated-gradients",
    returns="units",
    family="gradient",
    imports=("captum.attr",),
    citation="Sundararajan, Taly & Yan 2017, equation 1; Captum IntegratedGradients",
)
def integrated_gradients(
    problem: Problem, *, steps: Annotated[int, Field(ge=LEAST_STEPS)] = 50
) -> Attribution:
    """Mean absolute integrated gradient of the margin over the foreground rows.

    Parameters
    ----------
    steps
        Points of the Gauss-Legendre rule on the path from the baseline; fewer if the budget
        is small. A point costs one forward and one backward row.
    """
    from captum.attr import IntegratedGradients

    if not problem.any_pattern:
        raise NotApplicable("integrated gradients asks for points between the rows given")
    rows = problem.foreground[: max(problem.remaining // (2 * LEAST_STEPS), 0)]
    if not len(rows):
        raise NotApplicable(
            f"{2 * LEAST_STEPS} rows are the least that integrated gradients can use"
        )
    points = min(steps, problem.remaining // (2 * len(rows)))
    attributions = IntegratedGradients(problem.margin).attribute(
        rows, baselines=problem.baseline[None], n_steps=points, internal_batch_size=4096
    )
    return Attribution.from_units(attributions.abs().mean(0), info={"steps": points})
