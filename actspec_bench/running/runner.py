"""Cells -> records: every cell in a child process that can be ended by force."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import psutil

from actspec_bench.records.record import Cell
from actspec_bench.running.family import end_family, end_orphans, resident
from actspec_bench.running.threads import one_thread_each
from actspec_bench.running.worker import Job, main, preload

__all__ = ["Limits", "run_cells"]

POLL_SECONDS = 0.02
WEIGH_SECONDS = 0.1
BUILD_SECONDS = 600.0
MIB = 2**20

# Cells of this process, whichever thread runs them: no orphan of another cell is one of them.
_living: set[int] = set()
_cells = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """What a cell may use.

    Attributes
    ----------
    timeout
        Wall-clock seconds for the method, and as many again for its scoring. Building a task
        may take 600 s if that is more, since a network is trained there the first time.
    memory
        MiB of resident memory of the cell's process and its children.
    """

    timeout: float
    memory: float


class _Process(Protocol):
    """What this module needs of a process of any start method."""

    pid: int | None
    exitcode: int | None
    sentinel: int

    def kill(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


class _Child:
    """A running cell."""

    def __init__(self, context: Any, job: Job) -> None:
        self.cell = job.cell
        self.told: dict[str, Any] = {}
        self.connection: Connection
        self.connection, theirs = context.Pipe(duplex=True)
        self.process: _Process = context.Process(target=main, args=(theirs, job), daemon=False)
        with _cells:
            self.process.start()
            _living.add(self.process.pid or 0)
        self.parent = _parent(self.process.pid)
        theirs.close()
        self.phase = "start"
        self.since = time.monotonic()
        self.weigh_at = self.since + WEIGH_SECONDS

    def poll(self, limits: Limits) -> dict[str, Any] | None:
        """Return the cell's fields once it has finished, failed or broken a limit."""
        fields = self._received()
        if fields is None:
            fields = self._broken_limit(limits)
        if fields is None and self.process.exitcode is not None:
            fields = self._received() or self._died()
        if fields is None:
            return None
        self.end()
        return self.told | fields

    def _received(self) -> dict[str, Any] | None:
        with contextlib.suppress(EOFError, OSError):
            while self.connection.poll():
                kind, content = self.connection.recv()
                if kind == "done":
                    done: dict[str, Any] = content
                    return done
                if kind == "told":
                    self.told |= content
                    continue
                self.phase, self.since = content, time.monotonic()
        return None

    def _broken_limit(self, limits: Limits) -> dict[str, Any] | None:
        building = self.phase in ("start", "build")
        allowed = max(limits.timeout, BUILD_SECONDS) if building else limits.timeout
        if time.monotonic() - self.since > allowed:
            return {
                "status": "timeout",
                "reason": f"the {self.phase} phase took more than {allowed:g} s",
            }
        if time.monotonic() < self.weigh_at:
            return None
        self.weigh_at = time.monotonic() + WEIGH_SECONDS
        if resident(self.process.pid) > limits.memory * MIB:
            return {
                "status": "oom",
                "reason": f"the {self.phase} phase used more than {limits.memory:g} MiB",
            }
        return None

    def _died(self) -> dict[str, Any]:
        code = self.process.exitcode or 0
        if code == -signal.SIGKILL:
            reason = f"the system killed the process in the {self.phase} phase"
            return {"status": "oom", "reason": f"{reason}, most likely for want of memory"}
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return {"status": "error", "reason": f"the process ended {how} in the {self.phase} phase"}

    def end(self) -> None:
        """End the process, and whatever it started, by force."""
        pid = self.process.pid
        end_family(pid)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()
        with _cells:
            _living.discard(pid or 0)
            if self.parent not in (None, os.getpid()):
                end_orphans(self.parent, _living)


def run_cells(
    cells: Sequence[Cell],
    *,
    jobs: int,
    limits: Limits,
    plugins: Sequence[str] = (),
    device: str = "auto",
    finished: Callable[[Cell, dict[str, Any]], None],
    waiting: Callable[[Sequence[Cell]], None] = lambda _running: None,
) -> None:
    """Run ``cells``, at most ``jobs`` at a time, and hand over each one's fields as it ends.

    ``waiting`` is called with the running cells every few hundredths of a second.

    Children start from a fork server that has imported the libraries and done nothing else (or
    from nothing, where there is no fork), with one thread each. Whatever interrupts this
    function, no child outlives it, nor does what a child has started. The exceptions are
    processes in sessions of their own (daemons) of a cell that ended by itself: on systems
    other than Linux, and where the caller's process had a fork server running before.
    """
    left = list(reversed(cells))
    running: list[_Child] = []
    with one_thread_each():
        context = _start_context(cells)
        try:
            while left or running:
                while left and len(running) < jobs:
                    running.append(_Child(context, Job(left.pop(), tuple(plugins), device)))
                handles = [handle for c in running for handle in (c.connection, c.process.sentinel)]
                wait(handles, timeout=POLL_SECONDS)
                waiting([child.cell for child in running])
                for child in list(running):
                    fields = child.poll(limits)
                    if fields is not None:
                        running.remove(child)
                        finished(child.cell, fields)
        finally:
            for child in running:
                child.end()


def _start_context(cells: Sequence[Cell]) -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload(cells))
    return context


def _parent(pid: int | None) -> int | None:
    """Return the process that forked a cell: the fork server, or without one this process."""
    with contextlib.suppress(psutil.Error):
        parent: int = psutil.Process(pid).ppid()
        return parent
    return None
