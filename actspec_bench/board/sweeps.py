"""Board -> SVG: scores against a parameter in which variants of one task differ."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from actspec_bench.board.pictures import (
    CONTROL_LINES,
    draw_scores,
    drawn_methods,
    is_control,
    method_styles,
    small_multiples,
    wrapped,
)
from actspec_bench.board.table import Board, TrackTable
from actspec_bench.board.text import named

__all__ = ["Sweep", "find_sweeps", "scores_by_parameter"]

LEAST_VALUES = 3
BESIDE_MAIN = {"subsets": ("surrogate_r2",), "units": ()}


@dataclass(frozen=True)
class Sweep:
    """Variants of a task that differ in one numeric parameter alone, in its order."""

    name: str
    parameter: str
    values: tuple[float, ...]
    tasks: tuple[str, ...]


def find_sweeps(board: Board) -> list[Sweep]:
    """All sets of three or more task variants that differ in one numeric parameter alone."""
    found: dict[tuple[str, str, str], list[tuple[float, str]]] = defaultdict(list)
    for task in board.tasks:
        variant = board.variants[task]
        for name, value in variant.parameters.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            rest = {key: other for key, other in variant.parameters.items() if key != name}
            held = json.dumps(rest, sort_keys=True)
            found[variant.name, name, held].append((float(value), task))
    return [
        Sweep(name, parameter, *zip(*sorted(points), strict=True))
        for (name, parameter, _), points in sorted(found.items())
        if len(points) >= LEAST_VALUES
    ]


def scores_by_parameter(board: Board) -> str | None:
    """Rows of panels, one sweep a row, at the largest budget; None if nothing is swept.

    Columns are the main metric of each track and `surrogate_r2`, where they have values.
    """
    sweeps = find_sweeps(board)
    if not sweeps:
        return None
    budget = board.budgets[-1]
    rows = {track.name: drawn_methods(track) for track in board.tracks}
    methods = sorted({row for drawn in rows.values() for row in drawn})
    controls = {m for m in methods for track in board.tracks if is_control(track, m)}
    styles = method_styles([m for m in methods if m not in controls])
    panels = [(sweep, *shown) for sweep in sweeps for shown in _metrics(board, sweep)]
    columns = max(len(_metrics(board, sweep)) for sweep in sweeps)

    def draw(axes: list[Any]) -> None:
        for axis, (sweep, track, metric) in zip(axes, panels, strict=True):
            for method in rows[track.name]:
                _draw(axis, track, budget, sweep, metric, method, styles.get(method))
            axis.set_title(wrapped(sweep.name), fontsize=8.5)
            axis.set_xlabel(sweep.parameter)
            axis.set_xticks(sweep.values)
            axis.set_ylabel(named(metric, board))

    return small_multiples(len(panels), columns, methods, draw)


def _metrics(board: Board, sweep: Sweep) -> list[tuple[TrackTable, str]]:
    shown = []
    for track in board.tracks:
        if sweep.tasks[0] in track.tasks:
            main = track.main_metrics[sweep.tasks[0]]
            shown += [(track, metric) for metric in dict.fromkeys((main, *BESIDE_MAIN[track.name]))]
    return [(track, metric) for track, metric in shown if metric in track.columns]


def _draw(
    axis: Any,
    track: TrackTable,
    budget: int,
    sweep: Sweep,
    metric: str,
    method: str,
    style: tuple[str, str] | None,
) -> None:
    points = [
        (value, group.entries[metric])
        for value, task in zip(sweep.values, sweep.tasks, strict=True)
        if (group := track.groups.get((task, method, budget))) is not None
        and group.entries[metric].mean is not None
    ]
    if not points:
        return
    values, entries = zip(*points, strict=True)
    if style is not None:
        draw_scores(axis, values, entries, style, method)
    elif method in CONTROL_LINES:
        line = CONTROL_LINES[method]
        means = [entry.mean for entry in entries]
        axis.plot(values, means, color="#888888", linestyle=line, linewidth=1.2, label=method)
