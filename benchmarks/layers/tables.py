"""Runs and scale -> Markdown: figures reached or not, one table a setting, reasons, curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from benchmarks.layers.cells import NAMES, Cell, best_rival, cells, verdict
from benchmarks.layers.children import Made
from benchmarks.layers.contestants import CONTESTANTS
from benchmarks.layers.runs import Run
from benchmarks.layers.scale import AXES, CURVES, Measured, scale_verdict
from benchmarks.layers.settings import Setting
from benchmarks.tables import grid, reasons, short

__all__ = ["figures", "markdown", "tidy"]

HEADS = {
    "layer": ("r2", "j5", "soft5", "j5_inputs", "soft5_inputs", "r2_mixtures", "seconds", "rows"),
    "fresh": ("in_sample", "fresh", "ratio", "reported", "j5", "soft5", "seconds"),
    "planted": ("recall", "reported", "twins", "j5", "seconds"),
}
WORDS = {
    **NAMES,
    "in_sample": "R^2, inputs given",
    "fresh": "R^2, fresh inputs",
    "ratio": "fresh over given",
    "reported": "subsets",
    "twins": "with a twin",
    "seconds": "seconds",
    "rows": "rows used",
}
FORMS = {"reported": ".1f", "twins": ".1f", "rows": ",.0f"}
TITLES = {
    "layer": "Layers of networks",
    "fresh": "Few inputs, and fresh ones",
    "planted": "Planted sets with twins",
}
FIGURES_READ = (
    "Means over networks of the means over the method's seeds (the least to the most over "
    "networks). The figures are those that `actspec` is to reach, set on other networks and "
    "seeds; beside them the best of the others here, controls and ceilings apart."
)
READ = {
    "layer": (
        "*R^2*: of the linear model on the characters of the first 16 subsets, fitted on 4,096 "
        "draws of D and scored on 4,096 of rows that no method gets. *J5*: share that the first "
        "five subsets of two seeds have in common (Jaccard), over all pairs. *soft@5*: mean over "
        "the first five of the best |correlation| under D with one of the other seed's. *Other "
        "inputs*: the same where each seed has its own bootstrap sample of the inputs, which holds "
        "63% of them; where all inputs can be asked, `actspec` takes them in one order whatever "
        "the seed, so that there J5 is 1 and only other inputs tell how stable it is. *R^2 on "
        "mixtures*: the same model fitted and scored where each unit comes from one of two rows by "
        "a fair coin. Seconds are of one thread. Ridge and trees return models and no subsets. "
        "`random` and `constant` see nothing of the function: what they reach, any subsets or "
        "units reach, and an answer that never changes need not say anything."
    ),
    "fresh": (
        "R^2 of the linear model on the characters of all subsets reported, fitted on the inputs "
        "that the method was given: on these inputs, and on fresh ones. *Warned*: share of runs "
        "whose `info` has a warning."
    ),
    "planted": (
        "Three parities of three of 32 units, coefficients in [0.5, 1.5], 5% noise, 4,000 given "
        "rows. *Twins of units*: each relevant unit has an irrelevant twin that agrees with "
        "probability 0.8. *Sets that share twins*: units come in such pairs, and each set after "
        "the first holds the twin of a unit of another. *With a twin*: subsets reported that hold "
        "an irrelevant unit with a relevant twin."
    ),
}
SCALE_READ = (
    "Seconds and MiB above its start of one call of `actspec` on one thread, in a process of its "
    "own; nothing is trained."
)


def tidy(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a run."""
    return pd.DataFrame([run.row() for run in runs])


def figures(
    runs: Sequence[Run], settings: Sequence[Setting]
) -> list[tuple[str, str, str, str, str]]:
    """Setting, figure, what was measured, whether it is reached, and the best of the others."""
    table = cells(runs)
    rows = []
    for setting in settings:
        for figure in setting.figures:
            result = verdict(figure, setting, table)
            rival = best_rival(table, setting.name, figure.metric, controls=figure.value is None)
            best = f"{rival[0]} {rival[1]:.2f}" if rival else "–"
            wanted = f"{NAMES[figure.metric]} {figure.text}"
            rows.append((setting.name, wanted, short(result.measured), result.text, best))
    return rows


def markdown(
    runs: Sequence[Run],
    made: Sequence[Made],
    scale: Sequence[Measured],
    settings: Sequence[Setting],
    pictures: Sequence[str],
    machine: str,
) -> str:
    """Return ``layers.md``: every table, computed from runs and measurements alone."""
    parts = ["# Layers side by side", machine]
    told: list[tuple[str, ...]] = list(figures(runs, settings)) if runs else []
    told += [
        (name, wanted, short(result.measured), result.text, "–")
        for name, wanted, result in scale_verdict(scale)
    ]
    if told:
        header = ["", "figure", "measured", "", "best of the others here"]
        parts += ["## Figures to reach", FIGURES_READ, grid(told, header)]
    table = cells(runs)
    for kind, title in TITLES.items():
        here = [s for s in settings if s.kind == kind and any(p == s.name for p, _ in table)]
        if here:
            parts += [f"## {title}", READ[kind]]
            for setting in here:
                parts += _setting(setting, table, [m for m in made if m.setting == setting.name])
    reached = {key: cell.reasons for key, cell in table.items()}
    parts += reasons(reached, "settings")
    if scale:
        parts += ["## Scale", SCALE_READ, *_scale(scale)]
    parts += [f"![{name}]({name}.svg)" for name in pictures]
    return "\n\n".join(parts) + "\n"


def _setting(
    setting: Setting, table: dict[tuple[str, str], Cell], made: Sequence[Made]
) -> list[str]:
    heads = HEADS[setting.kind]
    rows = []
    for name in CONTESTANTS:
        cell = table.get((setting.name, name))
        if cell is None or not cell.finished:
            continue
        words = [name]
        for head in heads:
            spread = cell.measures.get(head)
            words.append("–" if spread is None else format(spread, FORMS.get(head, ".2f")))
        if setting.kind == "fresh":
            words.append("–" if cell.warned is None else f"{cell.warned:.0%}")
        rows.append(words)
    header = [
        "",
        *(WORDS[head] for head in heads),
        *(["warned"] if setting.kind == "fresh" else []),
    ]
    return [f"### {setting.name}", _about(made), grid(rows, header)] if rows else []


def _about(made: Sequence[Made]) -> str:
    """How many instances there are, of how many units, and their facts, from first to last."""
    units = sorted({m.units for m in made})
    text = f"{len(made)} instances of {' or '.join(map(str, units))} units"
    facts: dict[str, list[Any]] = {}
    for m in made:
        for name, value in m.facts.items():
            if isinstance(value, int | float):
                facts.setdefault(name, []).append(value)
    told = [
        f"{name.replace('_', ' ')} {', '.join(f'{value:.3g}' for value in values)}"
        for name, values in facts.items()
    ]
    return f"{'; '.join([text, *told])}."


def _scale(scale: Sequence[Measured]) -> list[str]:
    parts = []
    for curve, about in CURVES.items():
        rows = [
            [
                f"{point.size:,}",
                "–" if point.seconds is None else f"{point.seconds:.1f}",
                "–" if point.mib is None else f"{point.mib:,.0f}",
                "–" if point.rows is None else f"{point.rows:,}",
                "–" if point.reported is None else str(point.reported),
                point.reason or point.status,
            ]
            for point in scale
            if point.curve == curve
        ]
        if rows:
            header = [AXES[curve], "seconds", "MiB", "rows used", "subsets", ""]
            parts += [f"{about.text}:", grid(rows, header)]
    return parts
