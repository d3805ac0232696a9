"""Board -> what programs read: a tidy data frame, CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import pandas as pd

from actspec_bench.board.table import Board

__all__ = ["tidy", "to_csv", "to_json"]


def tidy(board: Board) -> pd.DataFrame:
    """Tidy table of everything on the board.

    Columns: track; task; method, with its lift if it stands by one; ``on``; budget; metric;
    ``mean``, ``ci_low``, ``ci_high`` over the ``cells`` instances that have a value; ``failed``,
    ``skipped`` and ``planned`` cells; ``rank`` (of the task's main metric only); ``control``;
    ``main``, whether this metric ranks the task; and ``missing_because``, the most frequent reason
    why an instance has no value.
    """
    rows = [
        {
            "track": track.name,
            "task": group.task,
            "method": group.method,
            "on": group.on,
            "budget": group.budget,
            "metric": metric,
            "mean": entry.mean,
            "ci_low": entry.low,
            "ci_high": entry.high,
            "cells": entry.cells,
            "failed": group.failed,
            "skipped": group.skipped,
            "planned": group.planned,
            "rank": group.rank if metric == group.main_metric else None,
            "control": group.control,
            "main": metric == group.main_metric,
            "missing_because": entry.why if entry.cells < group.planned else "",
        }
        for track in board.tracks
        for group in track.groups.values()
        for metric, entry in group.entries.items()
    ]
    types = dict.fromkeys(("mean", "ci_low", "ci_high"), "float64") | {"rank": "Int64"}
    return pd.DataFrame(rows).astype(types) if rows else pd.DataFrame()


def to_csv(board: Board) -> str:
    """Comma-separated text of `tidy`; a missing number is an empty field."""
    text: str = tidy(board).to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return text


def to_json(board: Board) -> str:
    """The whole board, keys sorted."""
    content = asdict(board) | {
        "metrics": {name: card.model_dump() for name, card in board.metrics.items()},
        "tracks": [
            asdict(track) | {"groups": [asdict(group) for group in track.groups.values()]}
            for track in board.tracks
        ],
    }
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
