"""How distributed a function is -> SVG: its spectrum by order, and its units on their layout."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from actspec_bench.figures import COLOURS, svg

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier.energy import Estimate
    from actspec_bench.problems.problem import Problem
    from actspec_bench.spectra.found import Distributedness, FoundSubset

__all__ = ["draw_spectrum", "draw_units", "grid_of", "unit_list"]

PANELS = 8
PER_ROW = 3
STEMS = 48
LONGEST = 6
WORDS = 90
DEFAULT = "#999999"
NOWHERE = "#ffffff"


def unit_list(units: Sequence[int], names: Sequence[str]) -> str:
    """Say which units, by name where they have names of their own; long lists are cut."""
    told = [names[unit] for unit in units[:LONGEST]]
    more = len(units) - len(told)
    separator = "; " if any("," in name for name in told) else ", "
    return separator.join(told) + (f" and {more} more" if more else "")


def draw_spectrum(result: Distributedness, title: str) -> str:
    """Share of the variance by order, and the coefficients of found subsets as stems by order.

    Bars and stems have their 95% intervals, dots are single runs where there are several; of
    more than 48 subsets the first are drawn.
    """

    def draw(figure: Any) -> None:
        energy, stems = figure.subplots(1, 2, width_ratios=[1, 1.6])
        _draw_energy(energy, result)
        _draw_stems(stems, result.subsets[:STEMS])
        for axis in (energy, stems):
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(visible=True, axis="y", alpha=0.25)
            axis.set_axisbelow(True)

    return svg((8.2, 3.4), draw, title)


def _draw_energy(axis: Any, result: Distributedness) -> None:
    bars: list[tuple[str, Estimate, str]] = [
        (str(order), share, COLOURS[0]) for order, share in result.by_order.items()
    ]
    if result.unexplained is not None:
        bars.append(("not\nfound", result.unexplained, DEFAULT))
    for place, (_, share, colour) in enumerate(bars):
        axis.bar(place, 100 * share.value, color=colour, width=0.7)
        told = [[100 * (share.value - share.low)], [100 * (share.high - share.value)]]
        axis.errorbar(place, 100 * share.value, yerr=told, color="black", capsize=3, linewidth=1)
        axis.annotate(
            f"{100 * share.value:.1f}",
            (place, 100 * max(share.high, 0)),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    for run in result.by_order_of_run:
        values = [100 * run[order].value if order in run else 0.0 for order in result.by_order]
        axis.plot(range(len(values)), values, ".", color="black", alpha=0.5, markersize=5)
    if not bars:
        axis.text(0.5, 0.5, "the function is constant", ha="center", transform=axis.transAxes)
        axis.set_axis_off()
    axis.set_xticks(range(len(bars)), [name for name, _, _ in bars])
    axis.margins(y=0.1)
    axis.set_xlabel("units in a subset")
    axis.set_ylabel("share of the variance, %")


def _draw_stems(axis: Any, subsets: Sequence[FoundSubset]) -> None:
    if not subsets:
        axis.text(0.5, 0.5, "no subset found", ha="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_ylabel("coefficient")
    axis.set_xlabel("found subsets, by number of units")
    start, ticks = 0, []
    for order in sorted({len(found.units) for found in subsets}):
        shown = [found.coefficient for found in subsets if len(found.units) == order]
        places = np.arange(start, start + len(shown))
        values = np.array([c.value for c in shown])
        below = values - [c.low for c in shown]
        above = np.array([c.high for c in shown]) - values
        for place, value in zip(places, values, strict=True):
            axis.plot([place, place], [0, value], color=COLOURS[0], linewidth=1.2, alpha=0.6)
        axis.errorbar(
            places,
            values,
            yerr=[below, above],
            color="black",
            linestyle="",
            capsize=2,
            linewidth=1,
            marker="o",
            markersize=3.5,
            markerfacecolor=COLOURS[0],
            markeredgecolor=COLOURS[0],
        )
        ticks.append((float(places.mean()), str(order)))
        if start:
            axis.axvline(start - 1, color="#cccccc", linewidth=0.8)
        start += len(shown) + 1
    axis.set_xticks([place for place, _ in ticks], [name for _, name in ticks])
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-1, max(start - 1, 1))


def draw_units(
    result: Distributedness,
    problem: Problem,
    importance: Float[ndarray, " n"],
    title: str,
    *,
    subsets: bool,
) -> str:
    """Heat maps of the units: total importance, then the members of the eight first subsets.

    On the problem's ``layout``, or without one on a near-square grid; named parts of one input,
    such as words, in a strip with their names.

    Parameters
    ----------
    importance
        Of each unit, the sum of |coefficient| over the subsets that hold it.
    subsets
        Whether to draw subsets; False for scores of single units, which the total shows.
    """
    shown = result.subsets[:PANELS] if subsets else ()
    if problem.layout is None and _has_names(problem) and sum(map(len, problem.unit_names)) < WORDS:
        return _draw_strip(shown, problem.unit_names, importance, title)
    grid = grid_of(problem.n, problem.layout)
    columns = min(PER_ROW, 1 + len(shown))
    rows = ceil((1 + len(shown)) / columns)

    def draw(figure: Any) -> None:
        axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
        _heat(figure, axes[0], importance, grid)
        for axis, found in zip(axes[1:], shown, strict=False):
            _members(axis, found, grid, problem.unit_names)
        for axis in axes[1 + len(shown) :]:
            axis.set_axis_off()

    return svg((2.7 * columns, 2.6 * rows + 0.5), draw, title)


def grid_of(n: int, layout: tuple[int, ...] | None) -> tuple[int, int]:
    """Rows and columns to draw n units in: the layout's, or nearly a square."""
    if layout is not None and len(layout) == 2 and prod(layout) == n:
        return layout[0], layout[1]
    columns = ceil(n**0.5)
    return ceil(n / columns), columns


def _has_names(problem: Problem) -> bool:
    return problem.unit_names != tuple(map(str, range(problem.n)))


def _on_grid(values: Float[ndarray, " n"], grid: tuple[int, int]) -> Any:
    """Values row by row, the places that no unit has masked."""
    padded = np.full(grid[0] * grid[1], np.nan)
    padded[: len(values)] = values
    return np.ma.masked_invalid(padded.reshape(grid))


def _cells(axis: Any, values: Any, **options: Any) -> Any:
    """Cells row by row from the top, as an image is read."""
    from matplotlib import colormaps

    options["cmap"] = colormaps[options["cmap"]].with_extremes(bad=NOWHERE)
    mesh = axis.pcolormesh(values, edgecolors="white", linewidth=0.4, **options)
    axis.invert_yaxis()
    axis.set_aspect("equal")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    return mesh


def _heat(figure: Any, axis: Any, importance: Float[ndarray, " n"], grid: tuple[int, int]) -> None:
    top = float(importance.max()) or 1.0
    mesh = _cells(axis, _on_grid(importance, grid), cmap="viridis", vmin=0, vmax=top)
    figure.colorbar(mesh, ax=axis, shrink=0.7, location="bottom", aspect=30)
    axis.set_title("sum of |coefficient|\nover all subsets", fontsize=8)


def _members(axis: Any, found: FoundSubset, grid: tuple[int, int], names: Sequence[str]) -> None:
    """One subset's members, blue for a positive coefficient and red for a negative one."""
    values = np.zeros(len(names))
    values[list(found.units)] = 1.0 if found.coefficient.value >= 0 else -1.0
    _cells(axis, _on_grid(values, grid), cmap="RdBu", vmin=-1.4, vmax=1.4)
    axis.set_title(_short(found, names), fontsize=8)


def _short(found: FoundSubset, names: Sequence[str]) -> str:
    """Members, by name where the names are short, what could stand for them, and coefficient."""
    units = unit_list(found.units, names)
    if len(units) > 34:
        units = unit_list(found.units, [str(i) for i in range(len(names))])
    told = [units, f"{found.coefficient.value:+.3f}"]
    if found.stand_ins:
        more = len(found.stand_ins) - 1
        other = unit_list(found.stand_ins[0], [str(i) for i in range(len(names))])
        told.insert(1, f"or {other}" + (f" and {more} more" if more else ""))
    return "\n".join(told)


def _draw_strip(
    shown: Sequence[FoundSubset],
    names: Sequence[str],
    importance: Float[ndarray, " n"],
    title: str,
) -> str:
    """One row for the total importance and one a subset, one column a named part."""

    def draw(figure: Any) -> None:
        heights = [1.2, len(shown)] if shown else [1.0]
        axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        top, last = axes[0], axes[-1]
        mesh = _cells(top, importance[None], cmap="viridis", vmin=0, vmax=importance.max() or 1.0)
        figure.colorbar(mesh, ax=top, location="right", aspect=6, label="sum of\n|coefficient|")
        if shown:
            members = np.zeros((len(shown), len(names)))
            for row, found in zip(members, shown, strict=True):
                row[list(found.units)] = 1.0 if found.coefficient.value >= 0 else -1.0
            _cells(last, members, cmap="RdBu", vmin=-1.4, vmax=1.4)
            told = [f"{found.coefficient.value:+.3f}" for found in shown]
            last.set_yticks(np.arange(len(told)) + 0.5, told)
        last.set_xticks(np.arange(len(names)) + 0.5, names, rotation=40, ha="right")
        for axis in axes:
            axis.tick_params(length=0)
            axis.set_aspect("auto")

    return svg((max(5.5, 0.6 * len(names) + 1.5), 0.32 * len(shown) + 2.2), draw, title)
