"""Two methods -> paired differences of the main metric, task by task."""

from __future__ import annotations

import numpy as np

from actspec_bench.board.stats import bootstrap_interval
from actspec_bench.board.text import direction, number
from actspec_bench.board.tracks import TRACKS, on_track
from actspec_bench.errors import UsageError, nearest
from actspec_bench.records.results import Results
from actspec_bench.registry.cards import MetricCard

__all__ = ["COLUMNS", "compare"]

COLUMNS = [
    "track",
    "task",
    "budget",
    "metric",
    "A",
    "B",
    "A - B",
    "95% interval",
    "pairs",
    "better",
]


def compare(results: Results, a: str, b: str) -> list[list[str]]:
    """Compare the rows labelled ``a`` and ``b`` over the instances that both finished.

    On each track that both are on; a method that scores units is, on the track of subsets,
    ``"method + lift"``. ``better`` is A or B if the bootstrap interval of the paired difference
    excludes zero, else a dash. With fewer than five pairs there is no interval.

    Raises
    ------
    UsageError
        A method has no records, or the two are on no track together.
    """
    tracks = {name: on_track(results, name) for name in TRACKS}
    labels = sorted({record.method for part in tracks.values() for record in part.records})
    for label in (a, b):
        if label not in labels:
            raise UsageError(f"there are no records of {label!r}; {nearest(label, labels)}")
    found = []
    for name, part in tracks.items():
        of = {
            one: sorted(
                {(r.task, r.budget, r.main_metric) for r in part.records if r.method == one}
            )
            for one in (a, b)
        }
        if of[a] and of[b]:
            keys = sorted({*of[a], *of[b]})
            found += [[name, *_row(part, a, b, *key)] for key in keys]
    if not found:
        raise UsageError(
            f"{a!r} and {b!r} are on no track together: a method that scores units stands beside "
            "subsets as 'method + clusters' or 'method + sizes told'"
        )
    return found


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
