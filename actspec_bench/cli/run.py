"""Command line -> a run: the suite or what is named, its progress, what it came to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from actspec_bench.cli.options import data_dir_option, device_option, json_option, plugin_option
from actspec_bench.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, print_table
from actspec_bench.problems.devices import resolve
from actspec_bench.registry.plugins import load_all

if TYPE_CHECKING:
    from actspec_bench.running.suites import Suite

__all__ = ["run_command"]


@click.command("run")
@click.option("--suite", "suite_name", metavar="NAME", help="What to run  [default: default].")
@click.option(
    "-t",
    "--task",
    "task_texts",
    multiple=True,
    metavar="TASK",
    help='Such as "planted-parity[n=32]".',
)
@click.option(
    "-m",
    "--method",
    "method_texts",
    multiple=True,
    metavar="METHOD",
    help='Such as "actspec[tau=0.2]".',
)
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Instances of each task  [default: the suite's, 5]."
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=click.IntRange(min=1),
    help="Rows a method may evaluate; may be repeated.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Cells at a time  [default: all cores].")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds a method may take.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    default=4096.0,
    show_default=True,
    help="MiB a cell's process may hold.",
)
@device_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Result folder  [default: results/SUITE, with --task results/custom].",
)
@plugin_option
@data_dir_option(exists=True)
@click.option("--dry-run", is_flag=True, help="Only list the cells.")
@click.option("--retry-failed", is_flag=True, help="Run failed cells again.")
@click.option("--fresh", is_flag=True, help="Set old results aside and start over.")
@json_option
def run_command(
    suite_name: str | None,
    task_texts: tuple[str, ...],
    method_texts: tuple[str, ...],
    seeds: int | None,
    budgets: tuple[int, ...],
    jobs: int | None,
    timeout: float,
    memory: float,
    device: str,
    out: Path | None,
    plugins: tuple[str, ...],
    data_folder: Path | None,
    dry_run: bool,
    retry_failed: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run a suite, or the tasks and methods named, and write the board.

    Cells that have a record already are not run again. Exit status: 0 all cells ok or skipped,
    1 some failed, 2 wrong usage, 130 interrupted.
    """
    from actspec_bench.data.finding import using_data_dir
    from actspec_bench.running.plan import choose_suite

    if device != "auto":
        resolve(device)
    load_all(plugins)
    with using_data_dir(data_folder):
        suite = choose_suite(suite_name, task_texts, method_texts, budgets, seeds)
        _tell_left_out(suite)
        if dry_run:
            _print_plan(suite, as_json=as_json)
            return
        from rich.console import Console

        from actspec_bench.running.runner import Limits
        from actspec_bench.running.session import Settings, run_suite

        settings = Settings(
            out=out or Path("results") / suite.name,
            jobs=jobs or _cores(),
            limits=Limits(timeout, memory),
            plugins=tuple(str(Path(plugin).resolve()) for plugin in plugins),
            retry_failed=retry_failed,
            fresh=fresh,
            device=device,
        )
        summary = run_suite(suite, settings, Console(stderr=True))
    _finish(summary, settings.out, as_json=as_json)


def _tell_left_out(suite: Suite) -> None:
    """Say which tasks of a suite are left out since their data is not there."""
    absent = [text for text in suite.with_data if text not in suite.tasks]
    if absent:
        click.echo(
            f"left out, since their data is not here: {', '.join(absent)}; "
            "`python -m actspec_bench data fetch` gets it",
            err=True,
        )


def _print_plan(suite: Suite, *, as_json: bool) -> None:
    from actspec_bench.running.plan import plan_cells

    cells = plan_cells(suite)
    listed = [[c.id, c.task.label, c.instance, c.method.label, c.budget] for c in cells]
    print_table(["cell", "task", "instance", "method", "budget"], listed, as_json=as_json)
    if not as_json:
        click.echo(f"{len(cells)} cells")


def _finish(summary: Any, out: Path, *, as_json: bool) -> NoReturn:
    """Print what a run came to and leave with its exit code."""
    code = EXIT_FAILED if summary.failed else 0
    if summary.interrupted:
        code = EXIT_INTERRUPTED
    if as_json:
        told = {"out": str(out), "statuses": summary.statuses, "ran": summary.ran, "exit": code}
        told |= {"metric_errors": summary.metric_errors, "lacking": summary.lacking}
        click.echo(json.dumps(told | {"interrupted": summary.interrupted}))
        sys.exit(code)
    if summary.board is not None and not summary.interrupted:
        from actspec_bench.board.markdown import summary_table

        for budget in reversed(summary.board.budgets):
            click.echo(f"\nbudget {budget:,} rows")
            click.echo(summary_table(summary.board, budget))
    counts = ", ".join(f"{n} {status}" for status, n in summary.statuses.items()) or "none finished"
    click.echo(f"\ncells: {counts}")
    if summary.interrupted:
        click.echo("interrupted: finished cells are kept, the same command goes on from here")
    if summary.board is not None:
        click.echo(f"board: {out / 'leaderboard.html'} (and .md .csv .json .tex)")
    for why in summary.lacking:
        click.echo(f"skipped: {why}")
    for metric, why in summary.metric_errors.items():
        click.echo(f"metric {metric!r} failed: {why}")
    if summary.failed:
        click.echo("not all went well: see the board; --retry-failed runs such cells again")
    sys.exit(code)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
