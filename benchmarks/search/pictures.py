"""Runs and timings -> pictures: recall against budget, queries to exactness, seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from benchmarks.panels import End, in_thousands, label, panels, style
from benchmarks.search.cells import Cell, cells
from benchmarks.search.contestants import CONTESTANTS
from benchmarks.search.regimes import Dimension, Regime
from benchmarks.search.runs import Run
from benchmarks.search.transforms import TRANSFORMS, Timing

__all__ = ["draw"]

AXES: dict[Dimension, str] = {
    "n": "units n",
    "k": "planted sets k",
    "order": "units a set",
    "noise": "noise, share of the signal's sd",
    "overlap": "units shared with earlier sets",
}


def draw(
    folder: Path, runs: Sequence[Run], timings: Sequence[Timing], regimes: Sequence[Regime]
) -> list[str]:
    """Write each picture that there are runs for as PNG and SVG, and return their names."""
    table = cells(runs)
    made = []
    run = {regime for regime, _ in table}
    regimes = [regime for regime in regimes if regime.name in run]
    by_order = [
        (order, regime.name)
        for regime in regimes
        for dimension, order in regime.points
        if dimension == "order"
    ]
    if by_order:
        made.append(
            panels(
                folder,
                "recall",
                len(by_order),
                lambda axes: _recall(axes, table, by_order),
            )
        )
    dimensions = [d for d in AXES if sum(d in dict(r.points) for r in regimes) > 1]
    if dimensions:
        made.append(
            panels(
                folder,
                "scaling",
                len(dimensions),
                lambda axes: _scaling(axes, table, regimes, dimensions),
            )
        )
    central = [regime.name for regime in regimes if regime.planted.get("n") == 64]
    if any(cell.beyond for (name, _), found in table.items() if name in central for cell in found):
        made.append(panels(folder, "seconds", 1, lambda axes: _seconds(axes[0], table, central)))
    threads = sorted({timing.threads for timing in timings})
    if threads:
        made.append(panels(folder, "wht", len(threads), lambda axes: _wht(axes, timings, threads)))
    return made


def _recall(
    axes: list[Any],
    table: dict[tuple[str, str], list[Cell]],
    by_order: list[tuple[str, str]],
) -> None:
    """Mean recall against mean rows used, up to the budget that is exact on every seed."""
    for axis, (order, regime) in zip(axes, by_order, strict=True):
        axis.set(xscale="log", ylim=(-0.04, 1.06), xlim=(60, 130_000))
        axis.set_title(f"{regime}" if order != "mixed" else "n=64, k=5, mixed orders", fontsize=9)
        in_thousands(axis.xaxis)
        axis.set_xlabel("rows used")
        axis.set_ylabel("share of planted sets found")
        ends = []
        for name in CONTESTANTS:
            found = [c for c in table.get((regime, name), []) if c.recall is not None and c.queries]
            if not found:
                continue
            colour, marker = style(list(CONTESTANTS), name)
            x, y = [c.queries or 0 for c in found], [c.recall or 0 for c in found]
            axis.plot(x, y, color=colour, marker=marker, markersize=4.5, linewidth=1.3)
            text = name
            if found[-1].exact:
                text = f"{name}: exact, {x[-1]:,.0f}"
            # Of lines that end at the same height the one with fewest rows comes first.
            ends.append(End(x[-1], y[-1], text, colour))
        label(axis, ends)


def _scaling(
    axes: list[Any],
    table: dict[tuple[str, str], list[Cell]],
    regimes: Sequence[Regime],
    dimensions: list[Dimension],
) -> None:
    """Rows until every seed is exact; a cross at the most tried where some seed is not."""
    for axis, dimension in zip(axes, dimensions, strict=True):
        points = [
            (dict(r.points)[dimension], r.name) for r in regimes if dimension in dict(r.points)
        ]
        points.sort(key=lambda point: (not point[0][0].isdigit(), float_or(point[0])))
        axis.set_yscale("log")
        axis.set_xticks(range(len(points)), [value for value, _ in points])
        axis.set_xlabel(AXES[dimension])
        axis.set_ylabel("rows until all exact (× not exact)")
        ends = []
        for name in CONTESTANTS:
            colour, marker = style(list(CONTESTANTS), name)
            exact, missed = [], []
            for place, (_, regime) in enumerate(points):
                done = [c for c in table.get((regime, name), []) if c.queries]
                first = next((c for c in done if c.exact), None)
                if first is not None:
                    exact.append((place, first.queries or 0))
                elif done:
                    missed.append((place, done[-1].queries or 0))
            if exact:
                axis.plot(*zip(*exact, strict=True), color=colour, marker=marker, markersize=4.5)
            if missed:
                axis.plot(*zip(*missed, strict=True), color=colour, marker="x", linestyle="none")
            if exact or missed:
                place, height = max(exact + missed)
                ends.append(End(place, height, name, colour))
        axis.margins(x=0.08, y=0.12)
        in_thousands(axis.yaxis)
        label(axis, ends)


def float_or(text: str) -> float:
    """Number that a text is, or 0."""
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def _seconds(axis: Any, table: dict[tuple[str, str], list[Cell]], central: list[str]) -> None:
    axis.set(xscale="log", yscale="log")
    in_thousands(axis.xaxis)
    axis.set_title("n=64, every regime and budget; warm calls", fontsize=9)
    axis.set_xlabel("rows used")
    axis.set_ylabel("seconds beyond the function's own")
    ends = []
    for name in CONTESTANTS:
        points = sorted(
            (cell.queries, cell.beyond)
            for (regime, method), found in table.items()
            if method == name and regime in central
            for cell in found
            if cell.beyond and cell.queries
        )
        if points:
            colour, marker = style(list(CONTESTANTS), name)
            axis.plot(
                *zip(*points, strict=True), color=colour, marker=marker, linestyle="none", alpha=0.6
            )
            ends.append(End(*points[-1], name, colour))
    label(axis, ends)


def _wht(axes: list[Any], timings: Sequence[Timing], threads: list[int]) -> None:
    for axis, count in zip(axes, threads, strict=True):
        axis.set_yscale("log")
        axis.set_title("1 thread" if count == 1 else f"{count} threads", fontsize=9)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[4]))
        axis.set_xlabel("n, of 2^n float32 numbers")
        axis.set_ylabel("milliseconds")
        ends = []
        for name in TRANSFORMS:
            points = [
                (t.n, 1e3 * t.seconds)
                for t in timings
                if t.transform == name and t.threads == count and t.seconds
            ]
            if points:
                colour, marker = style(list(TRANSFORMS), name)
                axis.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4.5)
                ends.append(End(*points[-1], name, colour))
        label(axis, ends)
