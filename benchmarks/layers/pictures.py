"""Runs and scale -> pictures: what is explained against what stays, and cost against size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import NullFormatter

from actspec_bench.figures import COLOURS
from benchmarks.layers.cells import Cell, cells
from benchmarks.layers.contestants import CONTESTANTS
from benchmarks.layers.runs import Run
from benchmarks.layers.scale import AXES, Measured
from benchmarks.layers.settings import Setting
from benchmarks.panels import End, label, panels, style

__all__ = ["draw"]

PANEL = (3.6, 3.0)


def draw(
    folder: Path, runs: Sequence[Run], scale: Sequence[Measured], settings: Sequence[Setting]
) -> list[str]:
    """Write each picture that there are runs for as PNG and SVG, and return their names."""
    table = cells(runs)
    layers = [
        s.name
        for s in settings
        if s.kind == "layer" and any(p == s.name and c.finished for (p, _), c in table.items())
    ]
    made = []
    if layers:
        made.append(
            panels(
                folder,
                "layers",
                len(layers),
                lambda axes: _layers(axes, table, layers),
                panel=PANEL,
            )
        )
    curves = [curve for curve in AXES if any(p.curve == curve and p.seconds for p in scale)]
    if curves:
        made.append(panels(folder, "scale", 2 * len(curves), lambda axes: _scale(axes, scale)))
    return made


def _layers(axes: list[Any], table: dict[tuple[str, str], Cell], layers: Sequence[str]) -> None:
    """R^2 against J5, a point a contestant; a dotted line for each ceiling."""
    for axis, layer in zip(axes, layers, strict=True):
        axis.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        axis.set_title(layer, fontsize=9)
        axis.set_xlabel("J5, the same top 5 from another seed")
        axis.set_ylabel("R^2 of 16 subsets, held-out rows")
        ends = []
        for name, contestant in CONTESTANTS.items():
            cell = table.get((layer, name))
            if cell is None or "r2" not in cell.measures:
                continue
            colour, marker = style(list(CONTESTANTS), name)
            height = cell.measures["r2"].mean
            if contestant.ceiling:
                axis.axhline(height, color=colour, linestyle=":", linewidth=1)
                ends.append(End(1.04, height, name, colour))
            elif "j5" in cell.measures:
                across = cell.measures["j5"].mean
                axis.plot([across], [height], color=colour, marker=marker, linestyle="none")
                ends.append(End(across, height, name, colour))
        label(axis, ends)


def _scale(axes: list[Any], scale: Sequence[Measured]) -> None:
    """Seconds and MiB against units and rows; a cross where a call came to its limit."""
    curves = [curve for curve in AXES if any(p.curve == curve and p.seconds for p in scale)]
    for place, curve in enumerate(curves):
        for axis, name, unit in zip(
            axes[2 * place : 2 * place + 2], ("seconds", "mib"), ("seconds", "MiB"), strict=True
        ):
            points = [p for p in scale if p.curve == curve]
            done = [(p.size, getattr(p, name)) for p in points if getattr(p, name)]
            axis.set(xscale="log", yscale="log")
            axis.set_xticks([p.size for p in points], [f"{p.size:,}" for p in points])
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlabel(AXES[curve])
            axis.set_ylabel(unit)
            axis.plot(*zip(*done, strict=True), color=COLOURS[0], marker="o", markersize=4.5)
            for late in (p for p in points if p.status == "timeout"):
                axis.axvline(late.size, color=COLOURS[1], linestyle=":", linewidth=1)
                axis.annotate(
                    " over its limit",
                    (late.size, 0.5),
                    xycoords=("data", "axes fraction"),
                    color=COLOURS[1],
                    fontsize=8,
                )
