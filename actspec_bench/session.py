"""Suite -> result folder: plan, resume, run, store, and write the board."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from actspec_bench.plan import Suite, plan_cells, sources_of
from actspec_bench.progress import RunProgress
from actspec_bench.provenance import provenance
from actspec_bench.records import STATUSES, Cell, Record
from actspec_bench.registry import methods, tasks
from actspec_bench.runner import Limits, run_cells
from actspec_bench.seeds import digest
from actspec_bench.store import Store

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
    """

    out: Path
    jobs: int
    limits: Limits
    plugins: tuple[str, ...] = ()
    retry_failed: bool = False
    fresh: bool = False


@dataclass(frozen=True)
class Summary:
    """What a run came to: cells by status over the whole plan, and how many ran just now."""

    statuses: dict[str, int]
    ran: int
    interrupted: bool
    board: Board | None

    @property
    def failed(self) -> int:
        """Cells that ended in any other way than ok or skipped."""
        return sum(n for status, n in self.statuses.items() if status not in ("ok", "skipped"))


def run_suite(suite: Suite, settings: Settings, console: Console) -> Summary:
    """Run the cells of ``suite`` that have no valid record yet, and write the board.

    A record is valid if the code of its task, method and metrics is what it was, down to the
    helpers they import. A cell that was skipped stays so: the method cannot serve the problem.

    Raises
    ------
    UsageError
        The suite names something unknown, or the folder cannot be used; nothing ran.
    """
    cells = plan_cells(suite)
    sources = sources_of(cells)
    digests = {cell.id: digest(sources[cell.id]) for cell in cells}
    with Store.open(settings.out, fresh=settings.fresh) as store:
        store.plan(cells)
        have = store.finished()
        due = [cell for cell in cells if not _valid(have.get(cell.id), digests[cell.id], settings)]
        if len(due) < len(cells):
            console.print(
                f"{len(cells) - len(due)} of {len(cells)} cells are in {settings.out} already",
                highlight=False,
            )
        interrupted = False
        ran = 0
        with RunProgress(console, len(due)) as progress:

            def finished(cell: Cell, fields: dict[str, Any]) -> None:
                nonlocal ran
                store.put(_record(cell, fields, sources[cell.id]), digests[cell.id])
                ran += 1
                progress.finished(cell, fields["status"], fields.get("reason", ""))

            try:
                run_cells(
                    due,
                    jobs=settings.jobs,
                    limits=settings.limits,
                    plugins=settings.plugins,
                    finished=finished,
                )
            except KeyboardInterrupt:
                interrupted = True
        statuses = Counter(
            status for id_, (status, _) in store.finished().items() if id_ in digests
        )
        store.export()
        board = _write_board(settings.out) if statuses else None
    counts: dict[str, int] = {status: statuses[status] for status in STATUSES if statuses[status]}
    return Summary(counts, ran, interrupted, board)


def _valid(have: tuple[str, str] | None, sources: str, settings: Settings) -> bool:
    if have is None or have[1] != sources:
        return False
    return have[0] in ("ok", "skipped") or not settings.retry_failed


def _record(cell: Cell, fields: dict[str, Any], sources: dict[str, str]) -> Record:
    return Record(
        cell=cell.id,
        task=cell.task.label,
        task_name=cell.task.name,
        task_version=cell.task_version,
        task_parameters=cell.task.parameters,
        instance=cell.instance,
        instance_seed=cell.instance_seed,
        method=cell.method.label,
        method_name=cell.method.name,
        method_parameters=cell.method.parameters,
        method_seed=cell.method_seed,
        budget=cell.budget,
        control=methods[cell.method.name].card.control,
        main_metric=tasks[cell.task.name].card.main_metric,
        sources=sources,
        provenance=provenance(),
        **fields,
    )


def _write_board(folder: Path) -> Board:
    from actspec_bench.board import write_board

    return write_board(folder)
