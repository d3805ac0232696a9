"""Suite or specifications -> cells: the whole work list, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from actspec_bench.data import present
from actspec_bench.errors import UsageError, nearest
from actspec_bench.metrics import lifts
from actspec_bench.problems.meter import DEFAULT_BUDGET
from actspec_bench.records.record import Cell
from actspec_bench.registry.entries import Entry, methods, metrics, tasks
from actspec_bench.registry.sourcehash import source_digest
from actspec_bench.registry.specs import Spec
from actspec_bench.running.suites import CONTROLS, DEFAULT_INSTANCES, Suite, find_suite

__all__ = ["choose_suite", "plan_cells", "sources_of"]

SOURCE_DIGITS = 16
BUILT_IN = "actspec_bench."


def choose_suite(
    name: str | None = None,
    task_texts: Sequence[str] = (),
    method_texts: Sequence[str] = (),
    budgets: Sequence[int] = (),
    instances: int | None = None,
) -> Suite:
    """Return the suite that a command line asks for.

    What is not given comes from the suite ``name``, or without a name from the default suite;
    but tasks named without a suite get the one default budget and number of instances. Of a
    suite's tasks ``with_data`` those are taken whose data is there.
    """
    base = find_suite("default" if name is None else name)
    if task_texts:
        base = replace(base, name="custom", with_data=())
        if name is None:
            base = replace(base, budgets=(DEFAULT_BUDGET,), instances=DEFAULT_INSTANCES)
    there = tuple(text for text in base.with_data if _has_data(text))
    return replace(
        base,
        tasks=(tuple(task_texts) or base.tasks) + there,
        methods=tuple(method_texts) or _with_own(base.methods),
        budgets=tuple(budgets) or base.budgets,
        searches=() if budgets or method_texts else base.searches,
        instances=instances or base.instances,
    )


def _with_own(named: tuple[str, ...]) -> tuple[str, ...]:
    """Methods that a suite names, and those that plug-ins and installed packages brought."""
    brought = [
        entry.name for entry in methods if not entry.function.__module__.startswith(BUILT_IN)
    ]
    return (*named, *brought) if named else ()


def _has_data(task_text: str) -> bool:
    return all(present(data) for data in tasks[Spec.parse(task_text, tasks).name].card.needs)


def plan_cells(suite: Suite) -> list[Cell]:
    """Every cell of ``suite`` in the order in which they start.

    The first cell of every instance comes first, so that networks are trained side by side and
    do not make the other cells of their instance wait; then the rest, instance by instance.

    Raises
    ------
    UsageError
        A name or parameter is not valid, or something is named twice.
    """
    task_specs = [Spec.parse(text, tasks) for text in suite.tasks]
    method_texts = suite.methods or [entry.name for entry in methods]
    method_specs = [Spec.parse(text, methods) for text in method_texts]
    for kind, specs in (("task", task_specs), ("method", method_specs)):
        labels = [spec.label for spec in specs]
        for label in labels:
            if labels.count(label) > 1:
                raise UsageError(f"{kind} {label!r} is named twice; name it once")
    if len(set(suite.budgets)) < len(suite.budgets):
        raise UsageError(f"a budget is given twice in {list(suite.budgets)}; give it once")
    work = [(budget, method) for budget in suite.budgets for method in method_specs]
    for budget, texts in suite.searches:
        work += [(budget, Spec.parse(text, methods)) for text in (*texts, *CONTROLS)]
    for spec in task_specs:
        card = tasks[spec.name].card
        for main in filter(None, (card.main_metric, card.units_metric)):
            if main not in metrics:
                hint = nearest(main, [entry.name for entry in metrics])
                raise UsageError(f"task {spec.name!r} names {main!r} as its main metric; {hint}")
    instances = [
        [
            Cell(task, tasks[task.name].card.version, instance, method, budget)
            for budget, method in work
        ]
        for task in task_specs
        for instance in range(suite.instances)
    ]
    return [
        *(cells[0] for cells in instances),
        *(cell for cells in instances for cell in cells[1:]),
    ]


def sources_of(cells: Sequence[Cell]) -> dict[str, dict[str, str]]:
    """Cell id -> digests of the code that the cell's numbers depend on.

    The keys are ``"task"``, ``"method"``, ``"lifts"`` and for each metric that is registered
    ``"metric NAME"``.
    """
    seen: dict[tuple[str, str], str] = {}

    def entry_digest(entry: Entry[Any]) -> str:
        key = (entry.origin, entry.function.__module__)
        if key not in seen:
            seen[key] = source_digest(*key)[:SOURCE_DIGITS]
        return seen[key]

    scored = {f"metric {entry.name}": entry_digest(entry) for entry in metrics}
    scored["lifts"] = source_digest(str(lifts.__file__), lifts.__name__)[:SOURCE_DIGITS]
    return {
        cell.id: {
            "task": entry_digest(tasks[cell.task.name]),
            "method": entry_digest(methods[cell.method.name]),
            **scored,
        }
        for cell in cells
    }
