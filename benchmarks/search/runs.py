"""Contestant, regime, seed, budget -> one run, made in a child process and ended at its limit."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch
from torch import Tensor

from actspec_bench import Problem
from actspec_bench.errors import BudgetExceeded, Missing, NotApplicable
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.meter import UNMETERED
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import tasks
from benchmarks.search.contestants import CONTESTANTS, Contestant
from benchmarks.search.regimes import Regime
from benchmarks.search.threads import one_thread

__all__ = ["FIRST_SEED", "Child", "Run", "race", "run_once"]

TWIN_DRAWS, TWIN_CORRELATION = 2000, 0.3
Status = Literal["ok", "error", "timeout", "over-budget", "absent", "unsupported", "skipped"]
# Instances are others than those anybody would tune on.
FIRST_SEED = 100
GRACE = 10.0
# Compilers run in a process's first call.
COLD = 3


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


def _serve(connection: Connection, name: str) -> None:
    """Answer requests for runs of one contestant until the other end closes."""
    torch.set_num_threads(1)
    contestant = CONTESTANTS[name]
    if not contestant.ours:
        warnings.simplefilter("ignore")
    for package in contestant.packages:
        __import__(package)
    calls = 0
    connection.send("ready")
    while True:
        try:
            regime, seed, budget = connection.recv()
        except EOFError:
            return
        connection.send(run_once(contestant, regime, seed, budget, calls))
        calls += 1


@dataclass
class Child:
    """A process for the runs of one contestant, started when needed and ended at a limit.

    Spawned, never forked: SPEX and LightGBM leave threads behind that a fork does not survive.
    """

    contestant: Contestant
    limit: float
    _process: Any = None
    _connection: Any = None
    _warm: bool = False
    spent: float = field(default=0.0)

    def run(self, regime: Regime, seed: int, budget: int | None) -> Run:
        """Make one run, ended after ``limit`` seconds, or three times that if it is a cold one."""
        run = Run(regime.name, self.contestant.name, seed, budget, "timeout")
        began = time.perf_counter()
        try:
            if self._process is None:
                self._start()
            self._connection.send((regime, seed, budget))
            limit = self.limit * (1 if self._warm else COLD)
            if self._connection.poll(limit):
                self._warm = True
                return self._connection.recv()  # type: ignore[no-any-return]
            self.end()
            return replace(run, reason=f"no result within {limit:g} s: ended")
        except (EOFError, OSError):
            code = self._process.exitcode
            self.end()
            return replace(run, status="error", reason=f"its process ended by itself ({code})")
        finally:
            self.spent += time.perf_counter() - began

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        with one_thread():
            self._process = context.Process(
                target=_serve, args=(theirs, self.contestant.name), daemon=True
            )
            self._process.start()
        theirs.close()
        self._connection.recv()

    def end(self) -> None:
        """End the process, by force if it does not end when asked; the next run starts another."""
        if self._process is None:
            return
        self._connection.close()
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(GRACE)
        self._process = self._connection = None
        self._warm = False


def race(
    contestant: Contestant, regimes: list[Regime], seeds: range, limit: float
) -> Iterator[Run]:
    """Run one contestant in all regimes, budgets ascending until one is exact on every seed.

    A regime's larger budgets are left out after that. They are *skipped*, with the reason,
    after a run that came to its limit, and so is all that is left when the contestant's
    allowance is used up.
    """
    absent = contestant.absent()
    child = Child(contestant, limit)
    # Cold calls first. An allowance that runs out leaves out the largest instances of the rest.
    ordered = sorted(regimes, key=lambda r: (not r.fresh, r.planted.get("n", 0)))
    try:
        for regime in ordered:
            if regime.only and contestant.name not in regime.only:
                continue
            refused = contestant.refuses(regime)
            reason = absent or refused or contestant.spared(regime)
            if reason:
                status: Status = "absent" if absent else "unsupported" if refused else "skipped"
                yield Run(regime.name, contestant.name, seeds[0], None, status, reason)
                continue
            if regime.fresh:
                child.end()
            yield from _climb(child, regime, seeds)
    finally:
        child.end()


def _climb(child: Child, regime: Regime, seeds: range) -> Iterator[Run]:
    contestant = child.contestant
    stopped = ""
    for budget in contestant.budgets(regime):
        exact = True
        for seed in seeds:
            if child.spent > contestant.seconds:
                stopped = f"its allowance of {contestant.seconds:g} s was used up"
            if stopped:
                yield Run(regime.name, contestant.name, seed, budget, "skipped", stopped)
                return
            run = child.run(regime, seed, budget)
            yield run
            exact = exact and bool(run.exact)
            if run.status == "timeout":
                stopped = f"a run before it took more than {child.limit:g} s"
            if run.status == "absent":
                return
        if exact:
            return
