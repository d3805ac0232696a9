"""Task, seed -> instance, and what a search found of its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from actspec_bench import Problem
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset

__all__ = ["FIRST_SEED", "instance_of", "recovered", "with_given_rows"]

# Instances are others than those anybody would tune on.
FIRST_SEED = 100
TWIN_DRAWS, TWIN_CORRELATION = 2000, 0.3


@lru_cache(maxsize=16)
def instance_of(task: str, seed: int, given_rows: int = 0) -> Instance:
    """Make the instance of a task as on a command line, or one of ``given_rows`` draws of it."""
    spec = Spec.parse(task, tasks)
    made = tasks[spec.name].function(seed, **spec.parameters)
    instance = made if isinstance(made, Instance) else Instance(made)
    return with_given_rows(instance, seed, given_rows) if given_rows else instance


def with_given_rows(instance: Instance, seed: int, rows: int) -> Instance:
    """Return the instance with ``rows`` draws of D and their values as all that may be asked."""
    asked = restarted(instance.problem, budget=rows, seed=seed)
    x = asked.sample(rows)
    return replace(instance, problem=Problem.from_samples(x, asked.value(x), seed=seed))


def recovered(found: Mapping[Subset, float], instance: Instance) -> dict[str, Any]:
    """Score what was found against the truth, if there is one.

    Returns
    -------
    ``reported``, how many subsets there are; and with a truth ``twins``, those among them that
    hold a twin: a unit which the function does not use and whose state under D correlates with
    that of one which it does; ``exact``, whether the k largest are the k planted sets, or nothing
    is reported where nothing is planted; and ``recall``, the share of planted sets among those.
    """
    scores: dict[str, Any] = {"reported": len(found)}
    if instance.truth is None:
        return scores
    planted = set(instance.truth.spectrum)
    twins = _twins(instance)
    scores["twins"] = sum(not twins.isdisjoint(subset) for subset in found)
    if not planted:
        return scores | {"exact": not found}
    top = sorted(found, key=lambda s: (-abs(found[s]), len(s), s))[: len(planted)]
    return scores | {
        "exact": set(top) == planted,
        "recall": len(planted & set(top)) / len(planted),
    }


def _twins(instance: Instance) -> set[int]:
    """Units that the function does not use, but which correlate under D with one that it does."""
    assert instance.truth is not None
    relevant = torch.from_numpy(instance.truth.relevant())
    problem = restarted(instance.problem, budget=1, seed=0)
    pattern = problem.pattern(problem.sample(TWIN_DRAWS))
    alike = torch.corrcoef(pattern.T).abs() > TWIN_CORRELATION
    return set(torch.nonzero(alike[:, relevant].any(1) & ~relevant)[:, 0].tolist())
