"""Command line -> options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from actspec_bench.problems.devices import DEVICES

__all__ = ["data_dir_option", "device_option", "json_option", "plugin_option"]

_F = TypeVar("_F", bound=Callable[..., Any])

plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="Load tasks, methods, metrics of FILE.",
)
device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where tasks' networks run; auto is a CUDA device if there is one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def data_dir_option(*, exists: bool) -> Callable[[_F], _F]:
    """Option ``--data-dir``; with ``exists`` the folder must be there."""
    return click.option(
        "--data-dir",
        "data_folder",
        metavar="DIR",
        type=click.Path(exists=exists, file_okay=not exists, path_type=Path),
        help="Folder of data  [default: ACTSPEC_BENCH_DATA, or the user's data folder].",
    )
