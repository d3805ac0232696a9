"""Perturbation methods, through Captum, batched and sized to the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

BATCH_ROWS = 8192


def _affordable_rows(problem: Problem, cost: int) -> int:
    """Foreground rows that can be explained at ``cost`` queries each."""
    if not problem.any_pattern:
        raise NotApplicable("the method ablates units, and this problem answers only given rows")
    if problem.remaining < cost:
        raise NotApplicable(
            f"one row costs {cost:,} queries and {problem.remaining:,} of the budget of "
            f"{problem.budget:,} remain"
        )
    return min(len(problem.foreground), problem.remaining // cost)


@method(
    "feature-ablation",
    returns="units",
    family="perturbation",
    imports=("captum.attr",),
    citation="Zeiler & Fergus 2014; Captum FeatureAblation",
)
def feature_ablation(problem: Problem) -> Attribution:
    """Mean absolute change of the value when one unit is set to the baseline.

    Costs n + 1 queries a foreground row; as many rows are used as the budget allows.
    """
    from captum.attr import FeatureAblation

    rows = problem.foreground[: _affordable_rows(problem, problem.n + 1)]
    attributions = FeatureAblation(problem.value).attribute(
        rows,
        baselines=problem.baseline[None],
        perturbations_per_eval=max(1, BATCH_ROWS // len(rows)),
    )
    return Attribution.from_units(attributions.abs().mean(0), info={"rows": len(rows)})


@method(
    "shapley-sampling",
    returns="units",
    family="perturbation",
    imports=("captum.attr",),
    citation="Castro, Gomez & Tejada 2009, section 3; Captum ShapleyValueSampling",
)
def shapley_sampling(
    problem: Problem, *, permutations: Annotated[int, Field(ge=1)] = 5
) -> Attribution:
    """Mean absolute sampled Shapley value over the foreground rows.

    Parameters
    ----------
    permutations
        The least number of permutations a row. Rows are left out until the budget allows it;
        what is left then goes into more permutations. A row costs one query, and n a permutation.
    """
    from captum.attr import ShapleyValueSampling

    n = problem.n
    least = min(permutations, max(1, (problem.remaining - 1) // n))
    rows = problem.foreground[: _affordable_rows(problem, 1 + least * n)]
    samples = (problem.remaining // len(rows) - 1) // n
    attributions = ShapleyValueSampling(problem.value).attribute(
        rows,
        baselines=problem.baseline[None],
        n_samples=samples,
        perturbations_per_eval=max(1, BATCH_ROWS // len(rows)),
    )
    info = {"rows": len(rows), "permutations": samples}
    return Attribution.from_units(attributions.abs().mean(0), info=info)
