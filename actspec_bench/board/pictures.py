"""Board -> SVG: the main metric of every task against the queries it took."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from actspec_bench.board.table import Board, Entry, Group, TrackTable
from actspec_bench.board.text import named
from actspec_bench.figures import COLOURS, MARKERS, svg

__all__ = [
    "CONTROL_LINES",
    "draw_scores",
    "drawn_methods",
    "is_control",
    "method_styles",
    "scores_of_methods",
    "small_multiples",
    "wrapped",
]

COLUMNS = 3
MOST_DRAWN = 12
FIRST, OTHERS = "shares first place", "does not"
CONTROL_LINES = {"oracle": "--", "random": ":"}
# Of text in legends: what a letter and the key beside it take.
LETTER_INCHES, KEY_INCHES = 0.075, 0.55
NARROW = 1.5


def scores_of_methods(board: Board, track: TrackTable) -> str:
    """Small multiples, one a task: mean main metric with its interval.

    Against mean rows used where there are several budgets, or else method by method. The oracle
    is a dashed line at its score, the random control a dotted one.
    """
    methods = drawn_methods(track)
    if len(track.standings) == 1:
        return _method_by_method(board, track, methods)
    styles = method_styles(sorted(m for m in methods if not is_control(track, m)))

    # Lines of controls first: matplotlib cannot place them on an axis that points have narrowed.
    drawn = sorted(methods, key=lambda method: method in styles)

    def draw(axes: list[Any]) -> None:
        for axis, task in zip(axes, track.tasks, strict=False):
            axis.set_xscale("log")
            for method in drawn:
                _draw(axis, board.budgets, track, task, method, styles.get(method))
            _limit_rows(axis)
            axis.set_title(wrapped(task), fontsize=8.5)
            axis.set_ylabel(named(track.main_metrics[task], board))
            axis.set_xlabel("rows asked, forward and backward")

    return small_multiples(len(track.tasks), min(COLUMNS, len(track.tasks)), methods, draw)


def _method_by_method(board: Board, track: TrackTable, methods: list[str]) -> str:
    """One line a method, the first on top; controls are lines across."""
    (budget,) = track.standings
    shown = [method for method in methods if not is_control(track, method)][::-1]

    def draw(axes: list[Any]) -> None:
        for axis, task in zip(axes, track.tasks, strict=False):
            for method, line in CONTROL_LINES.items():
                group = track.groups.get((task, method, budget))
                if group is not None and group.main.mean is not None:
                    axis.axvline(
                        group.main.mean,
                        color="#888888",
                        linestyle=line,
                        linewidth=1.2,
                        label=method,
                    )
            for place, method in enumerate(shown):
                group = track.groups.get((task, method, budget))
                if group is None or group.main.mean is None:
                    continue
                mean = group.main.mean
                low = mean if group.main.low is None else group.main.low
                high = mean if group.main.high is None else group.main.high
                axis.errorbar(
                    [mean],
                    [place],
                    xerr=[[mean - low], [high - mean]],
                    color=COLOURS[0] if group.first else COLOURS[1],
                    label=FIRST if group.first else OTHERS,
                    marker="o",
                    markersize=4,
                    capsize=2,
                    linewidth=1.2,
                )
            axis.set_yticks(range(len(shown)), shown, fontsize=7)
            axis.set_ylim(-0.7, len(shown) - 0.3)
            axis.set_title(wrapped(task), fontsize=8.5)
            axis.set_xlabel(named(track.main_metrics[task], board))

    height = 1.2 + 0.17 * len(shown)
    columns = min(COLUMNS, len(track.tasks))
    legend = [FIRST, OTHERS, *CONTROL_LINES]
    return small_multiples(len(track.tasks), columns, legend, draw, height=height)


def drawn_methods(track: TrackTable) -> list[str]:
    """Rows that pictures of a track draw: the first 12 of the largest budget, and controls.

    Those that are told something are left out, as they are not ranked.
    """
    if not track.standings:
        return []
    rows = [s for s in track.standings[max(track.standings)] if s.shown and not s.told]
    first = [s.method for s in rows if not s.control][:MOST_DRAWN]
    return first + [s.method for s in rows if s.control]


def small_multiples(
    count: int,
    columns: int,
    methods: list[str],
    draw: Callable[[list[Any]], None],
    *,
    height: float = 3.1,
) -> str:
    """SVG of ``count`` panels that ``draw`` fills, with one legend of methods below."""
    columns = max(1, columns)
    rows = max(1, -(-count // columns))
    size = (max(3.7 * columns, 5.5), height * rows + 0.6)

    def fill(figure: Any) -> None:
        axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
        draw(axes[:count])
        shown: dict[str, Any] = {}
        for axis in axes[:count]:
            axis.grid(visible=True, alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            handles, labels = axis.get_legend_handles_labels()
            shown |= dict(zip(labels, handles, strict=True))
        for axis in axes[count:]:
            axis.set_axis_off()
        ordered = [method for method in methods if method in shown]
        if ordered:
            handles = [shown[method] for method in ordered]
            widest = max(map(len, ordered)) * LETTER_INCHES + KEY_INCHES
            figure.legend(
                handles,
                ordered,
                loc="outside lower center",
                ncols=max(1, min(5, int(size[0] / widest))),
                frameon=False,
            )

    return svg(size, fill)


def method_styles(methods: list[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each row, which hang on its method's name and seldom on the others'."""
    places = len(COLOURS) * len(MARKERS)
    taken: dict[int, str] = {}
    for method in methods[:places]:
        name = method.partition(" + ")[0]
        place = int(hashlib.sha256(name.encode()).hexdigest(), 16) % places
        alike = {p % len(COLOURS) for p in taken}
        while place in taken or (place % len(COLOURS) in alike and len(alike) < len(COLOURS)):
            place = (place + 1) % places
        taken[place] = method
    return {
        method: (COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS)])
        for place, method in taken.items()
    }


def _draw(
    axis: Any,
    budgets: list[int],
    track: TrackTable,
    task: str,
    method: str,
    style: tuple[str, str] | None,
) -> None:
    groups = [
        group
        for budget in budgets
        if (group := track.groups.get((task, method, budget))) is not None
        and group.main.mean is not None
    ]
    means = [group.main.mean or 0.0 for group in groups]
    if style is None:
        line = CONTROL_LINES.get(method)
        if means and line:
            axis.axhline(means[-1], color="#888888", linestyle=line, linewidth=1.2, label=method)
        return
    points = [(_rows_asked(group), group) for group in groups if _rows_asked(group) > 0]
    if not points:
        return
    draw_scores(
        axis, [queries for queries, _ in points], [group.main for _, group in points], style, method
    )


def draw_scores(
    axis: Any, x: Sequence[float], entries: Sequence[Entry], style: tuple[str, str], method: str
) -> None:
    """One method's means with their intervals, which are left out where there is none."""
    colour, marker = style
    means = [entry.mean or 0.0 for entry in entries]
    low, high = [], []
    for mean, entry in zip(means, entries, strict=True):
        low.append(mean - (mean if entry.low is None else entry.low))
        high.append((mean if entry.high is None else entry.high) - mean)
    axis.errorbar(
        x,
        means,
        yerr=[low, high],
        color=colour,
        marker=marker,
        markersize=6,
        markerfacecolor="none",
        capsize=2,
        linewidth=1.2,
        label=method,
    )


def _limit_rows(axis: Any) -> None:
    """Widen the limits for points close together, where a log axis would shrink to nothing.

    Horizontal lines of controls reach from 0 to 1 in shares of the axis and are no points.
    """
    if not axis.containers:
        axis.set_xlim(1, 10)
        return
    x = [float(value) for bars in axis.containers for value in bars.lines[0].get_xdata()]
    if max(x) <= NARROW * min(x):
        axis.set_xlim(min(x) / 2, max(x) * 2)


def _rows_asked(group: Group) -> float:
    return sum(group.entries[name].mean or 0.0 for name in ("queries", "backward_queries"))


def is_control(track: TrackTable, method: str) -> bool:
    """Whether a method is shown and never ranked."""
    return any(group.control for key, group in track.groups.items() if key[1] == method)


def wrapped(task: str, width: int = 34) -> str:
    """A task's label over several lines."""
    import textwrap

    spaced = task.replace("[", " [").replace(",", ", ")
    return "\n".join(textwrap.wrap(spaced, width))
