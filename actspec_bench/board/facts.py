"""Records -> facts of a task: means over its instances, such as accuracies and energies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from actspec_bench.records import Record

__all__ = ["Fact", "fact_text", "mean_facts"]

Fact = float | list[float]
SHOWN = 5


def mean_facts(records: Sequence[Record]) -> dict[str, dict[str, Fact]]:
    """Task -> fact -> mean over instances, for facts that are numbers or lists of numbers.

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
    mean: list[float] = np.mean(rows, axis=0).round(6).tolist()
    return mean if isinstance(values[0], list) else mean[0]


def fact_text(name: str, fact: Fact) -> str:
    """Say a fact in words; of a list, such as the energy by order, the first five numbers."""
    words = name.replace("_", " ")
    if isinstance(fact, list):
        more = " ..." if len(fact) > SHOWN else ""
        return f"{words} {' / '.join(f'{number:.3g}' for number in fact[:SHOWN])}{more}"
    return f"{words} {fact:.4g}"
