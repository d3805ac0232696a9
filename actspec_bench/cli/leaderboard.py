"""Command line -> boards: written from the records, printed, or checked against them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from actspec_bench.cli.output import EXIT_FAILED
from actspec_bench.errors import UsageError, nearest

__all__ = ["leaderboard_command"]


@click.command("leaderboard")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only compare the files with what the records give.")
@click.option("--format", "form", type=str, help="Print one format: md, csv, tex, html or json.")
def leaderboard_command(folder: Path, check: bool, form: str | None) -> None:
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
