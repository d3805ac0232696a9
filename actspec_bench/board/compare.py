"""Two methods -> paired differences of the main metric, task by task."""

from __future__ import annotations

import numpy as np

from actspec_bench.board.stats import bootstrap_interval
from actspec_bench.board.text import direction, number
from actspec_bench.errors import UsageError, nearest
from actspec_bench.records.results import Results
from actspec_bench.registry.cards import MetricCard

__all__ = ["COLUMNS", "compare"]

COLUMNS = ["task", "budget", "metric", "A", "B", "A - B", "95% interval", "pairs", "better"]


def compare(results: Results, a: str, b: str) -> list[list[str]]:
    """Compare the methods labelled ``a`` and ``b`` over the instances that both finished.

    ``better`` is A or B if the bootstrap interval of the paired difference excludes zero,
    else a dash. With fewer than five pairs there is no interval.

    Raises
    ------
    UsageError
        A method has no records.
    """
    labels = sorted({record.method for record in results.records})
    for label in (a, b):
        if label not in labels:
            raise UsageError(f"there are no records of {label!r}; {nearest(label, labels)}")
    keys = sorted(
        {(r.task, r.budget, r.main_metric) for r in results.records if r.method in (a, b)}
    )
    return [_row(results, a, b, *key) for key in keys]


def _row(results: Results, a: str, b: str, task: str, budget: int, metric: str) -> list[str]:
    card: MetricCard | None = results.metrics.get(metric)

    def scores(method: str) -> dict[int, float]:
        return {
            r.instance: r.scores[metric]
            for r in results.records
            if (r.task, r.budget, r.method) == (task, budget, method)
            and r.status == "ok"
            and metric in r.scores
        }

    of_a, of_b = scores(a), scores(b)
    both = sorted(of_a.keys() & of_b.keys())
    if not both:
        name = f"{metric} {direction(card)}"
        return [task, f"{budget:,}", name, "–", "–", "–", "–", "0", "–"]
    first = np.array([of_a[i] for i in both])
    second = np.array([of_b[i] for i in both])
    interval = bootstrap_interval(first - second)
    verdict = "–"
    if interval is not None and card is not None and not interval[0] <= 0 <= interval[1]:
        verdict = "A" if (interval[0] > 0) == card.higher_is_better else "B"
    spread = "–" if interval is None else f"[{_signed(interval[0])}, {_signed(interval[1])}]"
    return [
        task,
        f"{budget:,}",
        f"{metric} {direction(card)}",
        number(float(first.mean()), card),
        number(float(second.mean()), card),
        _signed(float((first - second).mean())),
        spread,
        str(len(both)),
        verdict,
    ]


def _signed(value: float) -> str:
    return f"{value:+.3f}"
