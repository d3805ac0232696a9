"""Words on the command line -> what a benchmark runs, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from actspec_bench.errors import nearest

__all__ = ["chosen", "machine", "package_version", "shown"]

PLAIN_SECONDS = 10.0
Named = TypeVar("Named")
Item = TypeVar("Item")


def chosen(names: Sequence[str], known: Mapping[str, Named], option: str) -> list[Named]:
    """Look ``names`` up, or raise `click.BadParameter` with a near match."""
    for name in names:
        if name not in known:
            hint = nearest(name, list(known))
            raise click.BadParameter(f"{name!r} is not known; {hint}", param_hint=option)
    return [known[name] for name in names]


def shown(
    console: Console, name: str, items: Iterable[Item], told: Callable[[Item], str]
) -> list[Item]:
    """Collect what comes, showing how much there is and what came last; lines if no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    found = []
    spoke = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(name, total=None)
        for item in items:
            found.append(item)
            words = f"{name}, {counted(len(found), 'run')}, {told(item)}"
            progress.update(bar, description=words)
            if not console.is_terminal and time.monotonic() - spoke > PLAIN_SECONDS:
                spoke = time.monotonic()
                console.print(words, markup=False)
    console.print(f"{name}: {counted(len(found), 'run')}")
    return found


def counted(count: int, noun: str) -> str:
    """``count`` of ``noun``, which takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine(made: Mapping[str, Any], packages: Sequence[str], seconds: float) -> str:
    """Say on what a benchmark ran: the machine of provenance ``made``, versions, time, commit."""
    versions = [f"{name} {package_version(name) or 'not installed'}" for name in packages]
    took = counted(round(seconds / 60), "minute")
    return (
        f"{made['processor']}, {made['cores']} cores, Python {made['python']}, torch "
        f"{made['packages']['torch']}, {', '.join(versions)}; "
        f"{took} in all, commit {(made['commit'] or 'unknown')[:12]}."
    )
