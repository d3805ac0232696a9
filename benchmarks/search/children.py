"""Contestants and regimes -> runs: each in a child process, in turn, ended at its limit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from benchmarks.attempts import Status
from benchmarks.search.contestants import CONTESTANTS, Contestant
from benchmarks.search.regimes import Regime
from benchmarks.search.runs import Run, run_once
from benchmarks.serving import Served

__all__ = ["Child", "race"]

# Compilers run in a process's first call.
COLD = 3


def _answers(name: str) -> Callable[[Regime, int, int | None], Run]:
    """Runs of one contestant, in a process of its own."""
    contestant = CONTESTANTS[name]
    if not contestant.ours:
        warnings.simplefilter("ignore")
    for package in contestant.packages:
        __import__(package)
    calls = count()
    return lambda regime, seed, budget: run_once(contestant, regime, seed, budget, next(calls))


@dataclass
class Child:
    """A process for the runs of one contestant, and the seconds that they have taken."""

    contestant: Contestant
    limit: float
    spent: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._served = Served(_answers, self.contestant.name)

    def run(self, regime: Regime, seed: int, budget: int | None) -> Run:
        """Make one run, ended after ``limit`` seconds, or three times that if it is a cold one."""
        run = Run(regime.name, self.contestant.name, seed, budget, "timeout")
        began = time.perf_counter()
        limit = self.limit * (1 if self._served.warm else COLD)
        try:
            return self._served.ask(  # type: ignore[no-any-return]
                regime, seed, budget, limit=limit
            )
        except TimeoutError as error:
            return replace(run, reason=str(error))
        except ChildProcessError as error:
            return replace(run, status="error", reason=str(error))
        finally:
            self.spent += time.perf_counter() - began

    def end(self) -> None:
        """End the process; the next run starts another."""
        self._served.end()


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
