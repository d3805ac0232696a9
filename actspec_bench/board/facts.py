"""Records -> facts of a task: means over its instances, such as accuracies and energies."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from actspec_bench.records.record import Record

__all__ = ["Fact", "fact_text", "mean_facts"]

Fact = float | list[float]
SHOWN = 5
SHARES = re.compile(r"energy_.*|decision_changes|share_.*|.*accuracy(_interval_\d+)?")


def mean_facts(records: Sequence[Record]) -> dict[str, dict[str, Fact]]:
    """Task -> fact -> mean over instances, for facts that are numbers or lists of numbers.

    Means have six digits wherever the point is: an error of 1e-7 is not told as 0.

    Lists are shortened to the shortest: instances may have as many orders as units. Whole
    numbers are names, of a class say, and have no mean.
    """
    by_instance: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for record in sorted(records, key=lambda record: record.cell):
        if record.facts:
            by_instance[record.task].setdefault(record.instance, record.facts)
    found: dict[str, dict[str, Fact]] = {}
    for task, instances in sorted(by_instance.items()):
        names = sorted({name for facts in instances.values() for name in facts})
        columns = {n: [f[n] for f in instances.values() if n in f] for n in names}
        means = {name: mean for name in names if (mean := _mean(columns[name])) is not None}
        if means:
            found[task] = means
    return found


def _mean(values: list[Any]) -> Fact | None:
    rows = [value if isinstance(value, list) else [value] for value in values]
    shortest = min(map(len, rows))
    rows = [row[:shortest] for row in rows]
    if not shortest:
        return None
    if not all(isinstance(number, float) for row in rows for number in row):
        return None
    mean = [float(f"{number:.6g}") for number in np.mean(rows, axis=0).tolist()]
    return mean if isinstance(values[0], list) else mean[0]


def fact_text(name: str, fact: Fact) -> str:
    """Say a fact in words: shares in %, and of a list, such as energies, the first five numbers."""
    share = SHARES.fullmatch(name) is not None
    numbers = fact if isinstance(fact, list) else [fact]
    said = [f"{100 * number:.1f}" if share else f"{number:.4g}" for number in numbers]
    more = " ..." if len(said) > SHOWN else ""
    return f"{name.replace('_', ' ')} {' / '.join(said[:SHOWN])}{more}{' %' if share else ''}"
