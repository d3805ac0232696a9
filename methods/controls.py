"""Controls: attributions whose scores are known beforehand; shown on boards, never ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from actspec_bench.attribution import Attribution
from actspec_bench.registry import method

if TYPE_CHECKING:
    from actspec_bench.problem import Problem
    from actspec_bench.truth import Truth


@method("random", returns="subsets", family="control", control=True)
def random(
    problem: Problem,
    *,
    subsets: Annotated[int, Field(ge=1)] = 32,
    order: Annotated[int, Field(ge=1)] = 3,
) -> Attribution:
    """Random subsets of 1 to ``order`` units with standard normal coefficients; no queries.

    Parameters
    ----------
    subsets
        Draws; equal ones are merged.
    order
        Largest subset.
    """
    rng = np.random.default_rng(problem.generator.initial_seed())
    drawn: dict[tuple[int, ...], float] = {}
    for _ in range(subsets):
        size = rng.integers(1, min(order, problem.n) + 1)
        subset = tuple(sorted(rng.choice(problem.n, size, replace=False).tolist()))
        drawn[subset] = float(rng.standard_normal())
    return Attribution.from_subsets(drawn, n=problem.n)


@method("constant", returns="units", family="control", control=True)
def constant(problem: Problem) -> Attribution:
    """The score 1 for every unit; no queries."""
    return Attribution.from_units(np.ones(problem.n))


@method("oracle", returns="subsets", family="control", control=True, sees_truth=True)
def oracle(problem: Problem, *, truth: Truth) -> Attribution:
    """The true subsets with their true coefficients."""
    return Attribution.from_subsets(truth.spectrum, n=problem.n)


@method("anti-oracle", returns="subsets", family="control", control=True, sees_truth=True)
def anti_oracle(problem: Problem, *, truth: Truth) -> Attribution:
    """Wrong on purpose: subsets of irrelevant units, then the true ones with the wrong sign.

    Each unit that is in no true subset is reported alone (if there is none: each unit whose
    singleton is not true), above all true subsets with their coefficients negated.
    """
    irrelevant = np.flatnonzero(~truth.relevant()).tolist()
    wrong = [(unit,) for unit in irrelevant or range(problem.n) if (unit,) not in truth.spectrum]
    loudest = 1 + max(map(abs, truth.spectrum.values()), default=0.0)
    found = {subset: -value for subset, value in truth.spectrum.items()}
    found.update({subset: 2 * loudest * len(truth.spectrum) + 1 for subset in wrong})
    return Attribution.from_subsets(found, n=problem.n)
