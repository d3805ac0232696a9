"""Runs -> cells: all seeds of a method in a regime at a budget, and figures judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from benchmarks.search.regimes import Figure
from benchmarks.search.runs import Run
from benchmarks.tables import Verdict

__all__ = ["Cell", "attained", "cells", "gathered", "verdict"]


@dataclass(frozen=True)
class Cell:
    """All seeds of one method in one regime at one budget.

    Attributes
    ----------
    exact_rate, recall
        Means over the seeds; a seed without a result counts as not exact, and leaves no recall.
    queries, most_queries
        Rows used, mean and most, over seeds with a result.
    beyond, whole
        Median seconds of warm calls, beyond the function's own and in all.
    """

    regime: str
    method: str
    budget: int | None
    seeds: int
    finished: int
    exact_rate: float | None
    recall: float | None
    queries: float | None
    most_queries: int | None
    beyond: float | None
    whole: float | None
    twins: int | None
    reasons: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every seed is exact."""
        return self.exact_rate == 1.0


def gathered(runs: Sequence[Run], name: str) -> list[Any]:
    """Values of one field, over the runs that have it."""
    return [value for run in runs if (value := getattr(run, name)) is not None]


def cells(runs: Iterable[Run]) -> dict[tuple[str, str], list[Cell]]:
    """Cells by regime and method, budgets ascending."""
    groups: dict[tuple[str, str, int | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.regime, run.method, run.budget), []).append(run)
    table: dict[tuple[str, str], list[Cell]] = {}
    for (regime, method, budget), group in groups.items():
        done = [run for run in group if run.status == "ok"]
        warm = [run for run in done if run.call]
        exact, recall = gathered(done, "exact"), gathered(done, "recall")
        queries = gathered(done, "queries")
        cell = Cell(
            regime,
            method,
            budget,
            len(group),
            len(done),
            sum(exact) / len(group) if exact or len(done) < len(group) else None,
            mean(recall) if recall else None,
            mean(queries) if queries else None,
            max(queries, default=None),
            median(gathered(warm, "beyond")) if warm else None,
            median(gathered(warm, "seconds")) if warm else None,
            max(gathered(done, "twins"), default=None),
            tuple(dict.fromkeys(f"{run.status}: {run.reason}" for run in group if run.reason)),
        )
        table.setdefault((regime, method), []).append(cell)
    for found in table.values():
        found.sort(key=lambda cell: cell.budget or 0)
    return table


def verdict(figure: Figure, found: list[Cell]) -> Verdict:
    """Judge one figure by the cells of its method in its regime."""
    done = [cell for cell in found if cell.finished]
    if not done:
        reasons = [reason for cell in found for reason in cell.reasons]
        return Verdict(reasons[0] if reasons else "did not run", None)
    if figure.kind in {"beyond", "whole"}:
        return _in_time(figure, done[-1])
    if figure.kind == "no-twin":
        cell = done[-1]
        text = f"recall {cell.recall:.2f}, at most {cell.twins} with a twin in a report"
        return Verdict(text, cell.recall == 1.0 and cell.twins == 0)
    within = [cell for cell in done if (cell.queries or 0) <= figure.queries]
    if figure.kind == "exact" or not within:
        return Verdict(attained(found), any(cell.exact for cell in within))
    best = max(within, key=lambda cell: cell.recall or 0)
    text = f"recall {best.recall:.2f} with {best.queries:,.0f}"
    return Verdict(text, (best.recall or 0) >= figure.value)


def _in_time(figure: Figure, cell: Cell) -> Verdict:
    seconds = cell.beyond if figure.kind == "beyond" else cell.whole
    if seconds is None:
        return Verdict("no warm call: one seed alone", None)
    return Verdict(f"{seconds:.3f} s", seconds < figure.value)


def attained(found: list[Cell]) -> str:
    """Smallest number of queries that is exact on all seeds, or how far the largest budget got."""
    done = [cell for cell in found if cell.finished]
    for cell in done:
        if cell.exact:
            spread = f" (most {cell.most_queries:,})" if cell.most_queries != cell.queries else ""
            return f"{cell.queries:,.0f}{spread}"
    if not done:
        return found[0].reasons[0].partition(":")[0] if found and found[0].reasons else "–"
    cell = done[-1]
    if cell.exact_rate is None:
        return "no truth"
    recall = "" if cell.recall is None else f", recall {cell.recall:.2f}"
    return f"exact {cell.exact_rate:.0%}{recall} at {cell.queries:,.0f}"
