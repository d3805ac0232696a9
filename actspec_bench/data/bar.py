"""Bytes arrived -> a bar on a terminal, or one line where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["DownloadBar"]


class DownloadBar:
    """Shows how far a download is; a context manager.

    Parameters
    ----------
    name
        File that is fetched.
    size
        Its bytes.
    """

    def __init__(self, console: Console, name: str, size: int) -> None:
        self._console = console
        self._live: Progress | None = None
        if console.is_terminal:
            self._live = Progress(
                TextColumn(name),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._live.add_task(name, total=size)
        else:
            self.say(f"fetching {name}, {size:,} bytes")

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

    def at(self, done: int) -> None:
        """Show that ``done`` bytes are there."""
        if self._live is not None:
            self._live.update(self._task, completed=done)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
