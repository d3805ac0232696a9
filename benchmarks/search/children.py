"""Contestants and regimes -> runs: each in a child process, in turn, ended at its limit."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import torch

from actspec_bench.running.threads import one_thread_each
from benchmarks.search.contestants import CONTESTANTS, Contestant
from benchmarks.search.regimes import Regime
from benchmarks.search.runs import Run, Status, run_once

__all__ = ["FIRST_SEED", "Child", "race"]

# Instances are others than those anybody would tune on.
FIRST_SEED = 100
GRACE = 10.0
# Compilers run in a process's first call.
COLD = 3


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
        with one_thread_each():
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
