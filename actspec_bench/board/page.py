"""Board -> one HTML page that needs nothing else."""

from __future__ import annotations

from importlib.resources import files

from actspec_bench.board.table import Board, Group
from actspec_bench.board.text import (
    ACCOUNTS,
    READING,
    accounts_table,
    coverage,
    detail,
    facts_told,
    instances_told,
    mark,
    named,
    number,
    overall,
    unfinished,
    without_scores,
)

__all__ = ["to_html"]


def to_html(board: Board, pictures: dict[str, str]) -> str:
    """Render the page: summary by budget, pictures (title -> SVG), every metric, failures."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        coverage=coverage,
        facts_told=facts_told,
        mark=mark,
        named=named,
        number=number,
        overall=overall,
        without_scores=without_scores,
    )
    template = files("actspec_bench.board").joinpath("page.html.jinja").read_text("utf-8")
    page = environment.from_string(template).render(
        board=board,
        budgets=list(reversed(board.budgets)),
        reading=[
            *READING.replace("**", "").replace("*", "").replace("`", "").split("\n\n"),
            instances_told(board),
        ],
        pictures={title: svg[svg.index("<svg") :] for title, svg in pictures.items()},
        details={
            task: [
                (budget, track.name, *detail(board, track, task, budget))
                for budget in reversed(board.budgets)
                for track in board.tracks
                if task in track.tasks
            ]
            for task in board.tasks
        },
        accounts={task: accounts_table(board, task) for task in board.tasks},
        about_accounts=ACCOUNTS,
        stopped=unfinished(board),
        width=lambda group: _bar_width(board, group),
    )
    return page + "\n"


def _bar_width(board: Board, group: Group) -> int:
    """Length, in percent, of the bar under a score between 0 and 1: longer is better."""
    mean = group.main.mean
    if mean is None:
        return 0
    share = min(max(mean, 0.0), 1.0)
    card = board.metrics.get(group.main_metric)
    return round(100 * (share if card is None or card.higher_is_better else 1 - share))
