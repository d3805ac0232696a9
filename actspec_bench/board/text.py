"""Board -> Markdown, JSON and LaTeX."""

from __future__ import annotations

import json
from dataclasses import asdict

from tabulate import tabulate

from actspec_bench.board.facts import fact_text
from actspec_bench.board.stats import LEAST_INSTANCES
from actspec_bench.board.table import Board, Group, Standing
from actspec_bench.registry.cards import MetricCard

__all__ = [
    "READING",
    "coverage",
    "detail",
    "direction",
    "facts_told",
    "instances_told",
    "mark",
    "named",
    "number",
    "overall",
    "summary_table",
    "to_json",
    "to_markdown",
    "to_tex",
    "unfinished",
]

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


def _summary(board: Board, budget: int, bold: str) -> list[list[tuple[str, str]]]:
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


def _numbers(board: Board) -> dict[str, str]:
    """Task -> number of its column, which a legend explains, since names can be long."""
    return {task: f"[{number}]" for number, task in enumerate(board.tasks, start=1)}


def summary_table(board: Board, budget: int) -> str:
    """Table of main metrics for a terminal: numbered columns with a legend, means only."""
    numbers = _numbers(board)
    width = max(map(len, numbers.values()), default=0)
    header = ["method", "overall", *numbers.values()]
    rows = [[score for score, _ in row] for row in _summary(board, budget, "{}*")]
    legend = [
        f"{number:>{width}} {task}: {named(board.main_metrics[task], board)}"
        for task, number in numbers.items()
    ]
    signs = ["* shares first place, † may be chance"]
    if max(board.instances, default=0) < LEAST_INSTANCES:
        signs = [f"no intervals or ranks with fewer than {LEAST_INSTANCES} instances"]
    return "\n".join([tabulate(rows, header, disable_numparse=True), *legend, *signs])


def instances_told(board: Board) -> str:
    """Say how many instances of each task methods were planned on."""
    return f"Instances a task: {' or '.join(map(str, board.instances))}."


def to_markdown(board: Board, pictures: dict[str, str]) -> str:
    """Summary tables, pictures (file -> title), every metric by task, what did not finish."""
    parts = ["# Leaderboard", READING, instances_told(board)]
    for budget in reversed(board.budgets):
        parts += [f"## Budget {budget:,} rows", *_markdown_summary(board, budget)]
    parts += [f"![{title}]({file})" for file, title in pictures.items()]
    for task in board.tasks:
        parts.append(f"## {task}")
        parts += [f"> {note}" for note in board.notes.get(task, [])]
        parts += facts_told(board, task)
        for budget in reversed(board.budgets):
            header, rows = detail(board, task, budget)
            parts += [f"Budget {budget:,} rows", _pipe(rows, header)]
    stopped = unfinished(board)
    if stopped:
        parts += ["## Cells without a result", _pipe(stopped[1:], stopped[0])]
    parts += ["## Where it was run", *board.versions, *board.machines]
    if len(board.machines) > 1:
        parts.append("Times come from several machines and must not be compared.")
    return "\n\n".join(parts) + "\n"


def facts_told(board: Board, task: str) -> list[str]:
    """One line of a task's facts, if it has any."""
    facts = board.facts.get(task, {})
    if not facts:
        return []
    told = "; ".join(fact_text(name, fact) for name, fact in facts.items())
    return [f"Means over instances: {told}{'' if told.endswith('.') else '.'}"]


def _markdown_summary(board: Board, budget: int) -> list[str]:
    """Table of main metrics with intervals below the scores, and the legend of its columns."""
    rows = [
        ["<br>".join(_plain(part) for part in cell if part) for cell in row]
        for row in _summary(board, budget, "**{}**")
    ]
    numbers = _numbers(board)
    names = [f"{task.partition('[')[0]} {number}" for task, number in numbers.items()]
    header = ["method", "overall", *map(_plain, names)]
    legend = [
        f"{number} {_plain(task)}: {named(board.main_metrics[task], board)}"
        for task, number in numbers.items()
    ]
    table = tabulate(rows, header, tablefmt="pipe", disable_numparse=True)
    return [table, "<br>\n".join(legend)]


def _pipe(rows: list[list[str]], header: list[str]) -> str:
    clean = [[_plain(cell) for cell in row] for row in rows]
    return tabulate(clean, header, tablefmt="pipe", disable_numparse=True)


def _plain(cell: str) -> str:
    """Escape what Markdown or the HTML in it would read as more than text."""
    one_line = " ".join(cell.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


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


def to_json(board: Board) -> str:
    """The whole board, keys sorted."""
    content = asdict(board) | {
        "metrics": {name: card.model_dump() for name, card in board.metrics.items()},
        "groups": [asdict(group) for group in board.groups.values()],
        "standings": {
            str(budget): [asdict(standing) for standing in standings]
            for budget, standings in board.standings.items()
        },
    }
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def to_tex(board: Board) -> str:
    """One booktabs tabular a budget, to be put into a paper (needs the booktabs package).

    Columns are numbered, with a legend below; intervals stand in a line of their own.
    """
    return "\n\n".join(_tex_summary(board, budget) for budget in reversed(board.budgets)) + "\n"


def _tex_summary(board: Board, budget: int) -> str:
    numbers = _numbers(board)
    lines = [["method", "overall", *(f"{{{number}}}" for number in numbers.values())]]
    for row in _summary(board, budget, "@@{}@@"):
        lines.append([_tex(score) for score, _ in row])
        if any(interval for _, interval in row):
            lines.append([rf"{{\tiny {interval}}}" if interval else "" for _, interval in row])
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    legend = "; ".join(
        f"{number} {_tex(task)}: {_tex(named(board.main_metrics[task], board))}"
        for task, number in numbers.items()
    )
    return "\n".join(
        [
            f"% budget {budget} rows",
            rf"\begin{{tabular}}{{ll{'l' * len(numbers)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\par\smallskip{{\footnotesize {legend}\par}}",
        ]
    )


def _tex(text: str) -> str:
    for plain, command in (
        ("\\", r"\textbackslash "),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("–", "--"),
        ("†", r"$\dagger$"),
        ("↑", r"$\uparrow$"),
        ("↓", r"$\downarrow$"),
    ):
        text = text.replace(plain, command)
    head, marker, rest = text.partition("@@")
    if marker:
        inside, _, tail = rest.partition("@@")
        text = rf"{head}\textbf{{{inside}}}{tail}"
    return text
