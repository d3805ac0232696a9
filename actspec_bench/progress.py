"""Finished cells -> what the user sees while a run goes on: a live bar, or plain lines."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import Task as Bar
from rich.text import Text

from actspec_bench.records import Cell

__all__ = ["RunProgress"]

PLAIN_SECONDS = 10.0
LEAST_FOR_ESTIMATE = 3


class RunProgress:
    """Counts cells of a run; on a terminal a live bar with the time left, else a line at times.

    Parameters
    ----------
    console
        Where to write; standard error, so that results can be piped.
    total
        Cells that will run.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._counts: Counter[str] = Counter()
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
                console=console,
                transient=True,
            )
            self._bar = self._live.add_task("", total=total, counts="")

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

    def finished(self, cell: Cell, status: str, reason: str) -> None:
        """Count a cell; one that failed is named at once."""
        self._counts[status] += 1
        if status not in ("ok", "skipped"):
            self._say(
                f"{status}: {cell.method.label} on {cell.task.label}, instance {cell.instance}, "
                f"budget {cell.budget}: {reason}"
            )
        if self._live is not None:
            self._live.update(self._bar, advance=1, counts=self._summary())
        elif time.monotonic() - self._spoke > PLAIN_SECONDS:
            self._spoke = time.monotonic()
            done = self._counts.total()
            left = (self._spoke - self._began) / done * (self._total - done)
            self._say(f"{done} of {self._total} cells, {self._summary()}, about {left:.0f} s left")

    def _summary(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _TimeLeft(TextColumn):
    """Estimate from all cells so far: steadier than the latest ones, whose costs differ."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Bar) -> Text:
        if task.completed < LEAST_FOR_ESTIMATE or task.elapsed is None or task.total is None:
            return Text("")
        left = task.elapsed / task.completed * (task.total - task.completed)
        return Text(f"about {int(left // 60)}:{int(left % 60):02d} left")
