"""Command line -> two methods side by side."""

from __future__ import annotations

from pathlib import Path

import click

from actspec_bench.cli.options import json_option
from actspec_bench.cli.output import print_table

__all__ = ["compare_command"]


@click.command("compare")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("method_a")
@click.argument("method_b")
@json_option
def compare_command(folder: Path, method_a: str, method_b: str, as_json: bool) -> None:
    """Compare two methods by paired differences of each task's main metric."""
    from actspec_bench.board.compare import COLUMNS, compare
    from actspec_bench.records.results import read_results

    rows = compare(read_results(folder), method_a, method_b)
    if not as_json:
        click.echo(f"A = {method_a}, B = {method_b}")
    print_table(COLUMNS, rows, as_json=as_json)
