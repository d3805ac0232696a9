"""Cell -> record fields: build the task, run the method, score it; in this process.

The runner calls this in a child process of its own for every cell.
"""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.errors import BudgetExceeded, Missing, NotApplicable
from actspec_bench.metrics.outcome import Costs, Outcome
from actspec_bench.problems.attribution import Attribution, checked_attribution
from actspec_bench.problems.devices import described
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.needs import check_needs
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.records.privacy import sentence
from actspec_bench.registry.entries import Entry, methods, tasks
from actspec_bench.running.failures import failure
from actspec_bench.running.peak import PeakMemory
from actspec_bench.running.scoring import SIGNIFICANT_DIGITS, scored
from actspec_bench.seeds import canonical_json, seed_from

if TYPE_CHECKING:
    from actspec_bench.problems.truth import Truth
    from actspec_bench.records.record import Cell
    from actspec_bench.registry.cards import MethodCard

__all__ = ["PHASES", "attributed", "built", "execute"]

PHASES = ("build", "attribute", "score")
STORED_SUBSETS = 64
PROBE_ROWS = 16


class _Phases:
    """Announces each phase and keeps its seconds."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self.seconds: dict[str, float] = {}
        self.current = ""

    def __call__(self, name: str) -> _Phases:
        self.current = name
        self._announce(name)
        return self

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.current] = round(time.perf_counter() - self._started, 6)


def execute(
    cell: Cell,
    announce: Callable[[str], None] = lambda _phase: None,
    tell: Callable[[dict[str, Any]], None] = lambda _fields: None,
) -> dict[str, Any]:
    """Run one cell and return the fields of its record that depend on the run.

    A failure of the task, the method or a metric is a status with its reason, never an
    exception. ``announce`` hears of each phase as it begins, ``tell`` of the device as soon as
    it is known.
    """
    phases = _Phases(announce)
    fields: dict[str, Any] = {"status": "ok"}
    try:
        _run(cell, phases, fields, tell)
    except NotApplicable as reason:
        fields.update(status="skipped", reason=sentence(reason))
        if isinstance(reason, Missing):
            fields.update(lacks=[reason.lacks])
    except BudgetExceeded as reason:
        fields.update(status="over-budget", reason=sentence(reason))
    except (MemoryError, torch.cuda.OutOfMemoryError):
        fields.update(status="oom", reason=f"out of memory in the {phases.current} phase")
    except (Exception, SystemExit) as error:
        fields.update(failure(error, phases.current))
    fields["phases"] = phases.seconds
    return fields


def _run(
    cell: Cell,
    phases: _Phases,
    fields: dict[str, Any],
    tell: Callable[[dict[str, Any]], None],
) -> None:
    entry = methods[cell.method.name]
    with phases("build"):
        instance = built(cell)
        fields["device"] = described(instance.problem.device)
        tell({"device": fields["device"]})
        truth = instance.truth
        facts = _json(instance.facts, "the instance's facts")
        fields.update(facts=facts, notes=[sentence(note) for note in instance.problem.notes])
    problem = restarted(instance.problem, budget=cell.budget, seed=cell.method_seed)
    probe = _Probe(problem, cell.instance_seed)
    with phases("attribute"):
        attribution, costs = attributed(cell, entry, problem, truth)
    probe.check()
    fields.update(_stored(attribution))
    with phases("score"):
        outcome = Outcome(
            attribution, problem, truth, costs, seed_from("metrics", cell.task_identity)
        )
        fields.update(scored(outcome, entry.card))


def built(cell: Cell) -> Instance:
    """Make the instance of a cell's task.

    Raises
    ------
    TypeError
        The task returned something else.
    """
    _seed_everything(cell.instance_seed)
    made = tasks[cell.task.name].function(cell.instance_seed, **cell.task.parameters)
    if isinstance(made, Problem):
        made = Instance(made)
    if not isinstance(made, Instance):
        raise TypeError(
            f"task {cell.task.name!r} returned {type(made).__name__}; return an Instance"
        )
    return made


def attributed(
    cell: Cell,
    entry: Entry[MethodCard],
    problem: Problem,
    truth: Truth | None,
    *,
    seed: int | None = None,
) -> tuple[Attribution, Costs]:
    """Run a cell's method on a problem that has its budget and seed.

    Parameters
    ----------
    seed
        Of the global generators; the method's seed in this cell if not given.

    Raises
    ------
    NotApplicable
        The method cannot serve the problem, or is a control that needs a truth there is not.
    """
    if entry.card.sees_truth and truth is None:
        raise NotApplicable("the task has no known truth")
    check_needs(problem, entry.card.needs)
    extra = {"truth": truth} if entry.card.sees_truth else {}
    for module in entry.card.imports:
        importlib.import_module(module)
    _seed_everything(cell.method_seed if seed is None else seed)
    memory = PeakMemory()
    wall, cpu = time.perf_counter(), time.process_time()
    found = entry.function(problem, **cell.method.parameters, **extra)
    costs = Costs(
        queries=problem.spent["forward"],
        backward_queries=problem.spent["backward"],
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        peak_mib=memory.mib_above_start(),
    )
    returned = checked_attribution(found, entry.name, returns=entry.card.returns, n=problem.n)
    return returned, costs


class _Probe:
    """Notices a method that changes the function, the network or the data it was given."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._before = self._look()

    def _look(self) -> list[torch.Tensor]:
        view = ScoringView(self._problem, self._seed)
        rows = view.foreground[:PROBE_ROWS]
        return [rows, view.sample(PROBE_ROWS), view.baseline, view.value(rows)]

    def check(self) -> None:
        if not all(map(torch.equal, self._before, self._look())):
            raise RuntimeError("the method changed the function or the data it was given")


def _stored(attribution: Attribution) -> dict[str, Any]:
    info = attribution.info
    intervals = info.get("intervals_95")
    if isinstance(intervals, list) and len(intervals) == len(attribution.subsets):
        info = info | {"intervals_95": intervals[:STORED_SUBSETS]}
    return {
        "subsets": [list(subset) for subset in attribution.subsets[:STORED_SUBSETS]],
        "coefficients": [
            float(f"{value:.{SIGNIFICANT_DIGITS}g}")
            for value in attribution.coefficients[:STORED_SUBSETS].tolist()
        ],
        "reported": len(attribution.subsets),
        "info": _json(info, "the attribution's info"),
    }


def _json(value: dict[str, Any], what: str) -> dict[str, Any]:
    try:
        copied: dict[str, Any] = json.loads(canonical_json(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be plain JSON: {error}") from None
    return copied


def _seed_everything(seed: int) -> None:
    """Seed the global generators too, which libraries draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - other libraries use the legacy generator
    torch.manual_seed(seed)
