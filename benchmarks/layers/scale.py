"""Units, rows -> seconds and MiB of one call of ``actspec``, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from actspec_bench import Problem, attribute
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import methods
from actspec_bench.running.peak import PeakMemory
from benchmarks.attempts import Status, attempt
from benchmarks.instances import FIRST_SEED
from benchmarks.layers.contestants import OURS
from benchmarks.layers.networks import relu_problem, transformer_problem
from benchmarks.serving import Served
from benchmarks.tables import Verdict

__all__ = ["AXES", "CURVES", "QUICK_SIZES", "Curve", "Measured", "measure", "scale_verdict"]

INPUTS = 10_000
FAST_ROWS, FAST_SECONDS = 1_000_000, 60.0
MAKING = 600.0


def _units(size: int) -> tuple[Problem, int]:
    return transformer_problem(size, INPUTS, FIRST_SEED), INPUTS


def _rows(size: int) -> tuple[Problem, int]:
    return relu_problem(64, INPUTS, FIRST_SEED), size


@dataclass(frozen=True)
class Curve:
    """Sizes at which a call is measured, and ``make``: size -> problem and its budget."""

    text: str
    make: Callable[[int], tuple[Problem, int]]
    sizes: tuple[int, ...]


CURVES = {
    "units": Curve(
        "Hidden units of a random transformer's MLP, whose inputs hang on 12 numbers, 10,000 rows",
        _units,
        (256, 1024, 4096),
    ),
    "rows": Curve(
        "64 hidden units of a random ReLU network of 12 inputs",
        _rows,
        (10_000, 100_000, FAST_ROWS),
    ),
}
AXES = {"units": "units", "rows": "rows of budget"}
QUICK_SIZES = {"units": (64, 256), "rows": (1000, 10_000)}


@dataclass(frozen=True)
class Measured:
    """One point of a curve: what a call took, or why there is nothing."""

    curve: str
    size: int
    status: Status = "ok"
    reason: str = ""
    seconds: float | None = None
    mib: float | None = None
    rows: int | None = None
    reported: int | None = None


class _Answers:
    """Make a problem, then measure one call on it."""

    def __init__(self) -> None:
        self._problem: Problem | None = None

    def __call__(self, kind: str, point: Measured) -> Any:
        if kind == "make":
            problem, budget = CURVES[point.curve].make(point.size)
            self._problem = restarted(problem, budget=budget, seed=FIRST_SEED)
            return self._problem.n
        asked = self._problem
        assert asked is not None
        memory = PeakMemory()
        tried = attempt(partial(attribute, OURS, asked))
        return replace(
            point,
            status=tried.status,
            reason=tried.reason,
            seconds=tried.seconds,
            mib=memory.mib_above_start(),
            rows=sum(asked.spent.values()),
            reported=len(tried.result.subsets) if tried.result is not None else None,
        )


def _answers() -> Callable[..., Any]:
    for name in methods[OURS].card.imports:
        import_module(name)
    return _Answers()


def measure(sizes: dict[str, Sequence[int]], limit: float) -> Iterator[Measured]:
    """Measure each curve at ascending sizes, each call ended after ``limit`` seconds.

    A size after one that came to its limit is *skipped*.
    """
    for curve, here in sizes.items():
        stopped = ""
        for size in here:
            point = Measured(curve, size)
            if stopped:
                yield replace(point, status="skipped", reason=stopped)
                continue
            served = Served(_answers)
            try:
                served.ask("make", point, limit=MAKING)
                yield served.ask("measure", point, limit=limit)
            except TimeoutError as error:
                stopped = f"{size:,} took more than {limit:g} s"
                yield replace(point, status="timeout", reason=str(error))
            except ChildProcessError as error:
                yield replace(point, status="error", reason=str(error))
            finally:
                served.end()


def scale_verdict(points: Sequence[Measured]) -> list[tuple[str, str, Verdict]]:
    """Judge the figure of a million rows, if they were asked for."""
    told = []
    for point in points:
        if (point.curve, point.size) == ("rows", FAST_ROWS):
            late = point.status in {"timeout", "skipped"}
            seconds = point.seconds if point.status == "ok" else None
            measured = point.reason if seconds is None else f"{seconds:.1f} s"
            reached = False if late else None if seconds is None else seconds < FAST_SECONDS
            wanted = f"< {FAST_SECONDS:g} s at {FAST_ROWS:,} rows"
            told.append(("64 ReLUs, one thread", wanted, Verdict(measured, reached)))
    return told
