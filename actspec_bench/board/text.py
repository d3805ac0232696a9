"""Board -> Markdown, JSON and LaTeX."""

from __future__ import annotations

import json
from dataclasses import asdict

from tabulate import tabulate

from actspec_bench.board.table import Board, Entry, Group, Standing
from actspec_bench.registry import metrics

__all__ = [
    "direction",
    "number",
    "overall",
    "summary_table",
    "to_json",
    "to_markdown",
    "to_tex",
]

READING = """\
Each number is a mean over instances with its 95% bootstrap interval. **Bold** is the group that
shares first place: a method ranks below another only if the interval of their paired difference
excludes zero. A method without a score on every planned instance shows how many it has and is
not ranked. `overall` is the mean rank over the tasks; a method that is not ranked on all of them
stands below those that are. Controls are never ranked. ↑ higher is better, ↓ lower is better.
"""


def number(value: float | None, metric: str = "") -> str:
    """Format a score for a table: three decimals, or what suits the metric's unit."""
    if value is None:
        return "–"
    unit = metrics[metric].card.unit if metric in metrics else ""
    if unit == "rows":
        return f"{value:,.0f}"
    if unit == "MiB":
        return f"{value:,.1f}"
    if unit == "s":
        return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"
    text = f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
    return text.removeprefix("-") if float(text) == 0 else text


def direction(metric: str) -> str:
    """Arrow that tells which way is better."""
    if metric not in metrics:
        return ""
    return "↑" if metrics[metric].card.higher_is_better else "↓"


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


def _score(entry: Entry, metric: str) -> str:
    text = number(entry.mean, metric)
    if entry.low is not None:
        text += f" [{number(entry.low, metric)}, {number(entry.high, metric)}]"
    return text


def _main_cell(group: Group | None, bold: str, *, escape: bool = False) -> str:
    if group is None:
        return "–"
    entry = group.main
    if entry.mean is None:
        return "skipped" if group.skipped == group.planned else f"– ({coverage(group)})"
    text = _score(entry, group.main_metric)
    if group.rank == 1:
        text = bold.format(text)
    if not group.complete:
        text += f" ({entry.cells}/{group.planned})"
    return text.replace("%", r"\%") if escape else text


def _summary(board: Board, budget: int, bold: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of main metrics at one budget."""
    header = ["method", "overall"]
    header += [
        f"{task} {board.main_metrics[task]} {direction(board.main_metrics[task])}"
        for task in board.tasks
    ]
    rows = [
        [
            standing.method,
            overall(standing, board),
            *(
                _main_cell(board.groups.get((task, standing.method, budget)), bold)
                for task in board.tasks
            ),
        ]
        for standing in board.standings[budget]
    ]
    return header, rows


def summary_table(board: Board, budget: int) -> str:
    """Table of main metrics for a terminal: means only, first place starred."""
    header = ["method", "overall", *(_narrow(task) for task in board.tasks)]
    rows = []
    for standing in board.standings[budget]:
        row = [standing.method, overall(standing, board)]
        for task in board.tasks:
            group = board.groups.get((task, standing.method, budget))
            text = _main_cell(group, "{}").partition(" [")[0]
            row.append(f"{text} *" if group is not None and group.rank == 1 else text)
        rows.append(row)
    metric_row = [
        "",
        "",
        *(f"{m} {direction(m)}" for m in map(board.main_metrics.get, board.tasks) if m),
    ]
    return tabulate([metric_row, *rows], header, disable_numparse=True)


def _narrow(task: str) -> str:
    return task.replace("[", "\n[").replace(",", ",\n ")


def to_markdown(board: Board, picture: str) -> str:
    """Summary tables, the picture, every metric by task, and what did not finish."""
    parts = ["# Leaderboard", READING, f"Instances a task: {board.instances}."]
    for budget in reversed(board.budgets):
        header, rows = _summary(board, budget, "**{}**")
        parts += [f"## Budget {budget:,} rows", _pipe(rows, header)]
    parts += [f"![Main metric against queries]({picture})"]
    for task in board.tasks:
        parts.append(f"## {task}")
        parts += [f"> {note}" for note in board.notes.get(task, [])]
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


def _pipe(rows: list[list[str]], header: list[str]) -> str:
    clean = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(clean, header, tablefmt="pipe", disable_numparse=True)


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
    header = ["method", "rank", "cells", *(f"{name} {direction(name)}" for name in names)]
    rows = [
        [
            group.method,
            str(group.rank) if group.rank is not None else "–",
            coverage(group),
            *(_detail_cell(group, name) for name in names),
        ]
        for group in groups
    ]
    return header, rows


def _detail_cell(group: Group, metric: str) -> str:
    entry = group.entries[metric]
    text = number(entry.mean, metric)
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
        "groups": [asdict(group) for group in board.groups.values()],
        "standings": {
            str(budget): [asdict(standing) for standing in standings]
            for budget, standings in board.standings.items()
        },
    }
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def to_tex(board: Board) -> str:
    """One booktabs tabular a budget, to be put into a paper (needs the booktabs package)."""
    parts = []
    for budget in reversed(board.budgets):
        header, rows = _summary(board, budget, "@@{}@@")
        names = ["method", "overall", *(f"{task}" for task in board.tasks)]
        table = tabulate(
            [[_tex(cell) for cell in row] for row in rows],
            [_tex(name) for name in names],
            tablefmt="latex_raw",
            disable_numparse=True,
        )
        lines = table.splitlines()
        metric_row = " & ".join(["", "", *(_tex(h.split(" ", 1)[1]) for h in header[2:])])
        rules = iter([r"\toprule", r"\midrule", r"\bottomrule"])
        lines = [next(rules) if line == r"\hline" else line for line in lines]
        lines.insert(lines.index(r"\midrule"), metric_row + r" \\")
        parts.append(f"% budget {budget} rows\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _tex(text: str) -> str:
    for plain, command in (
        ("\\", r"\textbackslash "),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("–", "--"),
        ("↑", r"$\uparrow$"),
        ("↓", r"$\downarrow$"),
    ):
        text = text.replace(plain, command)
    head, marker, rest = text.partition("@@")
    if marker:
        inside, _, tail = rest.partition("@@")
        text = rf"{head}\textbf{{{inside}}}{tail}"
    return text
