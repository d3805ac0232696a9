"""Board -> one HTML page that needs nothing else."""

from __future__ import annotations

from importlib.resources import files

from actspec_bench.board.table import Board, Group
from actspec_bench.board.text import (
    READING,
    coverage,
    detail,
    direction,
    number,
    overall,
    unfinished,
)

__all__ = ["to_html"]


def to_html(board: Board, picture: str) -> str:
    """Render the page: summary by budget, the picture, every metric by task, failures."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        coverage=coverage, direction=direction, number=number, overall=overall
    )
    template = files("actspec_bench.board").joinpath("page.html.jinja").read_text("utf-8")
    svg = picture[picture.index("<svg") :]
    return (
        environment.from_string(template).render(
            board=board,
            budgets=list(reversed(board.budgets)),
            reading=READING.replace("**", "").replace("`", ""),
            picture=svg,
            details={
                task: [(budget, *detail(board, task, budget)) for budget in reversed(board.budgets)]
                for task in board.tasks
            },
            stopped=unfinished(board),
            width=_bar_width,
        )
        + "\n"
    )


def _bar_width(group: Group) -> int:
    """Length, in percent, of the bar behind a score that lies between 0 and 1."""
    mean = group.main.mean
    return 0 if mean is None else round(100 * min(max(mean, 0.0), 1.0))
