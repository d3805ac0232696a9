"""Suite or specifications -> cells: the whole work list, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from actspec_bench.data.finding import present
from actspec_bench.errors import UsageError, nearest
from actspec_bench.problems.meter import DEFAULT_BUDGET
from actspec_bench.records.record import Cell
from actspec_bench.registry.entries import Entry, methods, metrics, tasks
from actspec_bench.registry.sourcehash import source_digest
from actspec_bench.registry.specs import Spec

__all__ = [
    "DEFAULT_INSTANCES",
    "SUITES",
    "Suite",
    "choose_suite",
    "find_suite",
    "plan_cells",
    "sources_of",
]

DEFAULT_INSTANCES = 5
SOURCE_DIGITS = 16


@dataclass(frozen=True)
class Suite:
    """A named selection; no methods means every one that is registered.

    Attributes
    ----------
    with_data
        Tasks that are part of it where the data they need is there.
    """

    name: str
    summary: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...] = ()
    budgets: tuple[int, ...] = (DEFAULT_BUDGET,)
    instances: int = DEFAULT_INSTANCES
    with_data: tuple[str, ...] = ()


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "default",
            "planted parities, a digits network, and, where the data is, MNIST and SST-2 networks",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[n=12,terms=4,orders=(1,2,3,4)]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-nothing",
                "digits-hidden",
                "digits-patches",
            ),
            with_data=(
                "mnist-hidden",
                "mnist-patches",
                "mnist-recoded",
                "sst2-tokens",
                "sst2-recoded",
            ),
            budgets=(1_000, DEFAULT_BUDGET),
        ),
        Suite(
            "paper",
            "the settings of Activation Spectroscopy's paper: planted, MNIST, sentiment",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-parity[n=32,terms=3,correlation=0.8,noise=0.05]",
                "planted-network",
                "trained-parity",
                "trained-parity-hidden",
                "mnist-hidden[target=7,against=1]",
                "mnist-hidden",
                "mnist-pixels",
                "mnist-patches",
                "mnist-channels",
                *(f"mnist-recoded[k={k}]" for k in (1, 2, 3, 5)),
                "sst2-pooler",
                "sst2-heads",
                "sst2-tokens",
                *(f"sst2-recoded[k={k}]" for k in (1, 2, 3, 5)),
            ),
        ),
        Suite(
            "smoke",
            "seconds: one small planted task, one instance, every method",
            tasks=("planted-parity[n=10,terms=2,order=2]",),
            budgets=(2_000,),
            instances=1,
        ),
    )
}


def find_suite(name: str) -> Suite:
    """Return the suite ``name`` or say what there is."""
    if name not in SUITES:
        raise UsageError(f"there is no suite {name!r}; {nearest(name, list(SUITES))}")
    return SUITES[name]


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
        methods=tuple(method_texts) or base.methods,
        budgets=tuple(budgets) or base.budgets,
        instances=instances or base.instances,
    )


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
    for spec in task_specs:
        main = tasks[spec.name].card.main_metric
        if main not in metrics:
            hint = nearest(main, [entry.name for entry in metrics])
            raise UsageError(f"task {spec.name!r} names {main!r} as its main metric; {hint}")
    instances = [
        [
            Cell(task, tasks[task.name].card.version, instance, method, budget)
            for budget in suite.budgets
            for method in method_specs
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

    The keys are ``"task"``, ``"method"`` and for each metric that is registered
    ``"metric NAME"``.
    """
    seen: dict[tuple[str, str], str] = {}

    def entry_digest(entry: Entry[Any]) -> str:
        key = (entry.origin, entry.function.__module__)
        if key not in seen:
            seen[key] = source_digest(*key)[:SOURCE_DIGITS]
        return seen[key]

    scored = {f"metric {entry.name}": entry_digest(entry) for entry in metrics}
    return {
        cell.id: {
            "task": entry_digest(tasks[cell.task.name]),
            "method": entry_digest(methods[cell.method.name]),
            **scored,
        }
        for cell in cells
    }
