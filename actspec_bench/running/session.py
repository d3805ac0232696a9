"""Suite -> result folder: plan, resume, run, store, and write the board."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from actspec_bench.board import write_board
from actspec_bench.records.privacy import sentence
from actspec_bench.records.provenance import provenance
from actspec_bench.records.record import STATUSES, Cell, Record
from actspec_bench.records.store import Store, Stored
from actspec_bench.registry.entries import methods, metrics, tasks
from actspec_bench.running.plan import plan_cells, sources_of
from actspec_bench.running.progress import RunProgress
from actspec_bench.running.runner import Limits, run_cells
from actspec_bench.running.suites import Suite
from actspec_bench.seeds import canonical_json

if TYPE_CHECKING:
    from actspec_bench.board.table import Board

__all__ = ["Settings", "Summary", "run_suite"]


@dataclass(frozen=True)
class Settings:
    """How a suite is run, as opposed to what is run.

    Attributes
    ----------
    jobs
        Cells at a time.
    plugins
        Files that each cell's process loads.
    retry_failed
        Run cells again that ended in error, timeout, oom or over-budget.
    fresh
        Set the folder's store aside and start over.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``: where tasks' networks run. A cell that has a record
        is not run again for another device, on which its numbers would agree.
    """

    out: Path
    jobs: int
    limits: Limits
    plugins: tuple[str, ...] = ()
    retry_failed: bool = False
    fresh: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes
    ----------
    statuses
        Cells of the plan by status.
    metric_errors
        Metric -> how its code failed, on some cell of the plan.
    lacking
        Reasons of cells skipped for want of data or of a package, each with its remedy.
    ran
        How many cells ran just now.
    """

    statuses: dict[str, int]
    metric_errors: dict[str, str]
    lacking: list[str]
    ran: int
    interrupted: bool
    board: Board | None

    @property
    def failed(self) -> bool:
        """Whether a cell ended in any other way than ok or skipped, or a metric's code failed."""
        return bool(set(self.statuses) - {"ok", "skipped"} or self.metric_errors)


def run_suite(suite: Suite, settings: Settings, console: Console) -> Summary:
    """Run the cells of ``suite`` that have no valid record yet, and write the board.

    A record is valid if the code of its task, its method and each metric there is now is what
    it was, down to the helpers they import. A cell that was skipped for want of data or of a
    package runs again; any other that was skipped stays so: the method cannot serve the problem.

    Raises
    ------
    UsageError
        The suite names something unknown, or the folder cannot be used; nothing ran.
    """
    cells = plan_cells(suite)
    sources = sources_of(cells)
    with Store.open(settings.out, fresh=settings.fresh) as store:
        store.plan(cells, {entry.name: entry.card for entry in metrics})
        before = {stored.id: stored for stored in store.stored()}
        due = [cell for cell in cells if not _valid(before[cell.id], sources[cell.id], settings)]
        store.mark_outdated(
            [
                cell.id
                for cell in due
                if before[cell.id].status and not _same_code(before[cell.id], sources[cell.id])
            ]
        )
        _tell_what_is_there(store, before, cells, sources, len(due), console)
        interrupted = False
        ran = 0
        with RunProgress(console, len(due), settings.jobs) as progress:

            def finished(cell: Cell, fields: dict[str, Any]) -> None:
                nonlocal ran
                record = _record(cell, fields, sources[cell.id])
                store.put(record)
                ran += 1
                progress.finished(cell, record)

            try:
                run_cells(
                    due,
                    jobs=settings.jobs,
                    limits=settings.limits,
                    plugins=settings.plugins,
                    device=settings.device,
                    finished=finished,
                    waiting=progress.waiting,
                )
            except KeyboardInterrupt:
                interrupted = True
        done = [stored for stored in store.stored() if stored.id in sources and stored.status]
        store.export()
        board = write_board(settings.out) if done else None
    statuses = Counter(stored.status for stored in done)
    return Summary(
        {status: statuses[status] for status in STATUSES if statuses[status]},
        {name: why for stored in done for name, why in stored.metric_errors.items()},
        sorted({stored.reason for stored in done if stored.lacks}),
        ran,
        interrupted,
        board,
    )


def _tell_what_is_there(
    store: Store,
    before: dict[str, Stored],
    cells: list[Cell],
    sources: dict[str, dict[str, str]],
    due: int,
    console: Console,
) -> None:
    """Say which results the folder holds already, and set those of other versions aside."""
    if due < len(cells):
        console.print(f"{len(cells) - due} of {len(cells)} cells are in {store.folder} already")
    planned = {cell.id for cell in cells}
    others = [stored for id_, stored in before.items() if id_ not in planned]
    stale = [stored.id for stored in others if _is_stale(stored, cells, sources)]
    store.mark_stale(stale)
    if stale:
        console.print(
            f"{len(stale)} cells there were made by another version of these tasks, methods or "
            "metrics; they are left out of the board"
        )
    if len(others) > len(stale):
        console.print(
            f"the board also shows {len(others) - len(stale)} cells of other commands in "
            f"{store.folder}; give another --out to keep them apart"
        )


def _is_stale(stored: Stored, cells: list[Cell], sources: dict[str, dict[str, str]]) -> bool:
    """Whether a stored cell has a task, method or metric of the plan's name that is another.

    A metric that only one of the two knows tells nothing: the cell stays as it is.
    """
    planned = stored.planned
    metrics_now = sources[cells[0].id] if cells else {}
    if any(
        key.startswith("metric ") and stored.sources.get(key, code) != code
        for key, code in metrics_now.items()
    ):
        return True
    for cell in cells:
        now = sources[cell.id]
        if cell.task.label == planned["task"]:
            same = canonical_json(cell.task.parameters) == canonical_json(
                planned["task_parameters"]
            )
            if not same or cell.task_version != planned["task_version"]:
                return True
            if stored.sources and stored.sources["task"] != now["task"]:
                return True
        if cell.method.label == planned["method"]:
            if canonical_json(cell.method.parameters) != canonical_json(
                planned["method_parameters"]
            ):
                return True
            if stored.sources and stored.sources["method"] != now["method"]:
                return True
    return False


def _same_code(stored: Stored, sources: dict[str, str]) -> bool:
    """Whether a record was made by this code; it may hold scores of other metrics besides."""
    return all(stored.sources.get(key) == code for key, code in sources.items())


def _valid(stored: Stored, sources: dict[str, str], settings: Settings) -> bool:
    if stored.status is None or stored.lacks or not _same_code(stored, sources):
        return False
    if settings.retry_failed:
        return stored.status in ("ok", "skipped") and not stored.metric_errors
    return True


def _record(cell: Cell, fields: dict[str, Any], sources: dict[str, str]) -> Record:
    """Build a cell's record; fields that no record can hold make it an ``error``."""
    fields = dict(fields)
    device = fields.pop("device", {"device": None})
    card, task = methods[cell.method.name].card, tasks[cell.task.name].card
    identity: dict[str, Any] = {
        "cell": cell.id,
        "task": cell.task.label,
        "task_name": cell.task.name,
        "task_version": cell.task_version,
        "task_parameters": cell.task.parameters,
        "instance": cell.instance,
        "instance_seed": cell.instance_seed,
        "method": cell.method.label,
        "method_name": cell.method.name,
        "method_parameters": cell.method.parameters,
        "method_seed": cell.method_seed,
        "budget": cell.budget,
        "control": card.control,
        "sees_truth": card.sees_truth,
        "returns": card.returns,
        "family": card.family,
        "on": "" if card.control else cell.method.parameters.get("on", card.on),
        "main_metric": task.main_metric,
        "units_metric": task.units_metric,
        "sources": sources,
        "provenance": provenance() | device,
    }
    try:
        record = Record(**identity, **fields)
        canonical_json(record.model_dump()).encode("utf-8")
    except (ValueError, TypeError) as error:
        reason = sentence(f"the cell's result cannot be stored: {error}")
        return Record(**identity, status="error", reason=reason)
    return record
