"""Runs -> cells: all runs of a contestant in a setting, and figures judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.layers.contestants import CONTESTANTS, OURS
from benchmarks.layers.runs import Run
from benchmarks.layers.settings import Figure, Setting
from benchmarks.tables import Verdict

__all__ = ["MEASURES", "Cell", "Spread", "best_rival", "cells", "verdict"]

MEASURES = (
    "r2",
    "j5",
    "soft5",
    "j5_inputs",
    "soft5_inputs",
    "r2_mixtures",
    "in_sample",
    "fresh",
    "ratio",
    "recall",
    "reported",
    "twins",
    "seconds",
    "rows",
)
NAMES = {
    "r2": "R^2",
    "j5": "J5",
    "soft5": "soft@5",
    "j5_inputs": "J5, other inputs",
    "soft5_inputs": "soft@5, other inputs",
    "r2_mixtures": "R^2 on mixtures",
    "ratio": "fresh over in-sample R^2",
    "recall": "recall",
}


@dataclass(frozen=True)
class Spread:
    """Mean over instances of the mean over seeds, and the least and the most over instances."""

    mean: float
    least: float
    most: float

    def __format__(self, form: str) -> str:
        """``mean (least to most)``, each in ``form``; the mean alone where they look the same."""
        middle, least, most = (format(x, form) for x in (self.mean, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


@dataclass(frozen=True)
class Cell:
    """All runs of one contestant in one setting.

    Attributes
    ----------
    finished
        Runs with a result, of ``runs``.
    measures
        Name of a measure -> its spread, over runs that have it.
    warned, silent
        Share of finished runs with a warning; whether some run reported nothing without one.
    most_twins
        Largest number of subsets with a twin in one report.
    """

    setting: str
    method: str
    runs: int
    finished: int
    measures: dict[str, Spread]
    warned: float | None
    silent: bool
    most_twins: int | None
    reasons: tuple[str, ...]


def _values(runs: Sequence[Run], name: str) -> list[Any]:
    return [value for run in runs if (value := getattr(run, name)) is not None]


def _spread(runs: Sequence[Run], name: str) -> Spread | None:
    instances = dict.fromkeys(run.instance for run in runs)
    groups = [_values([run for run in runs if run.instance == i], name) for i in instances]
    means = [mean(group) for group in groups if group]
    return Spread(mean(means), min(means), max(means)) if means else None


def cells(runs: Iterable[Run]) -> dict[tuple[str, str], Cell]:
    """Cells by setting and contestant, contestants in the order of their list."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.setting, run.method), []).append(run)
    table = {}
    order = list(CONTESTANTS)
    for setting, method in sorted(groups, key=lambda key: order.index(key[1])):
        group = groups[setting, method]
        done = [run for run in group if run.status == "ok"]
        found = {name: spread for name in MEASURES if (spread := _spread(done, name)) is not None}
        warned = _values(done, "warned")
        table[setting, method] = Cell(
            setting,
            method,
            len(group),
            len(done),
            found,
            mean(warned) if warned else None,
            any(run.reported == 0 and not run.warned for run in done),
            max(_values(done, "twins"), default=None),
            tuple(dict.fromkeys(f"{run.status}: {run.reason}" for run in group if run.reason)),
        )
    return table


def best_rival(
    table: dict[tuple[str, str], Cell], setting: str, metric: str, *, controls: bool
) -> tuple[str, float] | None:
    """Name and mean of the best contestant besides ours that returns subsets.

    Controls alone, or all but controls.
    """
    found = [
        (spread.mean, cell.method)
        for (place, method), cell in table.items()
        if place == setting and CONTESTANTS[method].method != OURS
        if CONTESTANTS[method].control == controls and not CONTESTANTS[method].ceiling
        if (spread := cell.measures.get(metric)) is not None
    ]
    return (max(found)[1], max(found)[0]) if found else None


def verdict(figure: Figure, setting: Setting, table: dict[tuple[str, str], Cell]) -> Verdict:
    """Judge one figure by the runs of ``actspec`` in its setting.

    A run without a result leaves no figure reached. Numbers are compared as tables show them, to
    two decimals, but a recall: that is 1 or it is not.
    """
    cell = table.get((setting.name, OURS))
    if cell is None or not cell.finished:
        return Verdict(cell.reasons[0] if cell and cell.reasons else "did not run", None)
    spread = cell.measures.get(figure.metric)
    whole = cell.finished == cell.runs
    if figure.metric == "ratio":
        return _of_ratio(figure, cell, spread, whole=whole)
    name = NAMES[figure.metric]
    if spread is None:
        return Verdict(cell.reasons[0] if cell.reasons else f"no {name}", None)
    measured = f"{name} {spread:.2f}"
    if figure.metric == "recall":
        measured += f", at most {cell.most_twins} with a twin"
        return Verdict(measured, whole and cell.most_twins == 0 and spread.mean >= 1)
    least = figure.value
    if least is None:
        control = best_rival(table, setting.name, figure.metric, controls=True)
        if control is None:
            return Verdict(measured, None)
        least = control[1]
    return Verdict(measured, whole and round(spread.mean, 2) >= round(least, 2))


def _of_ratio(figure: Figure, cell: Cell, spread: Spread | None, *, whole: bool) -> Verdict:
    """What is claimed holds on fresh inputs, and a run that claims nothing warns."""
    told = f"warned in {cell.warned or 0:.0%}"
    if spread is None:
        return Verdict(f"nothing claimed, {told}", whole and not cell.silent)
    assert figure.value is not None
    measured = f"{NAMES['ratio']} {spread:.2f}, {told}"
    return Verdict(measured, whole and not cell.silent and round(spread.mean, 2) >= figure.value)
