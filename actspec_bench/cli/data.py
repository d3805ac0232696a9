"""Command line -> data sets: what is there, fetch it, check it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actspec_bench.cli.options import data_dir_option, json_option
from actspec_bench.cli.output import EXIT_FAILED, print_table
from actspec_bench.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from actspec_bench.data.catalogue import DataSet
    from actspec_bench.data.finding import Found

__all__ = ["data_command"]

ACTIONS = ("list", "fetch", "check")


@click.command("data")
@click.argument("action", default="list", metavar="[list|fetch|check]")
@click.argument("name", required=False)
@data_dir_option(exists=False)
@json_option
def data_command(action: str, name: str | None, data_folder: Path | None, as_json: bool) -> None:
    """List, fetch or check the real data sets, or the one of this NAME.

    list looks at names and sizes, check reads the files and compares their checksums. Exit
    status: 0, or 1 if check finds something absent or wrong or fetch did not get everything.
    """
    from actspec_bench.data.catalogue import CATALOGUE, data_set
    from actspec_bench.data.finding import using_data_dir

    if action not in ACTIONS:
        raise UsageError(f"data has no command {action!r}; {nearest(action, list(ACTIONS))}")
    entries = list(CATALOGUE.values()) if name is None else [data_set(name)]
    with using_data_dir(data_folder):
        if action == "list":
            _list(entries, as_json=as_json)
        elif action == "check":
            _check(entries, as_json=as_json)
        else:
            _fetch(entries, as_json=as_json)


def _list(entries: list[DataSet], *, as_json: bool) -> None:
    from actspec_bench.data.finding import data_dir, find, size_flaw, state

    rows = []
    for entry in entries:
        found = [find(entry, file, size_flaw) for file in entry.files]
        size = entry.size if as_json else f"{entry.size / 1e6:.1f} MB"
        where = _where(found) or (None if as_json else "-")
        rows.append([entry.name, state(found), size, where, entry.licence, entry.citation])
    header = ["name", "state", "size", "where", "licence", "citation"]
    print_table(header, rows, as_json=as_json, widths=[None, None, None, None, 22, 36])
    if not as_json:
        click.echo(f"\nfolder of data: {data_dir()}; checked by size, `data check` reads the files")


def _check(entries: list[DataSet], *, as_json: bool) -> None:
    from actspec_bench.data.finding import checksum_flaw, data_dir, find, told

    rows = []
    for entry in entries:
        for file in entry.files:
            found = find(entry, file, checksum_flaw)
            rows.append([entry.name, file.name, found.state, told(found, entry) or None])
    header = ["name", "file", "state", "where"]
    if not as_json:
        rows = [[*row[:3], row[3] or "-"] for row in rows]
    print_table(header, rows, as_json=as_json)
    states = {row[2] for row in rows}
    if "wrong" in states:
        click.echo("error: move what is wrong away, then run `data fetch`", err=True)
    elif "absent" in states:
        click.echo(f"error: not all is in {data_dir()}; run `data fetch`", err=True)
    sys.exit(0 if states == {"present"} else EXIT_FAILED)


def _fetch(entries: list[DataSet], *, as_json: bool) -> None:
    from rich.console import Console

    from actspec_bench.data.fetching import fetch
    from actspec_bench.data.finding import data_dir

    console, folder = Console(stderr=True), data_dir()
    outcomes: dict[str, str] = {}
    try:
        for entry in entries:
            try:
                made = fetch(entry, folder, console)
            except DataError as error:
                click.echo(f"error: {error}", err=True)
                outcomes[entry.name] = "failed"
                continue
            outcomes[entry.name] = "fetched" if made else "there"
            if not as_json:
                said = f"fetched into {made[0].parent}" if made else "is there already"
                click.echo(f"{entry.name} {said}")
    except KeyboardInterrupt:
        click.echo("interrupted: the same command goes on from here", err=True)
        raise
    if as_json:
        click.echo(json.dumps(outcomes))
    sys.exit(EXIT_FAILED if "failed" in outcomes.values() else 0)


def _where(found: list[Found]) -> str | None:
    """Folders that hold the files found."""
    folders = dict.fromkeys(str(one.path.parent) for one in found if one.path is not None)
    return ", ".join(folders) or None
