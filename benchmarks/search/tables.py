"""Runs and timings -> tables: figures reached or not, queries to exactness, seconds, statuses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import mean, median

import pandas as pd

from benchmarks.search.cells import Cell, attained, cells, gathered, verdict
from benchmarks.search.regimes import TIMED, WHT_FIGURE, Regime
from benchmarks.search.runs import Run
from benchmarks.search.transforms import OURS, PASSES, Timing
from benchmarks.tables import Verdict, grid, reasons, short

__all__ = ["markdown", "tidy", "wht_verdict"]


def wht_verdict(timings: Sequence[Timing]) -> Verdict:
    """Judge the transform's figure by its largest size, on every number of threads."""
    seconds = {(t.transform, t.threads, t.n): t.seconds for t in timings if t.seconds}
    sizes = [n for name, _, n in seconds if name == OURS]
    if not sizes:
        return Verdict("did not run", None)
    n = max(sizes)
    ratios = {
        threads: seconds[OURS, threads, n] / seconds[PASSES, threads, n]
        for name, threads, size in seconds
        if name == OURS and size == n
    }
    text = ", ".join(f"{ratio:.1f} × on {_threads(t)}" for t, ratio in ratios.items())
    return Verdict(f"2^{n}: {text}", all(r <= WHT_FIGURE.value for r in ratios.values()))


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def tidy(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a run."""
    return pd.DataFrame([asdict(run) | {"beyond": run.beyond} for run in runs])


def markdown(
    runs: Sequence[Run],
    timings: Sequence[Timing],
    regimes: Sequence[Regime],
    seeds: dict[str, int],
    pictures: Sequence[str],
    machine: str,
) -> str:
    """Return ``search.md``: every table, computed from runs and timings alone."""
    table = cells(runs)
    names = list(dict.fromkeys(run.method for run in runs))
    counts = ", ".join(f"{name} {seeds[name]}" for name in names)
    parts = ["# Searches side by side", machine, f"Seeds a regime: {counts}."] if runs else []
    figures = _figures(table, timings, regimes)
    if figures:
        parts += ["## Figures to beat", FIGURES_READ, figures]
    if runs:
        rows = [
            [regime.name, *(attained(table.get((regime.name, name), [])) for name in names)]
            for regime in regimes
        ]
        parts += ["## Queries until every seed is exact", EXACT_READ, grid(rows, ["", *names])]
        parts += ["## Seconds", SECONDS_READ, _seconds(runs, names)]
        told = {key: [r for cell in found for r in cell.reasons] for key, found in table.items()}
        parts += reasons(told, "regimes")
    if timings:
        parts += ["## Walsh-Hadamard transforms", WHT_READ, _transforms(timings)]
    parts += [f"![{name}]({name}.svg)" for name in pictures]
    return "\n\n".join(parts) + "\n"


FIGURES_READ = (
    "*Exact at Q*: the top k are the planted sets on every seed, with at most Q rows used on "
    "average. k, orders and coefficients in [0.5, 1.5] as named, sets overlap, 5% noise unless "
    "said; no search is told any of it unless its name says so."
)
EXACT_READ = (
    "Mean rows used (most, where they differ) at the smallest budget tried that is exact on every "
    "seed; else the share of exact seeds and the mean recall of planted sets at the largest. "
    "Budgets are 125 times powers of two; of the others' searches, powers of four. "
    "ArchDetect and boofun take no budget; ArchDetect is told roughly how many pairs interact."
)
SECONDS_READ = (
    f"*{TIMED.name}*, beyond the function's own time, on one thread, imports done before: the "
    "first call of a process and the median of the calls after it. A search that stops early "
    "uses fewer than its 16,000 rows."
)
WHT_READ = (
    "Milliseconds for 2^n float32 numbers, the least of interleaved rounds. Twenty passes are "
    "`x.mul_(1.0)` twenty times over the same array; the matrix product does not count making "
    "the matrix."
)


def _figures(
    table: dict[tuple[str, str], list[Cell]], timings: Sequence[Timing], regimes: Sequence[Regime]
) -> str:
    rows = []
    for regime in regimes:
        for figure in regime.figures:
            found = table.get((regime.name, figure.method), [])
            if table:
                result = verdict(figure, found)
                words = [figure.text, short(result.measured), result.text, regime.elsewhere]
                rows.append([regime.name, figure.method, *words])
    if timings:
        result = wht_verdict(timings)
        words = [WHT_FIGURE.text, result.measured, result.text, "the table below"]
        rows.append(["transform of 2^20 float32", WHT_FIGURE.method, *words])
    header = ["regime", "method", "figure", "measured", "", "elsewhere, when set"]
    return grid(rows, header) if rows else ""


def _seconds(runs: Sequence[Run], names: Sequence[str]) -> str:
    rows = []
    for name in names:
        here = [r for r in runs if r.method == name and r.regime == TIMED.name and r.status == "ok"]
        if not here:
            continue
        cold, warm = [r for r in here if r.call == 0], [r for r in here if r.call]
        rows.append(
            [
                name,
                f"{mean(gathered(here, 'queries')):,.0f}",
                f"{cold[0].beyond:.3f}" if cold else "–",
                f"{median(gathered(warm, 'beyond')):.3f}" if warm else "–",
            ]
        )
    return grid(rows, ["method", "rows used", "first call, s", "later calls, s"])


def _transforms(timings: Sequence[Timing]) -> str:
    names = list(dict.fromkeys(t.transform for t in timings))
    found = {(t.transform, t.threads, t.n): t for t in timings}
    rows = []
    for threads, n in sorted({(t.threads, t.n) for t in timings}):
        here = [found.get((name, threads, n)) for name in names]
        words = ["–" if t is None or not t.seconds else f"{1e3 * t.seconds:.3g}" for t in here]
        rows.append([_threads(threads), f"2^{n}", *words])
    notes = [
        f"- {t.transform}, 2^{t.n}: {t.reason}"
        for name in names
        if (t := next((t for t in timings if t.transform == name and t.reason), None))
    ]
    return "\n\n".join(
        part for part in (grid(rows, ["", "numbers", *names]), "\n".join(notes)) if part
    )
