"""Job -> message: the child process of one cell."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actspec_bench.records import Cell

__all__ = ["PRELOAD", "Job", "main"]

PRELOAD = [
    "actspec_bench.cell",
    "actspec_bench.sources",
    "actspec_bench.methods._tree_search",
    "actspec_bench.tasks._digits",
    "actspec_bench.tasks._parities",
    "captum.attr",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.metrics",
]
OUTPUT_BYTES = 4000


@dataclass(frozen=True)
class Job:
    """What a child is told: its cell, and the plug-in files to load first."""

    cell: Cell
    plugins: tuple[str, ...]


def main(connection: Connection, job: Job) -> None:
    """Run one cell and send ``("phase", name)`` as it goes and ``("done", fields)`` at last.

    The process leads a group of its own, prints into a file, computes on one thread, and ends
    when the other end of ``connection`` closes, however that came about.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        connection.send(("phase", "build"))
        fields = _execute(connection, job)
        if fields["status"] != "ok":
            sys.stdout.flush()
            sys.stderr.flush()
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - OUTPUT_BYTES))
            fields["output"] = output.read().decode(errors="replace")
        connection.send(("done", fields))


def _execute(connection: Connection, job: Job) -> dict[str, object]:
    import torch

    from actspec_bench.cell import execute
    from actspec_bench.plugins import load_entry_points, load_file

    torch.set_num_threads(1)
    load_entry_points()
    for plugin in job.plugins:
        load_file(plugin)
    return execute(job.cell, lambda phase: connection.send(("phase", phase)))


def _end_with_parent(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
