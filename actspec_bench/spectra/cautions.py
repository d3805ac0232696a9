"""Attributions and rows -> sentences on what to mind when their energies are read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from actspec_bench.account import Account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.views import ScoredRows

__all__ = ["ONE_RUN", "of_inputs", "told_warnings"]

INPUTS_PER_SUBSET = 10
ONE_RUN = (
    "one run of the method: how its search varies with its seed and with the inputs is not in the "
    "intervals; several runs tell it"
)


def told_warnings(runs: Sequence[Attribution]) -> list[str]:
    """What the methods warn of; of sentences that differ in their numbers alone the first.

    With the runs that it is of, and those that say so with other numbers, if not the same in all.
    """
    of_runs: dict[str, list[tuple[int, str]]] = {}
    for number, run in enumerate(runs, start=1):
        for warning in Account.of(run.info, len(run.subsets)).warnings:
            of_runs.setdefault(re.sub(r"\d[\d,.]*", "#", warning), []).append((number, warning))
    told = []
    for found in of_runs.values():
        warning = found[0][1]
        same = [number for number, other in found if other == warning]
        alike = [number for number, other in found if other != warning]
        if len(same) < len(runs):
            others = f" (and alike {_numbered(alike)})" if alike else ""
            warning = f"{_numbered(same)}{others}: {warning}"
        told.append(warning)
    return told


def _numbered(runs: list[int]) -> str:
    return ("run " if len(runs) == 1 else "runs ") + ", ".join(map(str, runs))


def of_inputs(subsets: int, scored: ScoredRows, runs: int) -> list[str]:
    """What to mind of a data set's inputs: few, none kept aside, or one look at them."""
    rows, told = len(scored.rows), []
    if scored.of == "inputs":
        told.append(
            f"no inputs were kept aside: figures are of the {rows:,} inputs that the method saw"
        )
    if scored.of != "fresh draws" and subsets * INPUTS_PER_SUBSET > rows:
        told.append(f"{subsets:,} subsets are many for {rows:,} {scored.of} to estimate them on")
    if runs == 1 and scored.of != "fresh draws":
        told.append(ONE_RUN)
    return told
