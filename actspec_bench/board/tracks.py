"""Records -> the records that are compared on a track, each under the name of its row."""

from __future__ import annotations

from typing import Any

from actspec_bench.records.record import Record
from actspec_bench.records.results import Results
from actspec_bench.registry.cards import Track

__all__ = ["TRACKS", "on_track", "told_rows"]

#: Track -> its question, in the order in which boards show them.
TRACKS: dict[Track, str] = {
    "subsets": "Subsets: which units act jointly",
    "units": "Units: which single units matter",
}


def on_track(results: Results, track: Track) -> Results:
    """Return what takes part in a track, with the track's metric as the main one.

    On the track of units every method takes part. On the track of subsets those that return
    subsets do, and controls as they are; a method that scores single units stands there once for
    each lift, as ``method + lift`` with the lift's scores, and never with its bare units. What a
    method cost is the same in each of its rows.
    """
    if track == "units":
        asked = [record for record in results.records if record.units_metric]
        tasks = {record.task for record in asked}
        return Results(
            [record.model_copy(update={"main_metric": record.units_metric}) for record in asked],
            [cell for cell in results.pending if cell["task"] in tasks],
            results.metrics,
        )
    lifts = sorted({lift for record in results.records for lift in record.lifted})
    costs = {name for name, card in results.metrics.items() if card.family == "cost"}
    records, pending = [], []
    for record in results.records:
        bare = record.returns == "units" and not record.control
        records += _lifted(record, lifts, costs) if bare else [record]
    for cell in results.pending:
        rows = [cell | {"method": _row(cell["method"], lift)} for lift in lifts]
        pending += rows if cell.get("scores_units") else [cell]
    return Results(records, pending, results.metrics)


def told_rows(results: Results) -> set[str]:
    """Names of the rows whose lift is told something by the truth, which are not ranked."""
    return {
        _row(record.method, lift)
        for record in results.records
        for lift, lifted in record.lifted.items()
        if lifted.told
    }


def _row(method: str, lift: str) -> str:
    return f"{method} + {lift}"


def _lifted(record: Record, lifts: list[str], costs: set[str]) -> list[Record]:
    spent = {name: value for name, value in record.scores.items() if name in costs}
    rows = []
    for lift in lifts:
        update: dict[str, Any] = {"method": _row(record.method, lift), "scores": spent}
        if lift in record.lifted:
            own = record.lifted[lift]
            update |= {"scores": own.scores | spent, "missing": own.missing}
        rows.append(record.model_copy(update=update))
    return rows
