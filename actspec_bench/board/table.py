"""Records -> board: means, intervals, coverage and ranks, from records and nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from actspec_bench.board.stats import bootstrap_interval, ranks
from actspec_bench.records import Record
from actspec_bench.registry import metrics
from actspec_bench.store import Results

__all__ = ["Board", "Entry", "Group", "Standing", "make_board"]

FAILED = ("error", "timeout", "oom", "over-budget")


@dataclass(frozen=True)
class Entry:
    """One metric of one method on one task at one budget.

    Attributes
    ----------
    mean, low, high
        Over the instances that have a value; None where there is none, or no interval.
    cells
        Instances that have a value.
    why
        The most frequent reason for a missing value, if any is missing.
    """

    mean: float | None
    low: float | None
    high: float | None
    cells: int
    why: str = ""


@dataclass(frozen=True)
class Group:
    """One method on one task at one budget: coverage, rank and every metric."""

    task: str
    method: str
    control: bool
    budget: int
    main_metric: str
    planned: int
    ok: int
    failed: int
    skipped: int
    statuses: dict[str, int]
    why: str
    entries: dict[str, Entry]
    rank: int | None = None

    @property
    def main(self) -> Entry:
        """The metric that ranks methods on this task."""
        return self.entries[self.main_metric]

    @property
    def complete(self) -> bool:
        """Whether the main metric has a value on every planned instance."""
        return self.main.cells == self.planned


@dataclass(frozen=True)
class Standing:
    """A method's place over all tasks of one budget."""

    method: str
    control: bool
    mean_rank: float | None
    tasks_ranked: int


@dataclass(frozen=True)
class Board:
    """Everything that the written boards show.

    Attributes
    ----------
    standings
        Budget -> methods in the order shown: ranked on most tasks first, then by mean rank;
        controls last.
    machines
        Distinct machines, for times are comparable on one machine only.
    """

    tasks: list[str]
    budgets: list[int]
    main_metrics: dict[str, str]
    groups: dict[tuple[str, str, int], Group]
    standings: dict[int, list[Standing]]
    instances: int
    versions: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)


def make_board(results: Results) -> Board:
    """Compute the board of ``results``."""
    by_group: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    planned: dict[tuple[str, int], set[int]] = defaultdict(set)
    asked: dict[tuple[str, str, int], int] = Counter()
    for record in results.records:
        key = (record.task, record.method, record.budget)
        by_group[key].append(record)
        planned[record.task, record.budget].add(record.instance)
        asked[key] += 1
    for cell in results.pending:
        asked[cell["task"], cell["method"], cell["budget"]] += 1
        planned[cell["task"], cell["budget"]].add(cell["instance"])
    main_metrics = {r.task: r.main_metric for r in results.records}
    names = [entry.name for entry in metrics]
    found = sorted({name for r in results.records for name in (*r.scores, *r.missing)})
    columns = names + [name for name in found if name not in names]
    groups = {
        key: _group(key, by_group[key], len(planned[key[0], key[2]]), columns, main_metrics[key[0]])
        for key in sorted(asked)
        if key[0] in main_metrics
    }
    groups = _ranked(groups, by_group)
    budgets = sorted({key[2] for key in groups})
    tasks = sorted(main_metrics)
    notes: dict[str, list[str]] = defaultdict(list)
    for record in results.records:
        notes[record.task] += [note for note in record.notes if note not in notes[record.task]]
    return Board(
        tasks=tasks,
        budgets=budgets,
        main_metrics=main_metrics,
        groups=groups,
        standings={budget: _standings(groups, budget) for budget in budgets},
        instances=max((len(instances) for instances in planned.values()), default=0),
        versions=_distinct(
            " ".join(
                [
                    f"actspec_bench {r.provenance['actspec_bench']}",
                    f"({(r.provenance['commit'] or 'no commit')[:12]}),",
                    f"Python {r.provenance['python']},",
                    ", ".join(f"{k} {v}" for k, v in sorted(r.provenance["packages"].items())),
                ]
            )
            for r in results.records
        ),
        machines=_distinct(
            f"{r.provenance['processor']}, {r.provenance['cores']} cores, "
            f"{r.provenance['memory_gib']:g} GiB, {r.provenance['system']}, one thread a cell"
            for r in results.records
        ),
        notes={task: found for task, found in sorted(notes.items()) if found},
    )


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _group(
    key: tuple[str, str, int], records: list[Record], planned: int, columns: list[str], main: str
) -> Group:
    statuses: Counter[str] = Counter(record.status for record in records)
    if planned > len(records):
        statuses["not run"] = planned - len(records)
    reasons = Counter(f"{r.status}: {r.reason}" for r in records if r.status != "ok")
    task, method, budget = key
    return Group(
        task=task,
        method=method,
        control=any(record.control for record in records),
        budget=budget,
        main_metric=main,
        planned=planned,
        ok=statuses["ok"],
        failed=sum(statuses[status] for status in FAILED),
        skipped=statuses["skipped"],
        statuses=dict(sorted(statuses.items())),
        why=reasons.most_common(1)[0][0] if reasons else "",
        entries={name: _entry(name, records) for name in columns},
    )


def _entry(metric: str, records: list[Record]) -> Entry:
    values = _scores(metric, records)
    why = Counter(_why_missing(metric, r) for r in records if r.instance not in values)
    reason = why.most_common(1)[0][0] if why else ""
    if not values:
        return Entry(None, None, None, 0, reason or "not run")
    numbers = np.array(list(values.values()))
    low, high = bootstrap_interval(numbers) or (None, None)
    return Entry(float(numbers.mean()), low, high, len(numbers), reason)


def _why_missing(metric: str, record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    return record.missing.get(metric, "the metric was not known when this cell ran")


def _scores(metric: str, records: list[Record]) -> dict[int, float]:
    """Instance -> value, of cells that finished."""
    return {
        r.instance: r.scores[metric]
        for r in sorted(records, key=lambda r: r.instance)
        if r.status == "ok" and metric in r.scores
    }


def _ranked(
    groups: dict[tuple[str, str, int], Group],
    by_group: dict[tuple[str, str, int], list[Record]],
) -> dict[tuple[str, str, int], Group]:
    """Give a rank to every method that is no control and has a score on every instance."""
    result = dict(groups)
    for task, budget in sorted({(key[0], key[2]) for key in groups}):
        rivals = {
            key: group
            for key, group in groups.items()
            if (key[0], key[2]) == (task, budget) and group.complete and not group.control
        }
        if not rivals:
            continue
        main = next(iter(rivals.values())).main_metric
        if main not in metrics:
            continue
        scores = {key[1]: np.array(list(_scores(main, by_group[key]).values())) for key in rivals}
        better = metrics[main].card.higher_is_better
        for method, rank in ranks(scores, higher_is_better=better).items():
            key = (task, method, budget)
            result[key] = replace(result[key], rank=rank)
    return result


def _standings(groups: dict[tuple[str, str, int], Group], budget: int) -> list[Standing]:
    own: dict[str, list[Group]] = defaultdict(list)
    for group in groups.values():
        if group.budget == budget:
            own[group.method].append(group)
    standings = []
    for method, of_method in own.items():
        got = [group.rank for group in of_method if group.rank is not None]
        mean = float(np.mean(got)) if got else None
        control = any(group.control for group in of_method)
        standings.append(Standing(method, control, mean, len(got)))
    return sorted(
        standings,
        key=lambda s: (s.control, -s.tasks_ranked, s.mean_rank or float("inf"), s.method),
    )
