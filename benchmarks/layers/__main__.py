"""Command line: ``python -m benchmarks.layers``; what it does is told by ``--help``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd
from rich.console import Console

from actspec_bench.records.provenance import provenance
from actspec_bench.registry.plugins import load_entry_points
from benchmarks.command import chosen, machine, package_version, shown
from benchmarks.instances import FIRST_SEED
from benchmarks.layers.children import Made, race
from benchmarks.layers.contestants import CONTESTANTS, OURS
from benchmarks.layers.pictures import draw
from benchmarks.layers.runs import Run
from benchmarks.layers.scale import CURVES, QUICK_SIZES, Measured, measure, scale_verdict
from benchmarks.layers.settings import OPTIONAL, QUICK, SETTINGS, Setting
from benchmarks.layers.tables import figures, markdown, tidy

QUICK_CONTESTANTS = (OURS, "pursuit, up to 3", "16 most correlated units", "random")
PACKAGES = ("scikit-learn", "captum")


@click.command()
@click.option("--methods", "-m", multiple=True, help="Contestants to run; all if not given.")
@click.option(
    "--layers",
    "-l",
    multiple=True,
    help=f"Layers and cases to run; all but {', '.join(OPTIONAL)} if not given.",
)
@click.option("--instances", type=click.IntRange(1), help="Networks a layer; 3.")
@click.option("--seeds", type=click.IntRange(1), help="Seeds of a method on a network; 5.")
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds after which a call is ended.",
)
@click.option("--only", type=click.Choice(["layers", "scale"]), help="One half alone.")
@click.option("--quick", is_flag=True, help="Three small cases, two seeds: about a minute.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboards/layers"),
    show_default=True,
    help="Folder for tables and pictures.",
)
def main(
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    instances: int | None,
    seeds: int | None,
    limit: float,
    only: str | None,
    quick: bool,
    out: Path,
) -> None:
    """Explain layers with dependent units by all methods side by side; tables and pictures.

    What each answer explains of rows that no method gets, whether another seed gives the same
    answer, and what ``actspec`` costs with many units and rows. Two processes at most, one
    thread each.
    """
    load_entry_points()
    known = SETTINGS | OPTIONAL
    settings = chosen(layers or (QUICK if quick else tuple(SETTINGS)), known, "--layers")
    names = methods or (QUICK_CONTESTANTS if quick else tuple(CONTESTANTS))
    contestants = chosen(names, CONTESTANTS, "--methods")
    networks = range(FIRST_SEED, FIRST_SEED + (instances or (1 if quick else 3)))
    span = range(seeds or (2 if quick else 5))
    console = Console(stderr=True)
    began = time.monotonic()
    runs: list[Run] = []
    made: list[Made] = []
    scale: list[Measured] = []
    if only != "scale":
        items = race(settings, contestants, networks, span, limit)
        came: list[Run | Made] = shown(console, "layers", items, lambda item: item.setting)
        runs = [item for item in came if isinstance(item, Run)]
        made = [item for item in came if isinstance(item, Made)]
    if only != "layers":
        sizes: dict[str, Sequence[int]] = {name: curve.sizes for name, curve in CURVES.items()}
        points = measure(dict(QUICK_SIZES) if quick else sizes, limit)
        scale = shown(console, "scale", points, lambda point: f"{point.size:,} {point.curve}")
    seconds = time.monotonic() - began
    write(out, runs, made, scale, settings, seconds)
    _tell(runs, scale, settings, out)
    if "error" in {*(run.status for run in runs), *(point.status for point in scale)}:
        sys.exit(1)


def write(
    out: Path,
    runs: list[Run],
    made: list[Made],
    scale: list[Measured],
    settings: list[Setting],
    seconds: float,
) -> None:
    """Write ``layers.md``, ``layers.csv``, ``scale.csv``, ``layers.json`` and the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    source = provenance()
    runs = sorted(runs, key=lambda run: (run.instance, run.seed))
    made = sorted(made, key=lambda one: one.instance)
    pictures = draw(out, runs, scale, settings)
    told = machine(source, PACKAGES, seconds)
    text = markdown(runs, made, scale, settings, pictures, told)
    (out / "layers.md").write_text(text, encoding="utf-8")
    if runs:
        tidy(runs).to_csv(out / "layers.csv", index=False)
    if scale:
        pd.DataFrame([asdict(point) for point in scale]).to_csv(out / "scale.csv", index=False)
    source["packages"] |= {name: package_version(name) for name in PACKAGES}
    facts = {
        "provenance": source,
        "first_seed": FIRST_SEED,
        "instances": [asdict(one) for one in made],
        "seconds": round(seconds, 1),
        "settings": {
            setting.name: {
                "kind": setting.kind,
                "budget": setting.budget,
                "figures": [asdict(figure) for figure in setting.figures],
            }
            for setting in settings
        },
    }
    (out / "layers.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _tell(runs: list[Run], scale: list[Measured], settings: list[Setting], out: Path) -> None:
    """Print each figure with what came of it, and where the rest is."""
    for name, wanted, measured, reached, _ in figures(runs, settings) if runs else []:
        print(f"{name}: {OURS} {wanted}: {measured} ({reached.strip('*')})")
    for name, wanted, result in scale_verdict(scale):
        print(f"{name}: {OURS} {wanted}: {result.measured} ({result.text.strip('*')})")
    print(f"tables and pictures in {out}")


if __name__ == "__main__":
    main()
