"""What tests need to make boards without running anything."""

from __future__ import annotations

from actspec_bench.records.record import Record
from actspec_bench.records.results import Results
from actspec_bench.registry.entries import metrics

CARDS = {entry.name: entry.card for entry in metrics}
PROVENANCE = {
    "actspec_bench": "0",
    "commit": None,
    "python": "3",
    "packages": {"torch": "2"},
    "processor": "p",
    "cores": 2,
    "memory_gib": 1.0,
    "system": "s",
}


def record(method: str, instance: int, score: float | None, **fields: object) -> Record:
    plain = {
        "cell": f"{method}-{instance}",
        "task": "planted-parity",
        "task_name": "planted-parity",
        "task_version": 1,
        "task_parameters": {},
        "instance": instance,
        "instance_seed": instance,
        "method": method,
        "method_name": method,
        "method_parameters": {},
        "method_seed": 0,
        "budget": 100,
        "control": False,
        "main_metric": "subset_f1",
        "status": "ok",
        "scores": {} if score is None else {"subset_f1": score, "queries": 50.0},
        "sources": {},
        "provenance": PROVENANCE,
    }
    return Record(**(plain | fields))


def results(scores: dict[str, list[float | None]], **fields: object) -> Results:
    made = [record(m, i, s, **fields) for m, row in scores.items() for i, s in enumerate(row)]
    return Results(made, [], CARDS)
