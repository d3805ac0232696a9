"""Contestant, regime, seed, budget -> one run: what came of it, and how right it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from actspec_bench import Problem
from actspec_bench.errors import Missing
from actspec_bench.problems.meter import UNMETERED
from actspec_bench.problems.views import restarted
from benchmarks.attempts import Status, attempt
from benchmarks.instances import instance_of, recovered
from benchmarks.search.contestants import Contestant
from benchmarks.search.regimes import Regime

__all__ = ["Run", "run_once"]


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


def run_once(
    contestant: Contestant, regime: Regime, seed: int, budget: int | None, call: int = 0
) -> Run:
    """Run one search on one instance in this process; whatever it raises becomes a status."""
    run = Run(regime.name, contestant.name, seed, budget, "ok", call=call)
    try:
        instance = instance_of(regime.task, seed, regime.given_rows)
    except Missing as error:
        return replace(run, status="absent", reason=str(error))
    source = instance.problem._source
    clock = _Stopwatch(source.margin)
    problem = restarted(
        Problem(replace(source, margin=clock)), budget=budget or UNMETERED, seed=seed
    )
    torch.manual_seed(seed)
    tried = attempt(lambda: dict(contestant.find(problem, regime, seed)))
    run = replace(
        run,
        status=tried.status,
        reason=tried.reason,
        queries=sum(problem.spent.values()),
        seconds=tried.seconds,
        function_seconds=clock.seconds,
    )
    if run.status != "ok":
        return run
    return replace(run, **recovered(tried.result, instance))
