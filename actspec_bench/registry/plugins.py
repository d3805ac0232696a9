"""Outside file or package -> registry: plug-ins by ``--plugin FILE`` and by entry points."""

from __future__ import annotations

import importlib.util
import sys
import traceback
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from actspec_bench.errors import UsageError
from actspec_bench.registry.entries import Entry, methods, metrics, tasks

__all__ = ["ENTRY_POINT_GROUPS", "load_all", "load_entry_points", "load_file"]

ENTRY_POINT_GROUPS = ("actspec_bench.methods", "actspec_bench.tasks", "actspec_bench.metrics")
KINDS = (tasks, methods, metrics)
_loaded: set[Path] = set()


def load_all(files: Sequence[str | Path]) -> None:
    """Load the built-in entries, those of installed packages, and the plug-in ``files``.

    In this order, so that a name taken twice is the plug-in's fault.
    """
    for registry in KINDS:
        registry.discover()
    load_entry_points()
    for file in files:
        load_file(file)


def load_file(path: str | Path) -> None:
    """Import a Python file, so that its decorators register what is in it.

    Its folder joins the import path, as when Python runs a file. Loading a file twice does
    nothing.

    Raises
    ------
    UsageError
        The file is not there or does not import; the sentence names the failing line.
    """
    file = Path(path).resolve()
    if file in _loaded:
        return
    if not file.is_file():
        raise UsageError(f"there is no plug-in file {str(path)!r}")
    name = f"actspec_plugin_{file.stem}"
    if name in sys.modules:
        raise UsageError(f"two plug-in files are called {file.name!r}; rename one")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"the plug-in {str(path)!r} is not a Python file (*.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    try:
        spec.loader.exec_module(module)
    except UsageError as error:
        raise UsageError(f"plug-in {file.name}: {error}") from None
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)
        ]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        where = f", line {lines[-1]}" if lines else ""
        raise UsageError(
            f"plug-in {file.name}{where} does not import: {type(error).__name__}: {error}"
        ) from None
    _loaded.add(file)
    if not any(_registers(entry, file) for kind in KINDS for entry in kind):
        warnings.warn(
            f"plug-in {file.name} registers nothing: decorate a function with @method, @task "
            "or @metric",
            stacklevel=2,
        )


def _registers(entry: Entry[Any], file: Path) -> bool:
    """Whether the entry comes from the plug-in or a file beside it."""
    return Path(entry.origin).resolve().is_relative_to(file.parent)


@cache
def load_entry_points() -> None:
    """Import what installed packages declare; one that fails is warned of and left out."""
    declared = entry_points()
    for group in ENTRY_POINT_GROUPS:
        for point in declared.select(group=group):
            try:
                point.load()
            except (Exception, SystemExit) as error:
                warnings.warn(
                    f"plug-in {point.name!r} of {point.dist.name if point.dist else '?'} was left "
                    f"out: {type(error).__name__}: {error}",
                    stacklevel=2,
                )
