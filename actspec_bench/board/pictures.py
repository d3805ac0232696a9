"""Board -> SVG: the main metric of every task against the queries it took."""

from __future__ import annotations

import io
from typing import Any

from actspec_bench.board.table import Board, Group
from actspec_bench.board.text import direction

__all__ = ["recovery_against_queries"]

COLUMNS = 3
# Okabe & Ito's palette, distinguishable with colour-vision deficiencies.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vPX"


def recovery_against_queries(board: Board) -> str:
    """Small multiples, one a task: mean main metric with its interval, against mean rows used.

    Controls are grey, and those that ask nothing are a dotted line at their score.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    methods = [s.method for s in board.standings[board.budgets[-1]]] if board.budgets else []
    ranked = [m for m in methods if not _control(board, m)]
    style = {
        method: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, method in enumerate(ranked)
    }
    rows = max(1, -(-len(board.tasks) // COLUMNS))
    settings: Any = {"svg.hashsalt": "actspec_bench", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(settings):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06, wspace=0.04)
        figure = Figure(figsize=(11, 3.1 * rows + 0.6), layout=layout)
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axis, task in zip(axes, board.tasks, strict=False):
            for method in methods:
                _draw(axis, board, task, method, style.get(method))
            metric = board.main_metrics[task]
            axis.set_title(_wrapped(task), fontsize=8.5)
            axis.set_ylabel(f"{metric} {direction(metric)}")
            axis.set_xscale("log")
            axis.set_xlabel("rows asked, forward and backward")
            axis.grid(visible=True, alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        for axis in axes[len(board.tasks) :]:
            axis.set_axis_off()
        shown: dict[str, Any] = {}
        for axis in axes:
            handles, labels = axis.get_legend_handles_labels()
            shown |= dict(zip(labels, handles, strict=True))
        if shown:
            figure.legend(
                list(shown.values()),
                list(shown),
                loc="outside lower center",
                ncols=5,
                frameon=False,
            )
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _draw(axis: Any, board: Board, task: str, method: str, style: tuple[str, str] | None) -> None:
    groups = [
        group
        for budget in board.budgets
        if (group := board.groups.get((task, method, budget))) is not None
        and group.main.mean is not None
    ]
    if not groups:
        return
    queries = [_rows_asked(group) for group in groups]
    means = [group.main.mean or 0.0 for group in groups]
    if style is None:
        if not any(queries) and method in ("oracle", "random"):
            line = {"oracle": "--", "random": ":"}[method]
            axis.axhline(means[-1], color="#888888", linestyle=line, linewidth=1.2, label=method)
        return
    colour, marker = style
    errors = [
        [
            mean - (g.main.low if g.main.low is not None else mean)
            for mean, g in zip(means, groups, strict=True)
        ],
        [
            (g.main.high if g.main.high is not None else mean) - mean
            for mean, g in zip(means, groups, strict=True)
        ],
    ]
    axis.errorbar(
        queries, means, yerr=errors, color=colour, marker=marker, markersize=5, capsize=2,
        linewidth=1.2, alpha=0.9, label=method,
    )  # fmt: skip


def _rows_asked(group: Group) -> float:
    return sum(group.entries[name].mean or 0.0 for name in ("queries", "backward_queries"))


def _control(board: Board, method: str) -> bool:
    return any(group.control for key, group in board.groups.items() if key[1] == method)


def _wrapped(task: str, width: int = 34) -> str:
    import textwrap

    spaced = task.replace("[", " [").replace(",", ", ")
    return "\n".join(textwrap.wrap(spaced, width))
