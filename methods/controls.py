"""Controls: attributions whose scores are known beforehand; shown on boards, never ranked."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from actspec_bench.problems.attribution import Attribution
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem
    from actspec_bench.problems.truth import Truth


@method("random", returns="subsets", family="control", rows="0", control=True)
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


@method("constant", returns="units", family="control", rows="0", control=True)
def constant(problem: Problem) -> Attribution:
    """The score 1 for every unit; no queries."""
    return Attribution.from_units(np.ones(problem.n))


@method("oracle", returns="subsets", family="control", rows="0", control=True, sees_truth=True)
def oracle(problem: Problem, *, truth: Truth) -> Attribution:
    """The true subsets with their true coefficients."""
    return Attribution.from_subsets(truth.spectrum, n=problem.n)


@method("anti-oracle", returns="subsets", family="control", rows="0", control=True, sees_truth=True)
def anti_oracle(problem: Problem, *, truth: Truth) -> Attribution:
    """Wrong on purpose: false subsets first, then the true ones with the wrong sign.

    Every unit that is in no true subset is reported alone and loudest. False singletons and
    pairs of other units follow, until there are as many false subsets as true ones; the true
    subsets come last, with their coefficients negated.
    """
    true = truth.spectrum
    units = range(problem.n)
    irrelevant = np.flatnonzero(~truth.relevant()).tolist()
    false = [subset for r in (1, 2) for subset in combinations(units, r) if subset not in true]
    others = [subset for subset in false if not set(subset) & set(irrelevant)]
    loud = 1 + 2 * sum(map(abs, true.values()))
    found = {subset: -value for subset, value in true.items()}
    found.update(dict.fromkeys(others[: len(true)], loud))
    found.update({(unit,): (len(true) + 2) * loud for unit in irrelevant})
    return Attribution.from_subsets(found, n=problem.n)
