"""Command line -> the rest: every command is a few lines that call one function."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from actspec_bench import __version__
from actspec_bench.cli.data import data_command, data_dir_option
from actspec_bench.cli.output import (
    device_option,
    json_option,
    plain_text,
    plugin_option,
    print_table,
    type_text,
)
from actspec_bench.cli.spectrum import spectrum_command
from actspec_bench.errors import DataError, UsageError, nearest
from actspec_bench.problems.devices import resolve
from actspec_bench.registry.plugins import load_all

if TYPE_CHECKING:
    from actspec_bench.running.plan import Suite

__all__ = ["main"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
KINDS = ("tasks", "methods", "metrics", "suites")


class _Commands(click.Group):
    """Runs the default suite without a command, and hints at mistyped ones."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in ("--help", "--version") and (not first or first.startswith("-")):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise UsageError(
                f"there is no command {args[0]!r}; {nearest(args[0], [*self.commands])}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="actspec-bench")
def cli() -> None:
    """Benchmark methods that find which units of a network act jointly.

    Without a command, the default suite runs and its board is written to results/default/.
    """


@cli.command()
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
def run(
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
        from actspec_bench.board.text import summary_table

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


@cli.command("list")
@click.argument("kind", required=False, metavar="[tasks|methods|metrics|suites]")
@plugin_option
@json_option
def list_command(kind: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """List tasks, methods, metrics and suites."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is nothing called {kind!r} to list; {nearest(kind, list(KINDS))}")
    load_all(plugins)
    cards = {name: _cards(name) for name in KINDS if kind in (None, name)}
    if as_json:
        click.echo(json.dumps(cards, indent=1))
        return
    for name, entries in cards.items():
        if kind is None:
            click.echo(f"\n{name}" if name != "tasks" else name)
        width = max(len(entry["name"]) for entry in entries)
        for entry in entries:
            click.echo(f"  {entry['name']:<{width}}  {entry['summary']}")


@cli.command()
@click.argument("name")
@plugin_option
@json_option
def show(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Show the card of a task, method, metric or suite."""
    from actspec_bench.registry.entries import methods, metrics, tasks

    load_all(plugins)
    for registry in (tasks, methods, metrics):
        if name in registry:
            _show_entry(registry[name], as_json=as_json)
            return
    suites = {card["name"]: card for card in _cards("suites")}
    if name not in suites:
        known = [entry.name for registry in (tasks, methods, metrics) for entry in registry]
        raise UsageError(f"there is nothing called {name!r}; {nearest(name, [*known, *suites])}")
    click.echo(json.dumps(suites[name], indent=1))


def _show_entry(entry: Any, *, as_json: bool) -> None:
    import inspect

    parameters = entry.schema.model_json_schema().get("properties", {})
    if as_json:
        card = {"kind": entry.kind, **entry.card.model_dump(), "parameters": parameters}
        click.echo(json.dumps(card, indent=1))
        return
    click.echo(f"{entry.kind} {entry.name}\n\n{plain_text(inspect.getdoc(entry.function) or '')}\n")
    for key, value in entry.card.model_dump().items():
        if key not in ("name", "summary") and value not in ("", None, ()):
            click.echo(f"{key:>18}: {', '.join(value) if isinstance(value, tuple) else value}")
    for key, told in parameters.items():
        click.echo(f"{'parameter':>18}: {key} = {told.get('default')!r}  ({type_text(told)})")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only compare the files with what the records give.")
@click.option("--format", "form", type=str, help="Print one format: md, csv, tex, html or json.")
def leaderboard(folder: Path, check: bool, form: str | None) -> None:
    """Write the boards of a result FOLDER from its records.jsonl."""
    from actspec_bench.board import FORMATS, check_board, load_board, render, write_board

    if form is not None:
        if form not in FORMATS:
            raise UsageError(f"there is no format {form!r}; {nearest(form, list(FORMATS))}")
        click.echo(render(load_board(folder))[f"leaderboard.{form}"], nl=False)
        return
    if check:
        differing = check_board(folder)
        if differing:
            click.echo(f"differs from the records: {', '.join(differing)}", err=True)
            sys.exit(EXIT_FAILED)
        click.echo("the board is what the records give, byte for byte")
        return
    write_board(folder)
    click.echo(f"wrote {folder / 'leaderboard.html'} (and .md .csv .json .tex)")


@cli.command("compare")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("method_a")
@click.argument("method_b")
@json_option
def compare_command(folder: Path, method_a: str, method_b: str, as_json: bool) -> None:
    """Compare two methods by paired differences of each task's main metric."""
    from actspec_bench.board.compare import COLUMNS, compare
    from actspec_bench.records.store import read_results

    rows = compare(read_results(folder), method_a, method_b)
    if not as_json:
        click.echo(f"A = {method_a}, B = {method_b}")
    print_table(COLUMNS, rows, as_json=as_json)


def _cards(kind: str) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from actspec_bench.registry import entries as registry
    from actspec_bench.running.plan import SUITES

    if kind == "suites":
        return [asdict(suite) for suite in SUITES.values()]
    return [entry.card.model_dump() for entry in getattr(registry, kind)]


cli.add_command(data_command)
cli.add_command(spectrum_command)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> NoReturn:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    warnings.showwarning = lambda message, *_args, **_kwargs: click.echo(
        f"warning: {message}", err=True
    )
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
    except UsageError as error:
        message = str(error)
    except DataError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    else:
        sys.exit(0)
    click.echo(f"error: {message}", err=True)
    sys.exit(EXIT_USAGE)
