"""Board -> the words and numbers that tables, page and pictures share."""

from __future__ import annotations

from actspec_bench.board.accounts import Told
from actspec_bench.board.facts import fact_text
from actspec_bench.board.table import Board, Group, Standing
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
]

STAND_INS = 2
ACCOUNTS = """\
What methods say of their own answers: the first three subsets on the first instance and what could
stand in the place of each, the share of the variance that all reported leave (mean over
instances), in how many instances they warn, and the first warning."""
READING = """\
Each number is a mean over instances with its 95% bootstrap interval. A method's rank is one more
than the number of methods that are clearly better, which means that the interval of the paired
difference excludes zero; none ranks below one whose mean is worse. **Bold** is shared first
place. A dagger † marks a ranked score that is not clearly better than the controls `random` and
`constant`, which see nothing; such a score is never bold. A method without a score on every
planned instance shows how many it has and is not ranked. `overall` is the mean rank over the
tasks; a method that is not ranked on all of them stands below those that are. Controls are never
ranked. ↑ higher is better, ↓ lower is better."""


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


def overall(standing: Standing, board: Board) -> str:
    """Mean rank, and on how many tasks where it is not all of them."""
    if standing.control:
        return "control"
    if standing.mean_rank is None:
        return "–"
    text = f"{standing.mean_rank:.2f}"
    if standing.tasks_ranked < len(board.tasks):
        text += f" ({standing.tasks_ranked} of {len(board.tasks)} tasks)"
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
        return ("skipped" if group.skipped == group.planned else f"– ({coverage(group)})"), ""
    text = number(entry.mean, card)
    if group.first:
        text = bold.format(text)
    if not group.complete:
        text += f" ({entry.cells}/{group.planned})"
    interval = ""
    if entry.low is not None:
        interval = f"[{number(entry.low, card)}, {number(entry.high, card)}]"
    return text + mark(group), interval


def summary(board: Board, budget: int, bold: str) -> list[list[tuple[str, str]]]:
    """Rows of the table of main metrics at one budget: in each cell the score, the interval."""
    return [
        [
            (standing.method, ""),
            (overall(standing, board), ""),
            *(
                _main_cell(board, board.groups.get((task, standing.method, budget)), bold)
                for task in board.tasks
            ),
        ]
        for standing in board.standings[budget]
    ]


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


def detail(board: Board, task: str, budget: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of every metric of one task at one budget."""
    groups = [
        group
        for standing in board.standings[budget]
        if (group := board.groups.get((task, standing.method, budget))) is not None
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
    """Header and rows of the groups with cells that are not ok."""
    rows = [
        [
            group.task,
            group.method,
            f"{group.budget:,}",
            ", ".join(f"{count} {status}" for status, count in group.statuses.items()),
            group.why,
        ]
        for group in board.groups.values()
        if group.ok < group.planned
    ]
    return [["task", "method", "budget", "cells", "most frequent reason"], *rows] if rows else []
