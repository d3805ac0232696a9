"""What is told of an attribution -> tables and sentences for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actspec_bench.problems.inputs import DataInputs
from actspec_bench.spectra.cautions import ONE_RUN
from actspec_bench.spectra.pictures import unit_list
from actspec_bench.spectra.trace_pictures import joint_lines

if TYPE_CHECKING:
    from actspec_bench.account import Account
    from actspec_bench.fourier.energy import Estimate
    from actspec_bench.problems.problem import Problem
    from actspec_bench.spectra.found import Distributedness, FoundSubset
    from actspec_bench.spectra.tracing import Trace

__all__ = ["energy_tables", "method_lines", "side_texts", "subset_tables", "trace_tables"]

ROWS_SHOWN = 20
JOINT_ROWS = 16
STAND_INS = 2
SEQUENTIAL = (
    "units may depend on each other: energies are sequential, under D, and an order has what it "
    "adds to those of fewer units"
)
ORTHONORMAL = "energies are those of orthonormal characters of on/off states"
EFFECTS = (
    "joint effect, its parts and what is beyond them: of on/off states, under D; interaction: of "
    "activations, mixed between two rows, of which a sum of functions of single units has none"
)


def energy_tables(result: Distributedness, problem: Problem) -> list[str]:
    """Energy by order, what it is of, and the fewest units for 90% of it."""
    from tabulate import tabulate

    missing = result.missing
    if result.variance is None:
        return [missing["variance"]]
    several = result.runs > 1 and bool(result.by_order_of_run)
    rows = []
    for order, share in result.by_order.items():
        by_run = [run[order].value if order in run else 0.0 for run in result.by_order_of_run]
        each = [" / ".join(f"{100 * one:z.1f}" for one in by_run)] if several else []
        rows.append([str(order), *_percent(share), *each])
    for name, whole in (("all found", result.found), ("not found", result.unexplained)):
        if whole is not None:
            rows.append([name, *_percent(whole)])
    header = ["order", "% of variance", "95% interval", *(["by run"] if several else [])]
    told = [tabulate(rows, header, disable_numparse=True)]
    told[0] += (
        f"\nvariance of the {problem.readout}: {result.variance:.4g}, over {result.draws:,} "
        f"{result.of}; {ORTHONORMAL if problem.uniform else SEQUENTIAL}"
    )
    told[0] += f"\n{_runs(result, problem)}"
    if result.single_units is not None:
        of_all, interval = _percent(result.single_units)
        told[0] += (
            f"\nan order has what the subsets found carry; a sum over the states of all units, by "
            f"ridge regression, explains {of_all}% {interval}"
        )
    if result.units_90 is None or result.found is None:
        return [*told, f"units for 90% of the energy found: none, {missing['units_90']}"]
    least = result.units_90
    told.append(
        f"{'' if least.exact else 'at most '}{len(least.units)} [{least.low}, {least.high}] of "
        f"{result.n} units carry 90% of the energy found (which is "
        f"{100 * result.found.value:.1f}% of the variance): "
        f"{unit_list(least.units, problem.unit_names)}"
    )
    return told


def _runs(result: Distributedness, problem: Problem) -> str:
    if result.runs == 1:
        return (
            "one run of the method: how its search varies with its seed is not in the intervals; "
            "several --runs tell it"
        )
    told = f"means over {result.runs} runs of the method with other seeds"
    if problem.rows is not None:
        told += ", after the first each on another sample (with replacement) of the inputs"
    return f"{told}; intervals hold the variance between them"


def subset_tables(
    result: Distributedness, problem: Problem, *, method: str, units_only: bool
) -> list[str]:
    """Coefficient and energy of each subset, then what its units do together."""
    from tabulate import tabulate

    if not result.subsets:
        return [result.missing["subsets"]] if result.by_order else []
    names, shown = problem.unit_names, result.subsets[:ROWS_SHOWN]
    rows, stable = [], result.runs > 1
    for one in shown:
        interval = f"[{one.coefficient.low:+.3f}, {one.coefficient.high:+.3f}]"
        row = [unit_list(one.units, names), f"{one.coefficient.value:+.3f}", interval]
        row.append(f"{100 * one.energy:z.1f}")
        if stable:
            row += [f"{one.runs_exact}/{result.runs}", f"{one.runs_alike}/{result.runs}"]
        rows.append([*row, _stand_ins(one, names)])
    header = ["units", "coefficient", "95% interval", "energy %"]
    header += ["found in", "or alike"] if stable else []
    if any(one.stand_ins for one in shown):
        header.append("could stand in its place")
    rows = [row[: len(header)] for row in rows]
    widths = [44, *[None] * (len(header) - 1)]
    told = tabulate(rows, header, disable_numparse=True, maxcolwidths=widths)
    left = len(result.subsets) - len(shown)
    if left:
        told += f"\nand {left} more, in spectrum.json"
    if "subsets" in result.missing:
        told += f"\n{result.missing['subsets']}"
    if units_only:
        told += (
            f"\n{method} scores single units: they are taken as subsets of one, with the "
            "coefficients of a least-squares fit"
        )
    return [told, *_effects(shown, problem)]


def _effects(shown: tuple[FoundSubset, ...], problem: Problem) -> list[str]:
    from tabulate import tabulate

    joint = [one for one in shown if len(one.units) > 1]
    if not joint:
        return []
    decided = problem.readout == "decision"
    rows = [
        [
            unit_list(one.units, problem.unit_names),
            *(_effect(part) for part in (one.joint, one.parts, one.beyond, one.interaction)),
            *([_effect(one.interaction_of_margin)] if decided else []),
        ]
        for one in joint
    ]
    header = ["units", "joint effect %", "best of its parts %", "beyond them %", "interaction %"]
    header += ["of the margin %"] if decided else []
    widths = [44, *[None] * (len(header) - 1)]
    told = tabulate(rows, header, disable_numparse=True, maxcolwidths=widths)
    told += f"\n{EFFECTS}"
    reasons = [(one.missing_because, one.no_interaction_because) for one in joint]
    for why in dict.fromkeys(why for pair in reasons for why in pair if why):
        told += f"\n-: {why}"
    return [told]


def _stand_ins(one: FoundSubset, names: tuple[str, ...]) -> str:
    told = " | ".join(unit_list(other, names) for other in one.stand_ins[:STAND_INS])
    more = len(one.stand_ins) - STAND_INS
    return told + (f" and {more} more" if more > 0 else "")


def method_lines(account: Account, result: Distributedness, names: tuple[str, ...]) -> list[str]:
    """What the method tells beside its subsets: units it left out, its own rest, warnings."""
    left_out = account.units_left_out or {}
    told = [f"left out, {why}: {unit_list(u, names)}" for why, u in left_out.items() if u]
    if account.unexplained is not None:
        share, low, high = (f"{100 * one:z.1f}" for one in account.unexplained)
        of = " of its first run" if result.runs > 1 else ""
        told.append(f"by the method's own account{of} {share}% [{low}, {high}] is not explained")
    return [*told, *(f"warning: {one}" for one in result.warnings if one != ONE_RUN)]


def trace_tables(one: Trace, problem: Problem, inputs: object) -> list[str]:
    """Joint table of one subset, and the texts that drive it most."""
    from tabulate import tabulate

    names = problem.unit_names
    heading = f"trace of {unit_list(one.units, names)} (reported {one.coefficient:+.3f}), "
    heading += f"over {one.rows:,} {one.of}"
    table = tabulate(
        joint_lines(one, JOINT_ROWS), ["states", "share", "mean value"], disable_numparse=True
    )
    left = len(one.table) - JOINT_ROWS
    if left > 0:
        table += f"\nand {left} more patterns, in spectrum.json"
    told = [heading, table]
    if _is_sentence(problem):
        marked = (f"[{w}]" if i in one.units else w for i, w in enumerate(names))
        told.insert(1, " ".join(marked))
    for side, texts in zip(one.sides, side_texts(one, inputs), strict=True):
        if texts:
            lines = [f"{place}. {text}" for place, text in enumerate(texts, 1)]
            share = f"{100 * side.share:.1f}% of {one.of}"
            told.append("\n".join([f"character {side.character:+d}, {share}:", *lines]))
    return told


def _is_sentence(problem: Problem) -> bool:
    """Whether the units are words of one input, whose names are the words in their order."""
    return (
        problem.kind == "masked"
        and problem.layout is None
        and problem.unit_names != tuple(map(str, range(problem.n)))
    )


def side_texts(one: Trace, inputs: object) -> list[list[str]]:
    """Strongest sentences of each side; none where the inputs are no texts."""
    if not isinstance(inputs, DataInputs):
        return [[], []]
    return [
        [text for row in side.strongest if isinstance(text := inputs.originals[row], str)]
        for side in one.sides
    ]


def _percent(share: Estimate) -> list[str]:
    value, low, high = (f"{100 * one:z.1f}" for one in (share.value, share.low, share.high))
    return [value, f"[{low}, {high}]"]


def _effect(effect: Estimate | None) -> str:
    return "-" if effect is None else " ".join(_percent(effect))
