"""Command line -> how distributed a task's representation is: tables, pictures, traces."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from actspec_bench.cli.options import data_dir_option, device_option, json_option, plugin_option
from actspec_bench.cli.output import EXIT_FAILED
from actspec_bench.errors import BudgetExceeded, Missing, NotApplicable, StoreError, UsageError

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.instance import Instance
    from actspec_bench.problems.problem import Problem
    from actspec_bench.records.record import Cell

__all__ = ["spectrum_command"]

TRACED = 3
RUNS = 5


@click.command("spectrum")
@click.argument("task_text", metavar="TASK")
@click.option(
    "-m",
    "--method",
    "method_text",
    default="actspec",
    show_default=True,
    metavar="METHOD",
    help='Such as "actspec[tau=0.2]".',
)
@click.option("--budget", type=click.IntRange(min=1), help="Rows it may evaluate [default: 10000].")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Instance of the task."
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=RUNS,
    show_default=True,
    help="Runs of the method; the intervals hold what differs between them.",
)
@click.option(
    "--trace", "tracing", is_flag=True, help=f"Trace the {TRACED} first subsets to inputs."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder  [default: results/spectrum/TASK]."
)
@device_option
@plugin_option
@data_dir_option(exists=True)
@json_option
def spectrum_command(
    task_text: str,
    method_text: str,
    budget: int | None,
    seed: int,
    runs: int,
    tracing: bool,
    out: Path | None,
    device: str,
    plugins: tuple[str, ...],
    data_folder: Path | None,
    as_json: bool,
) -> None:
    """Tell how distributed a TASK's representation is, by what a method finds in it.

    Prints the energy by order, the fewest units that carry 90% of what was found, and each
    subset's joint effect against the best its parts achieve and the interaction of its units, all
    with 95% intervals; tells which subsets other runs of the method find too; draws the spectrum
    by order and a heat map of the units. Exit status: 0, also where the task's data is
    not here, 1 a failure of the task or the method, 2 wrong usage or a method that cannot serve
    the task.
    """
    from actspec_bench.data.finding import using_data_dir
    from actspec_bench.problems.devices import resolve
    from actspec_bench.registry.plugins import load_all
    from actspec_bench.running.plan import choose_suite, plan_cells

    load_all(plugins)
    budgets = () if budget is None else (budget,)
    (cell, *_) = plan_cells(choose_suite(None, (task_text,), (method_text,), budgets, 1))
    folder = out or Path("results") / "spectrum" / cell.task.label.replace("/", "-")
    _check_folder(folder)
    resolve(device)
    with using_data_dir(data_folder):
        try:
            told = _run(cell, seed, folder, device, runs=runs, tracing=tracing)
        except Missing as reason:
            click.echo(json.dumps({"skipped": str(reason)}) if as_json else f"skipped: {reason}")
            return
    click.echo(json.dumps(told.as_dict(), indent=1) if as_json else told.text())


def _run(cell: Cell, seed: int, folder: Path, device: str, *, runs: int, tracing: bool) -> Any:
    """Build the instance, run the method, and write what it tells.

    The first run is that of the board; each further one has another seed and, where D is a data
    set, another sample of its inputs.
    """
    from dataclasses import replace

    import torch
    from rich.console import Console

    from actspec_bench.problems import devices
    from actspec_bench.problems.views import resampled, restarted
    from actspec_bench.registry.entries import methods
    from actspec_bench.running.cell import attributed, built
    from actspec_bench.seeds import seed_from
    from actspec_bench.spectra.report import Report

    torch.set_num_threads(1)
    devices.use(device)
    cell = replace(cell, instance=seed)
    console = Console(stderr=True)

    def doing(what: str) -> AbstractContextManager[Any]:
        return console.status(f"{cell.task.label}, instance {seed}: {what}")

    with doing("making the instance"):
        instance: Instance = _guarded("the task", lambda: built(cell))
    problem: Problem = restarted(instance.problem, budget=cell.budget, seed=cell.method_seed)
    found: list[Attribution] = []
    for number in range(runs):
        own, which = problem, cell.method_seed
        if number:
            which = seed_from(cell.method_seed, "run", number)
            own = restarted(resampled(problem, which), budget=cell.budget, seed=which)
        run = partial(attributed, cell, methods[cell.method.name], own, instance.truth, seed=which)
        with doing(f"{cell.method.label} with {cell.budget:,} rows, run {number + 1} of {runs}"):
            found.append(_guarded(f"method {cell.method.name!r}", run)[0])
    with doing("measuring what was found on rows that it never saw"):
        report = Report.make(cell, instance, problem, found, traces=TRACED if tracing else 0)
    with doing("drawing"):
        try:
            report.write(folder)
        except OSError as error:
            raise StoreError(f"cannot write to {folder} ({error.strerror})") from None
    return report


def _guarded(who: str, work: Any) -> Any:
    """Do ``work``; what goes wrong in it is one sentence."""
    try:
        return work()
    except Missing:
        raise
    except NotApplicable as reason:
        raise UsageError(f"{who} does not serve here: {reason}") from None
    except BudgetExceeded as reason:
        raise UsageError(f"{who} went over the budget: {reason}; give a larger --budget") from None
    except (Exception, SystemExit) as error:
        click.echo(f"error: {who} failed: {type(error).__name__}: {error}", err=True)
        sys.exit(EXIT_FAILED)


def _check_folder(folder: Path) -> None:
    """Raise StoreError before anything runs if results cannot be written to ``folder``."""
    for one in (folder, *folder.parents):
        if one.exists():
            if not one.is_dir():
                raise StoreError(f"cannot write to {folder}: {one} is a file; give another --out")
            return
