"""What a command found -> standard output and an exit code, alike for all commands."""

from __future__ import annotations

import json
import re
from typing import Any

import click

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_USAGE",
    "plain_text",
    "print_table",
    "type_text",
]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def print_table(
    header: list[str],
    rows: list[list[Any]],
    *,
    as_json: bool,
    widths: list[int | None] | None = None,
) -> None:
    """Print rows under a header, as a table or as a JSON list of objects.

    Parameters
    ----------
    widths
        Characters after which a column of the table goes on in the next line.
    """
    if as_json:
        click.echo(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1))
        return
    from tabulate import tabulate

    click.echo(tabulate(rows, header, disable_numparse=True, maxcolwidths=widths))


def plain_text(docstring: str) -> str:
    """Docstring without the markup of literals and of roles, such as that of formulas.

    A role's text may go on in the next line. Names in single backquotes stay as they are.
    """
    return re.sub(r":[a-z]+:`([^`]*)`", r"\1", docstring).replace("``", "")


def type_text(schema: dict[str, Any]) -> str:
    """Say a JSON schema of a parameter in words."""
    if "anyOf" in schema:
        return " or ".join(map(type_text, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(schema["enum"])
    said = [schema.get("type", "any")]
    said += [
        f"{words} {schema[key]:g}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    if "items" in schema:
        said.append(f"of {type_text(schema['items'])}")
    return " ".join(said)
