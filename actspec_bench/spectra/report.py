"""Attribution -> what the command `spectrum` tells: text, JSON and pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actspec_bench.account import Account
from actspec_bench.seeds import seed_from
from actspec_bench.spectra.distributedness import distributedness
from actspec_bench.spectra.found import Distributedness
from actspec_bench.spectra.pictures import draw_spectrum, draw_units
from actspec_bench.spectra.text import (
    energy_tables,
    method_lines,
    side_texts,
    subset_tables,
    trace_tables,
)
from actspec_bench.spectra.trace_pictures import draw_traces
from actspec_bench.spectra.tracing import Trace, traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.instance import Instance
    from actspec_bench.problems.problem import Problem
    from actspec_bench.records.record import Cell

__all__ = ["Report"]

NAMES = ("spectrum.svg", "units.svg", "trace.svg", "spectrum.json")


@dataclass(frozen=True)
class Report:
    """Runs of a method, how distributed they show the function to be, and traces.

    Attributes
    ----------
    cell, problem, found
        What was run on what, and what came of it, in the first run.
    result, traces
        All that is told; no traces if none were asked for.
    inputs
        What the rows of the problem came from, if traces were asked for and it is known.
    files
        Paths written so far.
    """

    cell: Cell
    problem: Problem
    found: Attribution
    result: Distributedness
    traces: list[Trace]
    inputs: object = None
    files: list[Path] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        cell: Cell,
        instance: Instance,
        problem: Problem,
        runs: Sequence[Attribution],
        *,
        traces: int,
    ) -> Report:
        """Measure what ``runs`` found, and trace the first ``traces`` subsets of the first."""
        seed = seed_from("spectrum", cell.task_identity)
        result = distributedness(runs, problem, seed=seed)
        inputs = instance.inputs() if traces and instance.inputs is not None else None
        first = {one.units: one.reported for one in result.subsets[:traces]}
        told = traced(first, problem, inputs, seed=seed) if first else []
        return cls(cell, problem, runs[0], result, told, inputs)

    @property
    def title(self) -> str:
        """What the pictures and the text are about."""
        cell = self.cell
        return (
            f"{cell.task.label}, instance {cell.instance}: {cell.method.label} "
            f"with {cell.budget:,} rows"
        )

    def write(self, folder: Path) -> None:
        """Write the pictures, and all figures as ``spectrum.json``."""
        pictures = {"spectrum.svg": draw_spectrum(self.result, self.title)}
        if self.result.subsets:
            importance = self.found.units(self.problem.n)
            pictures["units.svg"] = draw_units(
                self.result,
                self.problem,
                importance,
                self.title,
                subsets=self.found.returns == "subsets",
            )
        if self.traces:
            drawn = draw_traces(self.traces, self.inputs, self.problem, self.title)
            pictures |= {} if drawn is None else {"trace.svg": drawn}
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (folder / name).unlink(missing_ok=True)
        self.files.extend(folder / name for name in (*pictures, "spectrum.json"))
        for name, picture in pictures.items():
            (folder / name).write_text(picture, encoding="utf-8")
        (folder / "spectrum.json").write_text(
            json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return all that is told as plain JSON."""
        cell = self.cell
        account = Account.of(self.found.info, len(self.found.subsets))
        return {
            "task": cell.task.label,
            "instance": cell.instance,
            "method": cell.method.label,
            "returns": self.found.returns,
            "budget": cell.budget,
            "rows_asked": self.problem.spent,
            "readout": self.problem.readout,
            "notes": list(self.problem.notes),
            **self.result.as_dict(),
            "units_left_out": account.units_left_out or {},
            "unexplained_by_method": account.unexplained,
            "traces": [self._trace_dict(one) for one in self.traces],
            "files": [path.name for path in self.files],
        }

    def text(self) -> str:
        """Return tables for a terminal."""
        result, problem = self.result, self.problem
        units_only = self.found.returns == "units"
        account = Account.of(self.found.info, len(self.found.subsets))
        parts = [
            self.title,
            *energy_tables(result, problem),
            *subset_tables(result, problem, method=self.cell.method.name, units_only=units_only),
            *method_lines(account, result, problem.unit_names),
            *(line for one in self.traces for line in trace_tables(one, problem, self.inputs)),
            *(f"note: {note}" for note in problem.notes),
            "written: " + ", ".join(map(str, self.files)),
        ]
        return "\n\n".join(parts)

    def _trace_dict(self, one: Trace) -> dict[str, Any]:
        told = one.as_dict()
        for side, texts in zip(told["sides"], side_texts(one, self.inputs), strict=True):
            if texts:
                side["texts"] = texts
        return told
