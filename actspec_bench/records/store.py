"""Record -> disk: the SQLite store of a run, each finished cell one transaction."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from actspec_bench.errors import StoreError
from actspec_bench.records.record import SCHEMA_VERSION, Cell, Record, planned
from actspec_bench.records.results import (
    FILE,
    Results,
    metric_cards,
    read_results,
    unwritable,
    write_results,
)
from actspec_bench.registry.cards import MetricCard
from actspec_bench.seeds import canonical_json

__all__ = ["Store", "Stored"]

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    id TEXT PRIMARY KEY,
    planned TEXT NOT NULL,   -- JSON: what the cell is, for boards while it has no record
    stale INTEGER NOT NULL DEFAULT 0,  -- 1: another version's, off the board; 2: to be made again
    record TEXT              -- JSON of the record, NULL until the cell has finished
);
"""


@dataclass(frozen=True)
class Stored:
    """A cell of the store: what was planned, and of its record what resuming needs."""

    id: str
    planned: dict[str, Any]
    status: str | None
    reason: str
    lacks: list[str]
    metric_errors: dict[str, str]
    sources: dict[str, str]


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
            raise unwritable(folder, error) from None
        try:
            if fresh:
                store._set_aside()
            store._connect()
            # An empty store is new, or its import was cut off: either way it takes the export in.
            if store._is_empty() and (published := store._published()) is not None:
                store._restore(published)
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
        """Move the store and its export to the first free folder set-aside-N."""
        names = ("records.db", "records.db-wal", "records.db-shm", FILE)
        old = [self.folder / name for name in names if (self.folder / name).exists()]
        if not old:
            return
        n = 1
        while (aside := self.folder / f"set-aside-{n}").exists():
            n += 1
        aside.mkdir()
        for file in old:
            file.replace(aside / file.name)

    def _is_empty(self) -> bool:
        with self._reading():
            return self.db.execute("SELECT 1 FROM cells LIMIT 1").fetchone() is None

    def _published(self) -> Results | None:
        """Return what records.jsonl holds, for a folder that came without its store."""
        if not (self.folder / FILE).exists():
            return None
        return read_results(
            self.folder, "use another --out, or --fresh to set it aside and start over"
        )

    def _restore(self, results: Results) -> None:
        """Fill a new store with published results, so that a run adds to them."""
        cells: list[tuple[str, str, str | None]] = [
            (r.cell, canonical_json(planned(r)), _to_json(r)) for r in results.records
        ]
        cells += [(cell["cell"], canonical_json(cell), None) for cell in results.pending]
        with self._writing():
            self.db.executemany("INSERT INTO cells (id, planned, record) VALUES (?, ?, ?)", cells)
        self._note_metrics(results.metrics)

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
            self._db.execute("SELECT id, planned, stale, record FROM cells LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise self._damaged(error) from None
            raise unwritable(self.folder, error) from None
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

    def plan(self, cells: list[Cell], metrics: dict[str, MetricCard]) -> None:
        """Note that ``cells`` are planned, to be scored by ``metrics``.

        Records that are there already stay, and count again if they had been set aside.
        """
        rows = [(cell.id, canonical_json(planned(cell))) for cell in cells]
        with self._writing():
            self.db.executemany(
                "INSERT INTO cells (id, planned) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET stale = 0",
                rows,
            )
        self._note_metrics(metrics)

    def _note_metrics(self, metrics: dict[str, MetricCard]) -> None:
        known = {name: card.model_dump() for name, card in {**self._metrics(), **metrics}.items()}
        with self._writing():
            self.db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('metrics', ?)", (canonical_json(known),)
            )

    def _metrics(self) -> dict[str, MetricCard]:
        with self._reading():
            row = self.db.execute("SELECT value FROM meta WHERE key = 'metrics'").fetchone()
        return metric_cards(json.loads(row[0])) if row else {}

    def stored(self) -> list[Stored]:
        """Return what is needed of every cell to tell whether it is done and still valid."""
        query = (
            "SELECT id, planned, "
            "CASE stale WHEN 2 THEN NULL ELSE json_extract(record, '$.status') END, "
            "json_extract(record, '$.reason'), json_extract(record, '$.lacks'), "
            "json_extract(record, '$.metric_errors'), json_extract(record, '$.sources') FROM cells"
        )
        with self._reading():
            return [
                Stored(
                    id_,
                    json.loads(planned),
                    status,
                    reason or "",
                    json.loads(lacks or "[]"),
                    json.loads(errors or "{}"),
                    json.loads(sources or "{}"),
                )
                for id_, planned, status, reason, lacks, errors, sources in self.db.execute(query)
            ]

    def mark_stale(self, ids: list[str]) -> None:
        """Leave these cells out of exports: another version of their task or method made them."""
        with self._writing():
            self.db.executemany("UPDATE cells SET stale = 1 WHERE id = ?", [(i,) for i in ids])

    def mark_outdated(self, ids: list[str]) -> None:
        """Count these cells as pending: older code made their records."""
        with self._writing():
            self.db.executemany("UPDATE cells SET stale = 2 WHERE id = ?", [(i,) for i in ids])

    def put(self, record: Record) -> None:
        """Store the record of a finished cell, in one transaction."""
        with self._writing():
            self.db.execute(
                "UPDATE cells SET record = ?, stale = 0 WHERE id = ?",
                (_to_json(record), record.cell),
            )

    def export(self) -> Path:
        """Write records.jsonl, sorted, in one step, and return its path."""
        with self._reading():
            rows = self.db.execute(
                "SELECT planned, CASE stale WHEN 0 THEN record END FROM cells WHERE stale != 1"
            ).fetchall()
        return write_results(
            self.folder,
            [json.loads(record) for _, record in rows if record],
            [json.loads(planned) for planned, record in rows if record is None],
            self._metrics(),
        )

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
                raise unwritable(self.folder, error) from None
            raise

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._damaged(error) from None


def _to_json(record: Record) -> str:
    return canonical_json(record.model_dump())
