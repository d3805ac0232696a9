"""Problem -> contributions of units from values of coalitions: all of them, or a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from actspec_bench.errors import NotApplicable
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.methods.attributing.adapter import planned, rows_a_call, scored
from actspec_bench.methods.attributing.coalitions import (
    coalition_values,
    exact_shapley,
    proximity,
    ridge,
    shapley_by_orders,
    shapley_kernel,
    shapley_kernel_draws,
    shapley_regression,
)
from actspec_bench.problems.explaining import Aggregate, On, affordable_rows, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["kernel_shap", "lime", "sampled_shapley", "shapley_values"]

LARGEST_N = 20
# Samples a unit and row, below which rows are left out: with 2 or 3, noise is all that one sees.
SAMPLES_A_UNIT = 5


def sampled_shapley(
    problem: Problem, permutations: int, on: On, aggregate: Aggregate
) -> Attribution:
    """Shapley values by permutations, each row's own."""
    n = problem.n
    if problem.remaining < n + 1:
        raise NotApplicable(
            f"one order of {n:,} units costs {n + 1:,} rows, and {problem.remaining:,} of the "
            f"budget of {problem.budget:,} remain"
        )
    function = explained(problem, on)
    none = function(problem.baseline[None])
    rows, count = planned(problem, cost=max(n - 1, 1), least=permutations, start=1)
    drawn = torch.rand(len(rows), count, n, generator=problem.generator)
    found = shapley_by_orders(
        function, rows, problem.baseline, drawn.argsort(2), none, at_a_time=rows_a_call(n)
    )
    return scored(found, aggregate, permutations=count)


def shapley_values(problem: Problem, on: On, aggregate: Aggregate) -> Attribution:
    """Exact Shapley values, by the values of all coalitions."""
    n = problem.n
    if n > LARGEST_N:
        raise NotApplicable(f"all 2^{n} coalitions are too many: n must be at most {LARGEST_N}")
    rows = affordable_rows(problem, 2**n)
    coalitions = all_patterns(n) > 0
    found = [exact_shapley(_values(problem, row[None], coalitions, on)) for row in rows]
    return scored(torch.cat(found), aggregate)


def kernel_shap(problem: Problem, on: On, aggregate: Aggregate) -> Attribution:
    """Shapley values by a regression on coalitions, each row's own."""
    n = problem.n
    inner = 2**n - 2
    _refuse_fewer(problem, min(n + 2, inner + 2))
    function = explained(problem, on)
    none = function(problem.baseline[None]).double()
    rows, count = planned(problem, cost=1, least=min(SAMPLES_A_UNIT * n, inner), start=1)
    if count >= inner:
        count = inner
        drawn = (all_patterns(n) > 0)[1:-1].expand(len(rows), -1, -1)
        weights = shapley_kernel(drawn[0])
    else:
        drawn = torch.stack([shapley_kernel_draws(n, count, problem.generator) for _ in rows])
        weights = torch.ones(count)
    whole = function(rows).double() - none
    gains = _values(problem, rows, drawn, on) - none
    each = zip(drawn, gains[:, None], whole[:, None], strict=True)
    found = torch.cat([shapley_regression(own, weights, *of_row) for own, *of_row in each])
    return scored(found, aggregate, samples=count)


def lime(
    problem: Problem, width: float, penalty: float, on: On, aggregate: Aggregate
) -> Attribution:
    """Coefficients of LIME's local linear models, on coalitions of each row's own."""
    n = problem.n
    _refuse_fewer(problem, n + 2)
    rows, count = planned(problem, cost=1, least=SAMPLES_A_UNIT * n)
    drawn = torch.rand(len(rows), count, n, generator=problem.generator) < 0.5
    drawn[:, 0] = True
    values = _values(problem, rows, drawn, on)
    found = [
        ridge(own, proximity(own, width * n**0.5), of_row, penalty)
        for own, of_row in zip(drawn, values[:, None], strict=True)
    ]
    return scored(torch.cat(found), aggregate, samples=count)


def _values(
    problem: Problem,
    rows: Float[Tensor, "rows n"],
    coalitions: Bool[Tensor, "rows coalitions n"],
    on: On,
) -> Float[Tensor, "rows coalitions"]:
    return coalition_values(
        explained(problem, on),
        rows,
        problem.baseline,
        coalitions,
        at_a_time=rows_a_call(problem.n),
    )


def _refuse_fewer(problem: Problem, fewest: int) -> None:
    if problem.remaining < fewest:
        raise NotApplicable(
            f"a linear model of {problem.n:,} units needs {fewest:,} samples, and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
