"""Drawing function -> PNG and SVG of several panels, every line named at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from actspec_bench.figures import COLOURS, MARKERS

__all__ = ["End", "in_thousands", "label", "panels", "style"]

# Inches between names; where they stand, in shares of an axis; and inches of a panel, of what lies
# beside it, and of what lies below.
LEAST_GAP = 0.184
LABELLED = 1.03
PANEL = (3.3, 2.3)
SIDES, LEFT = 2.6, 0.85
ENDS, BOTTOM = 0.85, 0.5


@dataclass(frozen=True)
class End:
    """Where a line ends, in data, and what is written there."""

    x: float
    y: float
    text: str
    colour: str


def style(names: Sequence[str], name: str) -> tuple[str, str]:
    """Colour and marker of one name of ``names``; no two of 49 have both in common."""
    turn, place = divmod(list(names).index(name), len(COLOURS))
    return COLOURS[place], MARKERS[(place + turn) % len(MARKERS)]


def label(axis: Any, ends: list[End]) -> None:
    """Write each line's name right of the axis, at its height, moved apart where they meet."""
    # Limits settle when they are asked for, and the transform hangs on them.
    axis.get_xlim(), axis.get_ylim()
    to_axis = axis.transData + axis.transAxes.inverted()
    gap = LEAST_GAP / (axis.get_position().height * axis.figure.get_figheight())
    ranked = sorted(ends, key=lambda end: (-end.y, end.x))
    heights = [min(float(to_axis.transform((end.x, end.y))[1]), 1.0) for end in ranked]
    for place in range(1, len(heights)):
        heights[place] = min(heights[place], heights[place - 1] - gap)
    for place in range(len(heights) - 1, -1, -1):
        floor = gap * (len(heights) - 1 - place)
        heights[place] = max(heights[place], floor)
    for end, height in zip(ranked, heights, strict=True):
        axis.annotate(
            end.text,
            (end.x, end.y),
            (LABELLED, height),
            textcoords="axes fraction",
            color=end.colour,
            va="center",
            fontsize=8,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "linewidth": 0.5,
                "alpha": 0.6,
                "relpos": (0, 0.5),
            },
        )


def in_thousands(axis: Any) -> None:
    """Ticks of a logarithmic axis of rows at 1, 2 and 5 times a power of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    axis.set_minor_formatter(NullFormatter())


def panels(
    folder: Path,
    name: str,
    count: int,
    fill: Callable[[list[Any]], None],
    *,
    columns: int = 2,
    panel: tuple[float, float] = PANEL,
) -> str:
    """Write ``name.svg`` and ``name.png``: ``count`` panels of ``panel`` inches, drawn by ``fill``.

    Returns ``name``.
    """
    rows = -(-count // columns)
    columns = min(columns, count)
    settings: Any = {"svg.hashsalt": "actspec_bench", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(settings):
        width, height = columns * (panel[0] + SIDES), rows * (panel[1] + ENDS)
        figure = Figure(figsize=(width, height))
        axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
        figure.subplots_adjust(
            left=LEFT / width,
            right=1 - (SIDES - LEFT) / width,
            bottom=BOTTOM / height,
            top=1 - (ENDS - BOTTOM) / height,
            wspace=SIDES / panel[0],
            hspace=ENDS / panel[1],
        )
        for axis in axes[:count]:
            axis.grid(visible=True, alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        for axis in axes[count:]:
            axis.set_axis_off()
        fill(axes[:count])
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.png", dpi=130, metadata={"Software": None})
    return name
