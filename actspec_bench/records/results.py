"""Records <-> records.jsonl: sorted lines of JSON under a header, which is what is published."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actspec_bench.errors import StoreError
from actspec_bench.records.record import SCHEMA_VERSION, Record
from actspec_bench.registry.cards import MetricCard
from actspec_bench.seeds import canonical_json

__all__ = ["Results", "metric_cards", "read_results", "unwritable", "write_results", "write_text"]

FILE = "records.jsonl"
GET_IT_AGAIN = (
    "get it again, or where there is a records.db run the same command again, which writes it anew"
)


@dataclass(frozen=True)
class Results:
    """All that boards are computed from: finished cells, and cells planned without a record."""

    records: list[Record]
    pending: list[dict[str, Any]]
    metrics: dict[str, MetricCard]


def write_results(
    folder: Path,
    records: list[dict[str, Any]],
    pending: list[dict[str, Any]],
    metrics: dict[str, MetricCard],
) -> Path:
    """Write records.jsonl, sorted, in one step, and return its path."""
    records = sorted(records, key=_sort_key)
    head = {
        "schema_version": SCHEMA_VERSION,
        "records": len(records),
        "pending": sorted(pending, key=canonical_json),
        "metrics": {name: card.model_dump() for name, card in metrics.items()},
    }
    target = folder / FILE
    write_text(target, "\n".join(map(canonical_json, [head, *records])) + "\n")
    return target


def write_text(target: Path, text: str) -> None:
    """Write a whole file in one step: readers see the old one or the new one."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        scratch.write_text(text, encoding="utf-8", newline="\n")
        scratch.replace(target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()


def read_results(folder: Path, remedy: str = GET_IT_AGAIN) -> Results:
    """Read ``records.jsonl`` of a result folder; ``remedy`` is what to do where it is damaged.

    Raises
    ------
    StoreError
        There is none, or it is damaged, incomplete or of another schema version.
    """
    file = folder / FILE
    if not file.is_file():
        raise StoreError(
            f"there is no records.jsonl in {folder}; `actspec-bench run --out {folder}` makes one"
        )
    try:
        head, *rows = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        header = json.loads(head)
        version = header["schema_version"]
        if version == SCHEMA_VERSION:
            records = [_parsed(number, row) for number, row in enumerate(rows, start=2)]
            if header["records"] != len(records):
                raise ValueError(f"{header['records']} records announced, {len(records)} there")
            return Results(records, header["pending"], metric_cards(header["metrics"]))
    except (ValueError, KeyError, TypeError, OSError, ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(f"{file} is damaged ({reason}); {remedy}") from None
    raise StoreError(
        f"{file} has schema version {version} and this program reads {SCHEMA_VERSION}; run its "
        "command again with --fresh or another --out, or use the release that wrote it"
    )


def _parsed(number: int, row: str) -> Record:
    try:
        return Record.model_validate_json(row)
    except ValidationError as error:
        raise ValueError(f"line {number} is no record: {error.errors()[0]['msg']}") from None


def metric_cards(told: dict[str, Any]) -> dict[str, MetricCard]:
    """Cards of metrics as a store or a header holds them."""
    return {name: MetricCard.model_validate(card) for name, card in told.items()}


def _sort_key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[k] for k in ("task", "task_version", "method", "budget", "instance"))


def unwritable(folder: Path, error: Exception) -> StoreError:
    """Say why a folder cannot be written to, with the remedy."""
    if folder.exists() and not folder.is_dir():
        return StoreError(f"cannot write to {folder}: it is a file; give a folder as --out")
    if isinstance(error, FileNotFoundError | PermissionError):
        return StoreError(f"cannot write to {folder}: {error.strerror}; give another --out")
    reason = getattr(error, "strerror", None) or str(error)
    return StoreError(
        f"cannot write to {folder}: {reason}; finished cells are kept, make room or give "
        "another --out"
    )
