"""Records -> board: means, intervals, coverage and ranks, from records and nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from actspec_bench.board.accounts import told_by_methods
from actspec_bench.board.facts import mean_facts
from actspec_bench.board.stats import bootstrap_interval, clearly_better, paired, ranks
from actspec_bench.board.table import (
    Board,
    Entry,
    Group,
    Key,
    Standing,
    TrackTable,
    Variant,
)
from actspec_bench.board.tracks import TRACKS, on_track, told_rows
from actspec_bench.records.record import Record
from actspec_bench.records.results import Results
from actspec_bench.registry.cards import MetricCard, Track

__all__ = ["make_board"]

LEAST_RIVALS = 2
FAILED = ("error", "timeout", "oom", "over-budget")


def make_board(results: Results) -> Board:
    """Compute the board of ``results``."""
    told = told_rows(results)
    tracks = [_track(name, on_track(results, name), told) for name in TRACKS]
    planned: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for record in results.records:
        planned[record.task, record.method, record.budget].add(record.instance)
    for cell in results.pending:
        planned[cell["task"], cell["method"], cell["budget"]].add(cell["instance"])
    tasks = {record.task for record in results.records}
    notes: dict[str, list[str]] = defaultdict(list)
    for record in sorted(results.records, key=lambda record: record.cell):
        notes[record.task] += [note for note in record.notes if note not in notes[record.task]]
    return Board(
        tasks=sorted(tasks),
        budgets=sorted({budget for task, _, budget in planned if task in tasks}),
        metrics=results.metrics,
        tracks=[track for track in tracks if track.tasks],
        instances=sorted({len(instances) for instances in planned.values()}),
        versions=_distinct(_installation(r.provenance) for r in results.records),
        machines=_distinct(_machine(r.provenance) for r in results.records),
        notes={task: found for task, found in sorted(notes.items()) if found},
        variants={r.task: Variant(r.task_name, r.task_parameters) for r in results.records},
        facts=mean_facts(results.records),
        accounts=told_by_methods(results.records),
    )


def _track(name: Track, results: Results, told: set[str]) -> TrackTable:
    """Compute one track from the records that take part in it; rows that are told take no rank."""
    by_group: dict[Key, list[Record]] = defaultdict(list)
    planned: dict[Key, set[int]] = defaultdict(set)
    for record in results.records:
        key = (record.task, record.method, record.budget)
        by_group[key].append(record)
        planned[key].add(record.instance)
    for cell in results.pending:
        planned[cell["task"], cell["method"], cell["budget"]].add(cell["instance"])
    main_metrics = {r.task: r.main_metric for r in results.records}
    columns = sorted(m for m, card in results.metrics.items() if card.track in (name, None))
    groups = {
        key: _group(key, by_group[key], planned[key], columns, main_metrics[key[0]], told)
        for key in sorted(planned)
        if key[0] in main_metrics
    }
    groups = _ranked(groups, by_group, results.metrics)
    budgets = sorted({key[2] for key in groups})
    ranking = {
        budget: sorted(
            {g.task for g in groups.values() if g.budget == budget and g.rank is not None}
        )
        for budget in budgets
    }
    return TrackTable(
        name=name,
        question=TRACKS[name],
        tasks=sorted(main_metrics),
        main_metrics=main_metrics,
        columns=columns,
        groups=groups,
        standings={budget: _standings(groups, budget) for budget in budgets},
        ranking=ranking,
    )


def _installation(made: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(made["packages"].items()))
    commit = made["commit"] or "no commit"
    changed = " with uncommitted changes" if commit.endswith("+changes") else ""
    return (
        f"actspec_bench {made['actspec_bench']} ({commit[:12]}{changed}), "
        f"Python {made['python']}, {packages}"
    )


def _machine(made: dict[str, Any]) -> str:
    gpu = f"{made['device_name']}, " if made.get("device_name") else ""
    return (
        f"{gpu}{made['processor']}, {made['cores']} cores, {made['memory_gib']:g} GiB, "
        f"{made['system']}, one thread a cell"
    )


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _group(
    key: Key,
    records: list[Record],
    planned: set[int],
    columns: list[str],
    main: str,
    told: set[str],
) -> Group:
    statuses: Counter[str] = Counter(record.status for record in records)
    if len(planned) > len(records):
        statuses["not run"] = len(planned) - len(records)
    reasons = Counter(f"{r.status}: {r.reason}" for r in records if r.status != "ok")
    task, method, budget = key
    return Group(
        task=task,
        method=method,
        on=max((record.on for record in records), default=""),
        control=any(record.control for record in records),
        told=method in told,
        blind=any(record.control and not record.sees_truth for record in records),
        budget=budget,
        main_metric=main,
        planned=len(planned),
        ok=statuses["ok"],
        failed=sum(statuses[status] for status in FAILED),
        skipped=statuses["skipped"],
        statuses=dict(sorted(statuses.items())),
        why=_most_frequent(reasons),
        entries={name: _entry(name, records) for name in columns},
    )


def _most_frequent(reasons: Counter[str]) -> str:
    return min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else ""


def _entry(metric: str, records: list[Record]) -> Entry:
    values = _scores(metric, records)
    why = Counter(_why_missing(metric, r) for r in records if r.instance not in values)
    reason = _most_frequent(why)
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
    groups: dict[Key, Group],
    by_group: dict[Key, list[Record]],
    cards: dict[str, MetricCard],
) -> dict[Key, Group]:
    """Give a rank to every method that is no control and has a score on all it planned.

    Each two methods are compared on the instances that these two planned, at least five; those
    that planned fewer than five are left out. ``above_chance`` compares each with the controls
    that see nothing. Where one alone could be ranked, or all scored nothing at all, nobody is.
    """
    result = dict(groups)
    for task, budget in sorted({(key[0], key[2]) for key in groups}):
        complete = {
            key: _scores(group.main_metric, by_group[key])
            for key, group in groups.items()
            if (key[0], key[2]) == (task, budget) and group.complete
        }
        rivals = {
            key[1]: own
            for key, own in complete.items()
            if not (groups[key].control or groups[key].told)
        }
        blind = [own for key, own in complete.items() if groups[key].blind]
        if not rivals:
            continue
        better = cards[groups[task, next(iter(rivals)), budget].main_metric].higher_is_better
        found_something = not better or any(any(own.values()) for own in rivals.values())
        places = ranks(rivals, higher_is_better=better)
        ranking = len(places) >= LEAST_RIVALS and found_something
        for method, own in rivals.items():
            above = [
                clearly_better(*pair, higher_is_better=better)
                for other in blind
                if (pair := paired(own, other)) is not None
            ]
            key = (task, method, budget)
            result[key] = replace(
                result[key],
                rank=places.get(method) if ranking else None,
                above_chance=all(above) if above else None,
            )
    return result


def _standings(groups: dict[Key, Group], budget: int) -> list[Standing]:
    own: dict[str, list[Group]] = defaultdict(list)
    for group in groups.values():
        if group.budget == budget:
            own[group.method].append(group)
    standings = []
    for method, of_method in own.items():
        got = [group.rank for group in of_method if group.rank is not None]
        mean = float(np.mean(got)) if got else None
        control = any(group.control for group in of_method)
        told = of_method[0].told
        shown = any(group.main.mean is not None for group in of_method)
        on = max(group.on for group in of_method)
        standings.append(Standing(method, on, control, told, mean, len(got), shown))
    return sorted(
        standings,
        key=lambda s: (s.control, s.told, -s.tasks_ranked, s.mean_rank or float("inf"), s.method),
    )
