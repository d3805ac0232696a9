"""Board -> the words and numbers that tables, page and pictures share."""

from __future__ import annotations

from collections import Counter

from actspec_bench.board.accounts import Told
from actspec_bench.board.facts import fact_text
from actspec_bench.board.table import Board, Group, Standing, TrackTable
from actspec_bench.registry.cards import MetricCard

__all__ = [
    "ACCOUNTS",
    "READING",
    "accounts_table",
    "column_numbers",
    "coverage",
    "detail",
    "direction",
    "facts_told",
    "instances_told",
    "mark",
    "named",
    "number",
    "overall",
    "summary",
    "unfinished",
    "without_scores",
]

STAND_INS = 2
ACCOUNTS = """\
What methods say of their own answers: the first three subsets on the first instance and what could
stand in the place of each, the share of the variance that all reported leave (mean over
instances), in how many instances they warn, and the first warning."""
READING = """\
Methods are compared on two tracks, where they answer the question: which units act jointly
(*subsets*), and which single units matter (*units*). Methods that return subsets score each unit
by the sum over its subsets. Methods that score single units stand on the track of subsets by two
lifts, named in the row: `+ sizes told` makes blocks of the true sizes of the units in their order
and is not ranked, since the truth tells the sizes; `+ clusters` makes one subset of units that
score within 2% of each other, told nothing. *on* is what was attributed: the
margin, or the value, which is the margin or its sign as the task says.

Each number is a mean over instances with its 95% bootstrap interval. A rank is one more than the
number of rows that are clearly better, which means that the interval of the paired difference
excludes zero; none ranks below one whose mean is worse, and where one row alone could be ranked
none is. **Bold** is shared first place. A dagger † marks a score that is not clearly better than
the controls `random` and `constant`, which see nothing; such a score is never bold. A row without
a score on every planned instance shows how many it has and is not ranked. `overall` is the mean
rank over the tasks that rank; a row that is not ranked on all of them stands below those that are.
Rows of equal quality come out with overall ranks that differ too (of eleven over seven tasks, five
instances each, the worst has 1.8 on average, up to 2.7 in 36 simulations; all deserve 1).
Controls are never ranked. ↑ higher is better, ↓ lower is better."""


def number(value: float | None, card: MetricCard | None = None) -> str:
    """Format a score for a table: three decimals, or what suits the metric's unit."""
    if value is None:
        return "–"
    unit = card.unit if card is not None else ""
    if unit == "rows":
        return f"{value:,.0f}"
    if unit == "MiB":
        return f"{value:,.1f}"
    if unit == "s":
        return f"{value:.4f}"
    text = f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
    return text.removeprefix("-") if float(text) == 0 else text


def direction(card: MetricCard | None) -> str:
    """Arrow that tells which way is better."""
    if card is None:
        return ""
    return "↑" if card.higher_is_better else "↓"


def named(metric: str, board: Board) -> str:
    """Return a metric's name with its arrow."""
    return f"{metric} {direction(board.metrics.get(metric))}".strip()


def mark(group: Group) -> str:
    """Return a dagger if the group's score may be chance."""
    return " †" if group.above_chance is False else ""


def overall(standing: Standing, track: TrackTable, budget: int) -> str:
    """Mean rank, and on how many of the tasks that rank where it is not all of them."""
    if standing.control:
        return "control"
    if standing.told:
        return "told, not ranked"
    if standing.mean_rank is None:
        return "–"
    text = f"{standing.mean_rank:.2f}"
    if standing.tasks_ranked < len(track.ranking[budget]):
        text += f" ({standing.tasks_ranked} of {len(track.ranking[budget])} tasks)"
    return text


def coverage(group: Group) -> str:
    """Cells finished of cells planned."""
    return f"{group.ok}/{group.planned}"


def _main_cell(board: Board, group: Group | None, bold: str) -> tuple[str, str]:
    """Score with its marks, and interval, of a method on a task."""
    if group is None:
        return "–", ""
    entry = group.main
    card = board.metrics.get(group.main_metric)
    if entry.mean is None:
        if group.skipped == group.planned:
            return "skipped", ""
        return ("–" if group.ok == group.planned else f"– ({coverage(group)})"), ""
    text = number(entry.mean, card)
    if group.first:
        text = bold.format(text)
    if not group.complete:
        text += f" ({entry.cells}/{group.planned})"
    interval = ""
    if entry.low is not None:
        interval = f"[{number(entry.low, card)}, {number(entry.high, card)}]"
    return text + mark(group), interval


def summary(board: Board, track: TrackTable, budget: int, bold: str) -> list[list[tuple[str, str]]]:
    """Rows of the table of main metrics at one budget: in each cell the score, the interval.

    Rows without any score are left out: `without_scores` has them.
    """
    return [
        [
            (standing.method, ""),
            (standing.on or "–", ""),
            (overall(standing, track, budget), ""),
            *(
                _main_cell(board, track.groups.get((task, standing.method, budget)), bold)
                for task in track.tasks
            ),
        ]
        for standing in track.standings[budget]
        if standing.shown
    ]


def without_scores(track: TrackTable, budget: int) -> list[str]:
    """Say which rows have no score on any task of the track, with the most frequent reason."""
    told = []
    for standing in track.standings[budget]:
        if not standing.shown:
            why = Counter(
                group.main.why
                for group in track.groups.values()
                if (group.method, group.budget) == (standing.method, budget)
            )
            reason = min(why, key=lambda one: (-why[one], one))
            told.append(f"No score on any task: {standing.method} ({reason}).")
    return told


def column_numbers(board: Board) -> dict[str, str]:
    """Task -> number of its column, which a legend explains, since names can be long."""
    return {task: f"[{number}]" for number, task in enumerate(board.tasks, start=1)}


def instances_told(board: Board) -> str:
    """Say how many instances of each task methods were planned on."""
    return f"Instances a task: {' or '.join(map(str, board.instances))}."


def facts_told(board: Board, task: str) -> list[str]:
    """One line of a task's facts, if it has any."""
    facts = board.facts.get(task, {})
    if not facts:
        return []
    told = "; ".join(fact_text(name, fact) for name, fact in facts.items())
    return [f"Means over instances: {told}{'' if told.endswith('.') else '.'}"]


def detail(
    board: Board, track: TrackTable, task: str, budget: int
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of every metric of one task on a track at one budget."""
    groups = [
        group
        for standing in track.standings[budget]
        if (group := track.groups.get((task, standing.method, budget))) is not None
        and any(entry.cells for entry in group.entries.values())
    ]
    names = [
        n for n in (groups[0].entries if groups else {}) if any(g.entries[n].cells for g in groups)
    ]
    header = ["method", "rank", "cells", *(named(name, board) for name in names)]
    rows = [
        [
            group.method,
            str(group.rank) if group.rank is not None else "–",
            coverage(group),
            *(_detail_cell(board, group, name) for name in names),
        ]
        for group in groups
    ]
    return header, rows


def _detail_cell(board: Board, group: Group, metric: str) -> str:
    entry = group.entries[metric]
    text = number(entry.mean, board.metrics.get(metric))
    return text if entry.cells in (0, group.planned) else f"{text} ({entry.cells}/{group.planned})"


def accounts_table(board: Board, task: str) -> list[list[str]]:
    """Header and rows of what methods say of their own answers, if any does."""
    told = board.accounts.get(task, [])
    if not told:
        return []
    header = ["method", "budget", "found first, or in its place", "unexplained", "warned", "of"]
    return [header, *(_account(one) for one in told)]


def _account(told: Told) -> list[str]:
    share = "–" if told.unexplained is None else f"{100 * told.unexplained:.0f} %"
    found = "; ".join(_or_others(*one) for one in told.first) or "nothing"
    warned = f"{told.warned}/{told.cells}"
    return [told.method, f"{told.budget:,}", found, share, warned, told.warning or "–"]


def _or_others(subset: tuple[int, ...], others: tuple[tuple[int, ...], ...]) -> str:
    named_units = ["{" + ", ".join(map(str, s)) + "}" for s in (subset, *others[:STAND_INS])]
    more = len(others) - STAND_INS
    return " or ".join(named_units) + (f" or {more} more" if more > 0 else "")


def unfinished(board: Board) -> list[list[str]]:
    """Header and rows of the groups with cells that are not ok; a lift's are its method's."""
    groups = {
        (group.task, group.method.partition(" + ")[0], group.budget): group
        for track in board.tracks
        for group in track.groups.values()
        if group.ok < group.planned
    }
    rows = [
        [
            task,
            method,
            f"{budget:,}",
            ", ".join(f"{count} {status}" for status, count in group.statuses.items()),
            group.why,
        ]
        for (task, method, budget), group in sorted(groups.items())
    ]
    return [["task", "method", "budget", "cells", "most frequent reason"], *rows] if rows else []
