"""The command line in a process of its own, as a user starts it, and what it left behind."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

from actspec_bench.records.record import Record
from actspec_bench.records.results import read_results

QUICK = ("-t", "planted-parity[n=6,terms=1]", "-m", "constant", "--seeds", "1")
MISBEHAVING = Path(__file__).parent / "plugins" / "misbehaving.py"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "actspec_bench", *map(str, words)]


def run(*words: object, cwd: Path | None = None, **options) -> subprocess.CompletedProcess[str]:
    """Run to the end; the limit of time is there for a command that hangs."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, cwd=cwd, timeout=300, **options
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Check for one line on standard error and exit code 2, and return the line."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def imported(*words: object) -> set[str]:
    """Modules that a command that ends well imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "actspec_bench", *map(str, words)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def by_method(folder: Path) -> dict[str, Record]:
    return {record.method: record for record in read_results(folder).records}


def cells_kept(folder: Path) -> int:
    """How many cells of a folder's store have a record; a store that is not there is not made."""
    store = f"file:{folder / 'records.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(store, uri=True)) as db:
        query = "SELECT count(*) FROM cells WHERE record IS NOT NULL"
        kept: int = db.execute(query).fetchone()[0]
    return kept
