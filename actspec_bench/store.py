"""Records <-> disk: SQLite while a run goes on, sorted JSON lines to publish."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from actspec_bench.errors import StoreError
from actspec_bench.records import SCHEMA_VERSION, Cell, Record
from actspec_bench.seeds import canonical_json

__all__ = ["Results", "Store", "read_results"]

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    id TEXT PRIMARY KEY,
    planned TEXT NOT NULL,   -- JSON: what the cell is, for boards while it has no record
    sources TEXT,            -- digest of the code that made the record
    record TEXT              -- JSON of the record, NULL until the cell has finished
);
"""


@dataclass(frozen=True)
class Results:
    """All that boards are computed from: finished cells, and cells planned without a record."""

    records: list[Record]
    pending: list[dict[str, Any]]


class Store:
    """The result folder of a run, held by one process at a time.

    Every finished cell is one transaction, in write-ahead-log mode: a run that is killed loses
    the cells that were running and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._db: sqlite3.Connection | None = None

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, *, fresh: bool = False) -> Iterator[Store]:
        """Open the store in ``folder``, which is made if need be; ``fresh`` sets the old aside.

        Raises
        ------
        StoreError
            The folder cannot be written, another run holds it, or the store is damaged or of
            another schema version.
        """
        store = cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"another run is writing to {folder}; wait for it or give another --out"
            ) from None
        except OSError as error:
            raise _unwritable(folder, error) from None
        try:
            if fresh:
                store._set_aside()
            store._connect()
            yield store
        finally:
            if store._db is not None:
                with contextlib.suppress(sqlite3.Error):
                    store._db.close()
            lock.release()

    @property
    def _file(self) -> Path:
        return self.folder / "records.db"

    @property
    def db(self) -> sqlite3.Connection:
        """The open connection."""
        if self._db is None:
            raise StoreError("the store is not open")
        return self._db

    def _set_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            old = Path(f"{self._file}{suffix}")
            if old.exists():
                old.replace(f"{self._file}{suffix}.old")

    def _connect(self) -> None:
        existed = self._file.exists()
        try:
            self._db = sqlite3.connect(self._file, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            if not existed:
                self._db.executescript(_TABLES)
                self._db.execute(
                    "INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),)
                )
            row = self._db.execute("SELECT value FROM meta WHERE key='schema_version'").fetchone()
            self._db.execute("SELECT id, planned, sources, record FROM cells LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise self._damaged(error) from None
            raise _unwritable(self.folder, error) from None
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None
        found = row[0] if row else "none"
        if found != str(SCHEMA_VERSION):
            raise StoreError(
                f"{self._file} has schema version {found} and this program writes "
                f"{SCHEMA_VERSION}; use another --out, or --fresh to set the old store aside"
            )

    def _damaged(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._file} is damaged ({error}); use another --out, or --fresh to set it aside "
            "and start over"
        )

    def plan(self, cells: list[Cell]) -> None:
        """Note that ``cells`` are planned; cells already there stay as they are."""
        rows = [(cell.id, canonical_json(_planned(cell))) for cell in cells]
        with self._writing():
            self.db.executemany(
                "INSERT INTO cells (id, planned) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", rows
            )

    def finished(self) -> dict[str, tuple[str, str]]:
        """Return id -> (status, digest of the sources) of every cell that has a record."""
        query = (
            "SELECT id, json_extract(record, '$.status'), sources FROM cells "
            "WHERE record IS NOT NULL"
        )
        with self._reading():
            return {id_: (status, sources) for id_, status, sources in self.db.execute(query)}

    def put(self, record: Record, sources: str) -> None:
        """Store the record of a finished cell, in one transaction."""
        with self._writing():
            self.db.execute(
                "UPDATE cells SET record = ?, sources = ? WHERE id = ?",
                (canonical_json(record.model_dump()), sources, record.cell),
            )

    def export(self) -> Path:
        """Write records.jsonl, sorted, in one step, and return its path."""
        with self._reading():
            rows = self.db.execute("SELECT planned, record FROM cells").fetchall()
        pending = [json.loads(planned) for planned, record in rows if record is None]
        pending.sort(key=canonical_json)
        records = sorted((json.loads(record) for _, record in rows if record), key=_sort_key)
        head = {"schema_version": SCHEMA_VERSION, "records": len(records), "pending": pending}
        lines = [canonical_json(head), *map(canonical_json, records)]
        target = self.folder / "records.jsonl"
        write_text(target, "\n".join(lines) + "\n")
        return target

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield
            self.db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _unwritable(self.folder, error) from None
            raise

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._damaged(error) from None


def write_text(target: Path, text: str) -> None:
    """Write a whole file in one step: readers see the old one or the new one."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        scratch.write_text(text, encoding="utf-8", newline="\n")
        scratch.replace(target)
    except OSError as error:
        raise _unwritable(target.parent, error) from None
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()


def read_results(folder: Path) -> Results:
    """Read ``records.jsonl`` of a result folder.

    Raises
    ------
    StoreError
        There is none, or it is damaged, incomplete or of another schema version.
    """
    file = folder / "records.jsonl"
    if not file.is_file():
        raise StoreError(f"there is no records.jsonl in {folder}; run the benchmark with --out it")
    try:
        head, *rows = file.read_text(encoding="utf-8").splitlines()
        header = json.loads(head)
        version = header["schema_version"]
        if version == SCHEMA_VERSION:
            records = [Record.model_validate_json(row) for row in rows]
            if header["records"] != len(records):
                raise ValueError(f"{header['records']} records announced, {len(records)} there")
            return Results(records, header["pending"])
    except (ValueError, KeyError, TypeError, OSError, ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"{file} is damaged ({reason}); run the benchmark again with the same --out to "
            "write it from records.db"
        ) from None
    raise StoreError(
        f"{file} has schema version {version} and this program reads {SCHEMA_VERSION}; "
        "use the release that wrote it"
    )


def _planned(cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell.id,
        "task": cell.task.label,
        "task_version": cell.task_version,
        "instance": cell.instance,
        "method": cell.method.label,
        "budget": cell.budget,
    }


def _sort_key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[k] for k in ("task", "task_version", "method", "budget", "instance"))


def _unwritable(folder: Path, error: Exception) -> StoreError:
    reason = getattr(error, "strerror", None) or str(error)
    return StoreError(
        f"cannot write to {folder}: {reason}; finished cells are kept, make room or give "
        "another --out"
    )
