"""Contestant, regime, seed, budget -> one run: what came of it, and how right it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from actspec_bench import Problem
from actspec_bench.errors import BudgetExceeded, Missing, NotApplicable
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.meter import UNMETERED
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import tasks
from benchmarks.search.contestants import Contestant
from benchmarks.search.regimes import Regime

__all__ = ["Run", "Status", "run_once"]

TWIN_DRAWS, TWIN_CORRELATION = 2000, 0.3
Status = Literal["ok", "error", "timeout", "over-budget", "absent", "unsupported", "skipped"]


@dataclass(frozen=True)
class Run:
    """What came of one call of one search.

    Attributes
    ----------
    status, reason
        ``ok``, or why there is no result.
    queries
        Rows it asked for.
    seconds, function_seconds
        Of the call; the part of them spent in the function itself.
    call
        How many calls its process had made before: 0 is a cold one. Imports are done before.
    exact, recall
        Whether the top k are the planted sets, k being how many there are, or nothing is
        reported where nothing is planted; the share of planted sets among the top k. None
        without a result or a truth.
    reported, twins
        Subsets reported; those among them that hold a twin: a unit which the function does not
        use and whose state under D correlates with that of one which it does.
    """

    regime: str
    method: str
    seed: int
    budget: int | None
    status: Status
    reason: str = ""
    queries: int | None = None
    seconds: float | None = None
    function_seconds: float | None = None
    call: int | None = None
    exact: bool | None = None
    recall: float | None = None
    reported: int | None = None
    twins: int | None = None

    @property
    def beyond(self) -> float | None:
        """Seconds of the call beyond the function's own."""
        if self.seconds is None or self.function_seconds is None:
            return None
        return self.seconds - self.function_seconds


@dataclass
class _Stopwatch:
    function: Callable[[Tensor], Tensor]
    seconds: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        began = time.perf_counter()
        try:
            return self.function(x)
        finally:
            self.seconds += time.perf_counter() - began


@lru_cache(maxsize=16)
def _instance(task: str, seed: int, given_rows: int) -> Instance:
    from actspec_bench.registry.specs import Spec

    spec = Spec.parse(task, tasks)
    made = tasks[spec.name].function(seed, **spec.parameters)
    instance = made if isinstance(made, Instance) else Instance(made)
    if not given_rows:
        return instance
    asked = restarted(instance.problem, budget=given_rows, seed=seed)
    rows = asked.sample(given_rows)
    return replace(instance, problem=Problem.from_samples(rows, asked.value(rows), seed=seed))


def run_once(
    contestant: Contestant, regime: Regime, seed: int, budget: int | None, call: int = 0
) -> Run:
    """Run one search on one instance in this process; whatever it raises becomes a status."""
    run = Run(regime.name, contestant.name, seed, budget, "ok", call=call)
    try:
        instance = _instance(regime.task, seed, regime.given_rows)
    except Missing as error:
        return replace(run, status="absent", reason=str(error))
    source = instance.problem._source
    clock = _Stopwatch(source.margin)
    problem = restarted(
        Problem(replace(source, margin=clock)), budget=budget or UNMETERED, seed=seed
    )
    torch.manual_seed(seed)
    found: dict[tuple[int, ...], float] = {}
    began = time.perf_counter()
    try:
        found = dict(contestant.find(problem, regime, seed))
    except NotApplicable as error:
        run = replace(run, status="unsupported", reason=str(error))
    except BudgetExceeded as error:
        run = replace(run, status="over-budget", reason=str(error))
    except Exception as error:
        run = replace(run, status="error", reason=f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - began
    run = replace(
        run,
        queries=sum(problem.spent.values()),
        seconds=seconds,
        function_seconds=clock.seconds,
    )
    if run.status != "ok":
        return run
    return replace(run, **_scores(found, instance))


def _scores(found: dict[tuple[int, ...], float], instance: Instance) -> dict[str, Any]:
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
