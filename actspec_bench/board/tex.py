"""Board -> LaTeX: booktabs tables for a paper."""

from __future__ import annotations

from actspec_bench.board.table import Board, TrackTable
from actspec_bench.board.text import column_numbers, named, summary

__all__ = ["to_tex"]


def to_tex(board: Board) -> str:
    """One booktabs tabular a track and budget, to be put into a paper (needs the booktabs package).

    Columns are numbered, with a legend below; intervals stand in a line of their own.
    """
    tables = [
        _tex_summary(board, track, budget)
        for budget in reversed(board.budgets)
        for track in board.tracks
    ]
    return "\n\n".join(tables) + "\n"


def _tex_summary(board: Board, track: TrackTable, budget: int) -> str:
    numbers = column_numbers(board)
    lines = [["method", "on", "overall", *(f"{{{numbers[task]}}}" for task in track.tasks)]]
    for row in summary(board, track, budget, "@@{}@@"):
        lines.append([_tex(score) for score, _ in row])
        if any(interval for _, interval in row):
            lines.append([rf"{{\tiny {interval}}}" if interval else "" for _, interval in row])
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    legend = "; ".join(
        f"{numbers[task]} {_tex(task)}: {_tex(named(track.main_metrics[task], board))}"
        for task in track.tasks
    )
    return "\n".join(
        [
            f"% track of {track.name}, budget {budget} rows",
            rf"\begin{{tabular}}{{lll{'l' * len(track.tasks)}}}",
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
