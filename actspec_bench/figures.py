"""Drawing function -> SVG, the same to the byte whenever the same is drawn."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = ["COLOURS", "MARKERS", "svg"]

# Okabe & Ito's palette, distinguishable with colour-vision deficiencies.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vPX"
LETTERS_PER_INCH = 12


def svg(size: tuple[float, float], draw: Callable[[Any], None], title: str = "") -> str:
    """Return what ``draw`` draws on a new matplotlib figure of ``size`` inches as SVG.

    Text stays text. A ``title`` goes over as many lines as it needs.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    settings: Any = {"svg.hashsalt": "actspec_bench", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(settings):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06, wspace=0.04)
        figure = Figure(figsize=size, layout=layout)
        if title:
            lines = textwrap.wrap(title, int(LETTERS_PER_INCH * size[0]))
            figure.suptitle("\n".join(lines), fontsize=10)
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
