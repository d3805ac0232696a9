"""Attribution -> what the command `spectrum` tells: text, JSON and pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actspec_bench.problems.inputs import DataInputs
from actspec_bench.seeds import seed_from
from actspec_bench.spectra.distributedness import Distributedness, distributedness
from actspec_bench.spectra.pictures import draw_spectrum, draw_units, unit_list
from actspec_bench.spectra.trace_pictures import draw_traces, joint_lines
from actspec_bench.spectra.tracing import Trace, traced

if TYPE_CHECKING:
    from actspec_bench.fourier.energy import Estimate
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.instance import Instance
    from actspec_bench.problems.problem import Problem
    from actspec_bench.records.record import Cell

__all__ = ["Report"]

ROWS_SHOWN = 20
NAMES = ("spectrum.svg", "units.svg", "trace.svg", "spectrum.json")
JOINT_ROWS = 16


@dataclass(frozen=True)
class Report:
    """One attribution, how distributed it shows the function to be, and its traces.

    Attributes
    ----------
    cell, problem, found
        What was run on what, and what came of it.
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
        cls, cell: Cell, instance: Instance, problem: Problem, found: Attribution, *, traces: int
    ) -> Report:
        """Measure an attribution, and trace its first ``traces`` subsets."""
        seed = seed_from("spectrum", cell.task_identity)
        result = distributedness(found, problem, seed=seed)
        inputs = instance.inputs() if traces and instance.inputs is not None else None
        first = {one.units: one.reported for one in result.subsets[:traces]}
        told = traced(first, problem, inputs, seed=seed) if first else []
        return cls(cell, problem, found, result, told, inputs)

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
        return {
            "task": cell.task.label,
            "instance": cell.instance,
            "method": cell.method.label,
            "returns": self.found.returns,
            "budget": cell.budget,
            "rows_asked": self.problem.spent,
            "readout": self.problem.readout,
            "notes": list(self.problem.notes),
            "warnings": self._warnings(),
            **self.result.as_dict(),
            "traces": [self._trace_dict(one) for one in self.traces],
            "files": [path.name for path in self.files],
        }

    def text(self) -> str:
        """Return tables for a terminal."""
        parts = [
            self.title,
            *self._energy(),
            *self._subsets(),
            *(line for one in self.traces for line in self._trace(one)),
            *(f"note: {note}" for note in self.problem.notes),
            *(f"warning: {self.cell.method.name}: {one}" for one in self._warnings()),
            "written: " + ", ".join(map(str, self.files)),
        ]
        return "\n\n".join(parts)

    def _warnings(self) -> list[str]:
        """What the method itself warns of."""
        told = self.found.info.get("warning")
        return [told] if isinstance(told, str) else []

    def _energy(self) -> list[str]:
        from tabulate import tabulate

        result, missing = self.result, self.result.missing
        if result.variance is None:
            return [missing["variance"]]
        rows = [[order, *_percent(share)] for order, share in result.by_order.items()]
        if result.found is not None:
            rows.append(["all found", *_percent(result.found)])
        if result.unexplained is not None:
            rows.append(["not found", *_percent(result.unexplained)])
        header = ["order", "% of variance", "95% interval"]
        told = [tabulate(rows, header, disable_numparse=True)]
        about = f"variance of the {self.problem.readout}: {result.variance:.4g}, over "
        told[0] += f"\n{about}{result.draws:,} fresh draws"
        if not self.problem.uniform:
            told[0] += "; units may depend on each other: an order has what it adds to those below"
        if result.units_90 is None or result.found is None:
            return [*told, f"units for 90% of the energy found: none, {missing['units_90']}"]
        least = result.units_90
        told.append(
            f"{'' if least.exact else 'at most '}{len(least.units)} [{least.low}, {least.high}] of "
            f"{result.n} units carry 90% of the energy found (which is "
            f"{100 * result.found.value:.1f}% of the variance): "
            f"{unit_list(least.units, self.problem.unit_names)}"
        )
        return told

    def _subsets(self) -> list[str]:
        from tabulate import tabulate

        if not self.result.subsets:
            return []
        names = self.problem.unit_names
        rows = [
            [
                unit_list(one.units, names),
                f"{one.coefficient.value:+.3f}",
                f"[{one.coefficient.low:+.3f}, {one.coefficient.high:+.3f}]",
                f"{100 * one.energy:z.1f}",
                *(_effect(effect) for effect in (one.joint, one.parts, one.beyond)),
            ]
            for one in self.result.subsets[:ROWS_SHOWN]
        ]
        header = ["units", "coefficient", "95% interval", "energy %"]
        header += ["joint effect %", "best of its parts %", "beyond them %"]
        told = tabulate(rows, header, disable_numparse=True, maxcolwidths=[44, *[None] * 6])
        left = len(self.result.subsets) - len(rows)
        if left:
            told += f"\nand {left} more, in spectrum.json"
        if "subsets" in self.result.missing:
            told += f"\n{self.result.missing['subsets']}"
        if self.found.returns == "units":
            told += (
                f"\n{self.cell.method.name} scores single units: they are taken as subsets of "
                "one, with the coefficients of a least-squares fit"
            )
        return [told]

    def _trace(self, one: Trace) -> list[str]:
        from tabulate import tabulate

        names = self.problem.unit_names
        heading = f"trace of {unit_list(one.units, names)} (reported {one.coefficient:+.3f}), "
        heading += f"over {one.rows:,} {one.of}"
        table = tabulate(
            joint_lines(one, JOINT_ROWS),
            ["states", "share", "mean value"],
            disable_numparse=True,
        )
        left = len(one.table) - JOINT_ROWS
        if left > 0:
            table += f"\nand {left} more patterns, in spectrum.json"
        told = [heading, table]
        if self._is_sentence():
            marked = (f"[{w}]" if i in one.units else w for i, w in enumerate(names))
            told.insert(1, " ".join(marked))
        for side, texts in zip(one.sides, self._texts(one), strict=True):
            if texts:
                lines = [f"{place}. {text}" for place, text in enumerate(texts, 1)]
                share = f"{100 * side.share:.1f}% of {one.of}"
                told.append("\n".join([f"character {side.character:+d}, {share}:", *lines]))
        return told

    def _is_sentence(self) -> bool:
        """Whether the units are words of one input, whose names are the words in their order."""
        problem = self.problem
        return (
            problem.kind == "masked"
            and problem.layout is None
            and problem.unit_names != tuple(map(str, range(problem.n)))
        )

    def _texts(self, one: Trace) -> list[list[str]]:
        """Strongest sentences of each side; none where the inputs are no texts."""
        if not isinstance(self.inputs, DataInputs):
            return [[], []]
        return [
            [text for row in side.strongest if isinstance(text := self.inputs.originals[row], str)]
            for side in one.sides
        ]

    def _trace_dict(self, one: Trace) -> dict[str, Any]:
        told = one.as_dict()
        for side, texts in zip(told["sides"], self._texts(one), strict=True):
            if texts:
                side["texts"] = texts
        return told


def _percent(share: Estimate) -> list[str]:
    value, low, high = (f"{100 * one:z.1f}" for one in (share.value, share.low, share.high))
    return [value, f"[{low}, {high}]"]


def _effect(effect: Estimate | None) -> str:
    return "-" if effect is None else " ".join(_percent(effect))
