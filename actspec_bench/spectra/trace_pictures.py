"""Traces of subsets -> SVG: mean images, strongest examples, joint tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from actspec_bench.figures import COLOURS, svg
from actspec_bench.problems.inputs import DataInputs, MaskedImage
from actspec_bench.spectra.pictures import unit_list
from actspec_bench.spectra.tracing import mean_images

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier.energy import Estimate
    from actspec_bench.problems.problem import Problem
    from actspec_bench.spectra.tracing import Side, Trace

__all__ = ["draw_traces", "joint_lines"]

TABLE_ROWS = 8
EXAMPLES = 6
FADED = 0.6
WIDTHS = (1.4, 1.15, 1.15, *[1.0] * EXAMPLES, 3.6)
COLUMNS = (0.02, 0.32, 0.48)


def draw_traces(
    traces: Sequence[Trace], inputs: object, problem: Problem, title: str
) -> str | None:
    """Draw what drives each subset, where the inputs are images; None where they are not.

    Of a data set, for character +1 and -1, the mean image and the strongest examples; of a
    single masked image, the image with the subset's parts marked. Beside them the joint table.
    """
    if isinstance(inputs, MaskedImage):
        return _masked(traces, inputs, problem.unit_names, title)
    if isinstance(inputs, DataInputs) and isinstance(inputs.originals, Tensor):
        means = mean_images(traces, inputs.originals, problem.pattern(inputs.activations))
        return _examples(traces, inputs.originals.numpy(), means, problem.unit_names, title)
    return None


def joint_lines(trace: Trace, most: int) -> list[list[str]]:
    """Joint table as cells of text: states, share of rows, mean value with its interval.

    The ``most`` frequent patterns, those first whose first units are on.
    """
    shown = sorted(trace.table[:most], key=lambda row: row.states, reverse=True)
    return [
        [
            " ".join("+" if state > 0 else "-" for state in row.states),
            f"{100 * row.share:.1f}%",
            _told(row.mean),
        ]
        for row in shown
    ]


def _told(mean: Estimate | None) -> str:
    if mean is None:
        return "-"
    return f"{mean.value:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]"


def _examples(
    traces: Sequence[Trace],
    images: Float[ndarray, "rows height width"],
    means: Float[ndarray, "traces 2 height width"],
    names: Sequence[str],
    title: str,
) -> str:
    def draw(figure: Any) -> None:
        blocks = figure.subfigures(len(traces), 1, squeeze=False)[:, 0]
        for block, trace, sides in zip(blocks, traces, means, strict=True):
            block.suptitle(_heading(trace, names), fontsize=9, x=0.02, ha="left")
            places = block.add_gridspec(2, EXAMPLES + 4, width_ratios=WIDTHS)
            for row, (side, mean) in enumerate(zip(trace.sides, sides, strict=True)):
                _label(block.add_subplot(places[row, 0]), side, trace.of)
                shown = [mean, *images[list(side.strongest[:EXAMPLES])]] if side.strongest else []
                for column, image in enumerate(shown):
                    told = ("mean", "strongest")[column] if row == 0 and column < 2 else ""
                    place = places[row, 1 if column == 0 else 2 + column]
                    _show(block.add_subplot(place), image, told)
            _difference(block.add_subplot(places[:, 2]), sides[0] - sides[1])
            _table(block.add_subplot(places[:, -1]), trace)

    return svg((12.0, 2.75 * len(traces) + 0.4), draw, title)


def _difference(axis: Any, image: Float[ndarray, "height width"]) -> None:
    """Mean image of character +1 less that of -1: blue where +1 has more ink."""
    axis.set_axis_off()
    if not np.isfinite(image).all():
        return
    most = float(np.abs(image).max()) or 1.0
    axis.imshow(image, cmap="RdBu", vmin=-most, vmax=most, interpolation="nearest")
    axis.set_title("difference", fontsize=8, pad=2)


def _show(
    axis: Any, image: Float[ndarray, "height width"], title: str, *, ink: float = 1.0
) -> None:
    most = (float(image.max()) or 1.0) / ink
    axis.imshow(image, cmap="Greys", vmin=0, vmax=most, interpolation="nearest")
    axis.set_title(title, fontsize=8, pad=2)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_color("#bbbbbb")


def _label(axis: Any, side: Side, of: str) -> None:
    axis.set_axis_off()
    lines = [f"character {side.character:+d}", f"{100 * side.share:.1f}% of", of]
    if side.mean is not None:
        lines.append(f"mean value {side.mean.value:+.2f}")
    axis.text(0, 0.5, "\n".join(lines), fontsize=8, va="center", transform=axis.transAxes)


def _heading(trace: Trace, names: Sequence[str]) -> str:
    numbered = list(names) == [str(i) for i in range(len(names))]
    noun = "" if not numbered else "unit " if len(trace.units) == 1 else "units "
    return f"{noun}{unit_list(trace.units, names)}: coefficient {trace.coefficient:+.3f}"


def _table(axis: Any, trace: Trace) -> None:
    """Joint table as text; the most frequent patterns where there are many."""
    axis.set_axis_off()
    lines = joint_lines(trace, TABLE_ROWS)
    header = ["states", "share", "mean value [95%]"]
    for place, words in enumerate([header, *lines]):
        for x, word in zip(COLUMNS, words, strict=True):
            axis.text(
                x,
                0.94 - 0.1 * place,
                word,
                fontsize=8,
                va="top",
                family="monospace" if place and x == COLUMNS[0] else None,
                fontweight="bold" if place == 0 else None,
                transform=axis.transAxes,
            )
    left = len(trace.table) - len(lines)
    if left:
        axis.text(0.02, 0.0, f"and {left} more patterns", fontsize=8, transform=axis.transAxes)


def _masked(traces: Sequence[Trace], inputs: MaskedImage, names: Sequence[str], title: str) -> str:
    image, unit_of_pixel = inputs.image.numpy(), inputs.unit_of_pixel.numpy()

    def draw(figure: Any) -> None:
        places = figure.add_gridspec(len(traces), 2, width_ratios=[1, 2])
        for row, trace in enumerate(traces):
            axis = figure.add_subplot(places[row, 0])
            _show(axis, image, "", ink=FADED)
            marked = np.isin(unit_of_pixel, trace.units)
            tint = COLOURS[0] if trace.coefficient >= 0 else COLOURS[1]
            axis.imshow(_veil(marked, tint), interpolation="nearest")
            table = figure.add_subplot(places[row, 1])
            _table(table, trace)
            table.set_title(_heading(trace, names), fontsize=9, loc="left")

    return svg((8.0, 2.5 * len(traces) + 0.4), draw, title)


def _veil(marked: Any, colour: str) -> Any:
    """Transparent layer that tints what is marked."""
    from matplotlib.colors import to_rgb

    layer = np.zeros((*marked.shape, 4))
    layer[marked] = (*to_rgb(colour), 0.5)
    return layer
