"""Board -> Markdown, and the table that a terminal shows."""

from __future__ import annotations

from tabulate import tabulate

from actspec_bench.board.stats import LEAST_INSTANCES
from actspec_bench.board.table import Board, TrackTable
from actspec_bench.board.text import (
    ACCOUNTS,
    READING,
    accounts_table,
    column_numbers,
    detail,
    facts_told,
    instances_told,
    named,
    summary,
    unfinished,
    without_scores,
)

__all__ = ["summary_table", "to_markdown"]


def summary_table(board: Board, budget: int) -> str:
    """Tables of main metrics for a terminal: numbered columns with a legend, means only."""
    numbers = column_numbers(board)
    width = max(map(len, numbers.values()), default=0)
    parts = []
    for track in board.tracks:
        header = ["method", "on", "overall", *(numbers[task] for task in track.tasks)]
        rows = [[score for score, _ in row] for row in summary(board, track, budget, "{}*")]
        legend = [
            f"{numbers[task]:>{width}} {task}: {named(track.main_metrics[task], board)}"
            for task in track.tasks
        ]
        table = tabulate(rows, header, disable_numparse=True)
        parts += [track.question, "", table, *without_scores(track, budget), *legend, ""]
    signs = ["* shares first place, † may be chance"]
    if max(board.instances, default=0) < LEAST_INSTANCES:
        signs = [f"no intervals or ranks with fewer than {LEAST_INSTANCES} instances"]
    return "\n".join([*parts, *signs])


def to_markdown(board: Board, pictures: dict[str, str]) -> str:
    """Summary tables, pictures (file -> title), every metric by task, what did not finish."""
    parts = ["# Leaderboard", READING, instances_told(board)]
    for budget in reversed(board.budgets):
        parts.append(f"## Budget {budget:,} rows")
        for track in board.tracks:
            parts += [f"### {track.question}", *_markdown_summary(board, track, budget)]
    parts += [f"![{title}]({file})" for file, title in pictures.items()]
    for task in board.tasks:
        parts.append(f"## {task}")
        parts += [f"> {note}" for note in board.notes.get(task, [])]
        parts += facts_told(board, task)
        for budget in reversed(board.budgets):
            for track in (track for track in board.tracks if task in track.tasks):
                header, rows = detail(board, track, task, budget)
                parts += [f"Budget {budget:,} rows, track of {track.name}", _pipe(rows, header)]
        if accounts := accounts_table(board, task):
            parts += [ACCOUNTS, _pipe(accounts[1:], accounts[0])]
    stopped = unfinished(board)
    if stopped:
        parts += ["## Cells without a result", _pipe(stopped[1:], stopped[0])]
    parts += ["## Where it was run", *board.versions, *board.machines]
    if len(board.machines) > 1:
        parts.append("Times come from several machines and must not be compared.")
    return "\n\n".join(parts) + "\n"


def _markdown_summary(board: Board, track: TrackTable, budget: int) -> list[str]:
    """Table of main metrics with intervals below the scores, and the legend of its columns."""
    rows = [
        ["<br>".join(_plain(part) for part in cell if part) for cell in row]
        for row in summary(board, track, budget, "**{}**")
    ]
    numbers = column_numbers(board)
    names = [f"{task.partition('[')[0]} {numbers[task]}" for task in track.tasks]
    header = ["method", "on", "overall", *map(_plain, names)]
    legend = [
        f"{numbers[task]} {_plain(task)}: {named(track.main_metrics[task], board)}"
        for task in track.tasks
    ]
    table = tabulate(rows, header, tablefmt="pipe", disable_numparse=True)
    return [table, *map(_plain, without_scores(track, budget)), "<br>\n".join(legend)]


def _pipe(rows: list[list[str]], header: list[str]) -> str:
    clean = [[_plain(cell) for cell in row] for row in rows]
    return tabulate(clean, header, tablefmt="pipe", disable_numparse=True)


def _plain(cell: str) -> str:
    """Escape what Markdown or the HTML in it would read as more than text."""
    one_line = " ".join(cell.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
