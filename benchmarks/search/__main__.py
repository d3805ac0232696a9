"""Command line: ``python -m benchmarks.search``; what it does is told by ``--help``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd
from rich.console import Console

from actspec_bench.records.provenance import provenance
from actspec_bench.registry.plugins import load_entry_points
from benchmarks.command import chosen, machine, package_version, shown
from benchmarks.instances import FIRST_SEED
from benchmarks.search.cells import cells, verdict
from benchmarks.search.children import race
from benchmarks.search.contestants import CONTESTANTS
from benchmarks.search.pictures import draw
from benchmarks.search.regimes import QUICK, REGIMES, WHT_FIGURE, Regime
from benchmarks.search.runs import Run
from benchmarks.search.tables import markdown, tidy, wht_verdict
from benchmarks.search.transforms import Timing, transforms

WHT_SIZES = tuple(range(4, 21, 2))
QUICK_SIZES = (4, 10, 20)
QUICK_CONTESTANTS = ("actspec", "actspec-alias", "SPEX t=5", "ArchDetect", "boofun GL")
PACKAGES = ("shapiq", "sparse-transform", "galois", "numba", "lightgbm", "boofun", "sympy")


@click.command()
@click.option("--methods", "-m", multiple=True, help="Searches to run; all if not given.")
@click.option("--regimes", "-r", multiple=True, help="Regimes to run; all if not given.")
@click.option("--seeds", type=click.IntRange(1), help="Instances for our searches; 10.")
@click.option("--rival-seeds", type=click.IntRange(1), help="Instances for the others'; 3.")
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds after which a call is ended.",
)
@click.option("--only", type=click.Choice(["searches", "wht"]), help="One half alone.")
@click.option("--quick", is_flag=True, help="A few small regimes, two seeds: about a minute.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboards/search"),
    show_default=True,
    help="Folder for tables and pictures.",
)
def main(
    methods: tuple[str, ...],
    regimes: tuple[str, ...],
    seeds: int | None,
    rival_seeds: int | None,
    limit: float,
    only: str | None,
    quick: bool,
    out: Path,
) -> None:
    """Run our searches and other people's side by side and write tables and pictures.

    Ours are registered methods; the others come with pip install 'actspec-bench[search]', and
    the run says which are absent. Every run is one call in a child process with one thread.
    """
    load_entry_points()
    known = {r.name: r for r in QUICK} if quick else dict(REGIMES)
    picked = chosen(regimes, dict(REGIMES), "--regimes") if regimes else list(known.values())
    names = methods or (QUICK_CONTESTANTS if quick else tuple(CONTESTANTS))
    contestants = chosen(names, CONTESTANTS, "--methods")
    counts = {
        c.name: (seeds or (2 if quick else 10)) if c.ours else (rival_seeds or (1 if quick else 3))
        for c in contestants
    }
    console = Console(stderr=True)
    began = time.monotonic()
    runs: list[Run] = []
    timings: list[Timing] = []
    if only != "wht":
        for contestant in contestants:
            span = range(FIRST_SEED, FIRST_SEED + counts[contestant.name])
            came = race(contestant, picked, span, limit)
            runs += shown(console, contestant.name, came, lambda run: run.regime)
    if only != "searches":
        sizes = list(QUICK_SIZES if quick else WHT_SIZES)
        timings += shown(console, "transforms", transforms(sizes), lambda t: f"2^{t.n}")
    seconds = time.monotonic() - began
    write(out, runs, timings, picked, counts, seconds)
    _tell(runs, timings, picked, out)
    if any(run.status == "error" and CONTESTANTS[run.method].ours for run in runs):
        sys.exit(1)


def write(
    out: Path,
    runs: list[Run],
    timings: list[Timing],
    regimes: list[Regime],
    seeds: dict[str, int],
    seconds: float,
) -> None:
    """Write ``search.md``, ``search.csv``, ``wht.csv``, ``search.json`` and the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    made = provenance()
    told = machine(made, ("shapiq", "boofun"), seconds)
    pictures = draw(out, runs, timings, regimes)
    text = markdown(runs, timings, regimes, seeds, pictures, told)
    (out / "search.md").write_text(text, encoding="utf-8")
    if runs:
        tidy(runs).to_csv(out / "search.csv", index=False)
    if timings:
        pd.DataFrame([asdict(t) for t in timings]).to_csv(out / "wht.csv", index=False)
    made["packages"] |= {name: package_version(name) for name in PACKAGES}
    facts = {
        "provenance": made,
        "first_seed": FIRST_SEED,
        "seeds": seeds,
        "seconds": round(seconds, 1),
        "regimes": {regime.name: asdict(regime) for regime in regimes},
    }
    (out / "search.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _tell(runs: list[Run], timings: list[Timing], regimes: list[Regime], out: Path) -> None:
    """Print each figure with what came of it, and where the rest is."""
    table = cells(runs)
    for regime in regimes:
        for figure in regime.figures:
            if found := table.get((regime.name, figure.method)):
                result = verdict(figure, found)
                line = f"{regime.name}: {figure.method} {figure.text}"
                print(f"{line}: {result.measured} ({result.text.strip('*')})")
    if timings:
        result = wht_verdict(timings)
        print(f"{WHT_FIGURE.method} {WHT_FIGURE.text}: {result.measured} ({result.text})")
    print(f"tables and pictures in {out}")


if __name__ == "__main__":
    main()
