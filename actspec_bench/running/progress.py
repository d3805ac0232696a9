"""Finished cells -> what the user sees while a run goes on: a live bar, or plain lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import Task as Bar
from rich.text import Text

from actspec_bench.records.record import Cell, Record

__all__ = ["RunProgress"]

PLAIN_SECONDS = 10.0
LEAST_FOR_ESTIMATE = 3


class RunProgress:
    """Counts cells of a run; on a terminal a live bar with the time left, else a line at times.

    Parameters
    ----------
    console
        Where to write; standard error, so that results can be piped.
    total, jobs
        Cells that will run, and how many at a time.
    """

    def __init__(self, console: Console, total: int, jobs: int) -> None:
        self._console = console
        self._total = total
        self._counts: Counter[str] = Counter()
        self._broken: set[str] = set()
        self._began = self._spoke = time.monotonic()
        self._live: Progress | None = None
        if console.is_terminal and total:
            self._live = Progress(
                TextColumn("cells"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[counts]}"),
                TimeElapsedColumn(),
                _TimeLeft(),
                TextColumn("{task.fields[running]}", style="dim"),
                console=console,
                transient=True,
            )
            self._bar = self._live.add_task("", total=total, counts="", running="")
        elif total:
            self._say(f"{total} cells to run, {jobs} at a time")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def finished(self, cell: Cell, record: Record) -> None:
        """Count a cell; one that failed is named at once, and so is a metric that did."""
        self._counts[record.status] += 1
        if record.status not in ("ok", "skipped"):
            self._say(f"{record.status}: {_name(cell)}, budget {cell.budget:,}: {record.reason}")
        for metric, why in record.metric_errors.items():
            if metric not in self._broken:
                self._broken.add(metric)
                self._say(f"metric {metric!r} failed on {_name(cell)}: {why}")
        if self._live is not None:
            self._live.update(self._bar, advance=1, counts=self._summary())

    def waiting(self, running: Sequence[Cell]) -> None:
        """Show that the run is alive; called often while cells run."""
        if self._live is not None:
            now = running[0] if running else None
            self._live.update(self._bar, running=_name(now) if now else "")
        elif time.monotonic() - self._spoke > PLAIN_SECONDS:
            self._spoke = time.monotonic()
            done = self._counts.total()
            text = f"{done} of {self._total} cells"
            if done:
                left = (self._spoke - self._began) / done * (self._total - done)
                text += f", {self._summary()}, about {left:.0f} s left"
            self._say(f"{text}; running {', '.join(map(_name, running))}")

    def _summary(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _name(cell: Cell) -> str:
    return f"{cell.method.label} on {cell.task.label}, instance {cell.instance}"


class _TimeLeft(TextColumn):
    """Estimate from all cells so far: steadier than the latest ones, whose costs differ."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Bar) -> Text:
        if task.completed < LEAST_FOR_ESTIMATE or task.elapsed is None or task.total is None:
            return Text("")
        left = task.elapsed / task.completed * (task.total - task.completed)
        return Text(f"about {int(left // 60)}:{int(left % 60):02d} left")
