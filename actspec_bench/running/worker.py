"""Job -> message: the child process of one cell."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from actspec_bench.data.finding import VARIABLE, data_dir
from actspec_bench.errors import UsageError
from actspec_bench.registry.entries import methods, metrics, tasks
from actspec_bench.running.family import adopt_orphans, end_family

if TYPE_CHECKING:
    from actspec_bench.records.record import Cell

__all__ = ["Job", "main", "preload"]

OUTPUT_BYTES = 4000


@dataclass(frozen=True)
class Job:
    """What a child is told: its cell, the plug-in files to load first, where data lies, the device.

    The folder of data is told, since a fork server has the environment of its first start.
    """

    cell: Cell
    plugins: tuple[str, ...]
    device: str = "auto"
    data_dir: str = field(default_factory=lambda: str(data_dir().absolute()))


def preload(cells: Sequence[Cell]) -> list[str]:
    """Modules that the fork server imports once: the harness's, and those that cards name.

    These are the cards of all metrics, and of the tasks and methods of ``cells`` alone: some
    name libraries that take seconds. A module that is not there is passed over.
    """
    entries = [entry for kind in (tasks, methods, metrics) for entry in kind]
    own = {entry.function.__module__ for entry in entries}
    built_in = {name for name in own if name.startswith("actspec_bench.")}
    planned: set[Any] = {tasks[cell.task.name] for cell in cells}
    planned |= {methods[cell.method.name] for cell in cells}
    named = {
        name
        for entry in [*planned, *metrics]
        if entry.function.__module__ in built_in
        for name in getattr(entry.card, "imports", ())
    }
    return [
        "actspec_bench.running.adopting",
        "actspec_bench.running.cell",
        "scipy.optimize",
        "sklearn.metrics",
        # What torch imports at the first backward pass of a process, which takes 0.8 s.
        "torch.fx.experimental.symbolic_shapes",
        *sorted(built_in | named),
    ]


def main(connection: Connection, job: Job) -> None:
    """Run one cell and send ``("done", fields)`` at last.

    As it goes it sends ``("phase", name)``, and ``("told", fields)`` that hold even if the cell
    has to be ended.

    The process leads a session of its own, adopts the orphans of what it starts, prints into a
    file, computes on one thread, and waits at last to be ended: by the parent, or when the other
    end of ``connection`` closes, however that came about.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    adopt_orphans()
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    from actspec_bench.records.privacy import without_folders

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
            fields["output"] = without_folders(output.read().decode(errors="replace"))
        connection.send(("done", fields))
        # The parent ends this process while it can still find all that the cell has started.
        threading.Event().wait()


def _execute(connection: Connection, job: Job) -> dict[str, Any]:
    import torch

    from actspec_bench.problems import devices
    from actspec_bench.records.privacy import sentence
    from actspec_bench.registry.plugins import load_entry_points, load_file
    from actspec_bench.running.cell import execute

    torch.set_num_threads(1)
    os.environ[VARIABLE] = job.data_dir
    load_entry_points()
    try:
        for plugin in job.plugins:
            load_file(plugin)
        devices.use(job.device)
    except UsageError as error:
        return {"status": "error", "reason": sentence(error)}
    return execute(
        job.cell,
        lambda phase: connection.send(("phase", phase)),
        lambda fields: connection.send(("told", fields)),
    )


def _end_with_parent(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        end_family(os.getpid(), spare={os.getpid()})
        os._exit(1)
