"""Contestants and settings -> runs, in two processes at most, each ended at its limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Any

from actspec_bench.registry.entries import methods
from actspec_bench.registry.plugins import load_entry_points
from actspec_bench.running.threads import one_thread_each
from benchmarks.attempts import Attempt, attempt
from benchmarks.layers.cases import Case
from benchmarks.layers.contestants import CONTESTANTS, Contestant
from benchmarks.layers.runs import Run, compared, run_once
from benchmarks.layers.settings import Setting
from benchmarks.serving import Served

__all__ = ["Made", "race"]

AT_ONCE = 2
# A network may have to be trained first.
MAKING = 900.0
IMPORTS = ("sklearn.linear_model", "sklearn.ensemble")


@dataclass(frozen=True)
class Made:
    """One instance of a setting: its units, and what the task tells of it."""

    setting: str
    instance: int
    units: int
    facts: dict[str, Any]


class _Answers:
    """Answers of a process, which holds the case of the last request."""

    def __init__(self) -> None:
        self._key: tuple[str, int] | None = None
        self._case: Case | None = None

    def __call__(self, kind: str, setting: Setting, instance: int, *more: Any) -> Any:
        made = attempt(lambda: self._hold(setting, instance))
        case = made.result
        if kind == "make":
            if case is None:
                return made
            facts = Made(setting.name, instance, case.instance.problem.n, case.instance.facts)
            return replace(made, result=facts)
        if kind == "compare":
            return compared(case, *more)
        name, seed = more
        run = Run(setting.name, name, instance, seed)
        return run_once(CONTESTANTS[name], setting, case, run)

    def _hold(self, setting: Setting, instance: int) -> Case:
        if self._case is None or self._key != (setting.name, instance):
            self._case, self._key = setting.make(instance), (setting.name, instance)
        return self._case


def _answers() -> Callable[..., Any]:
    load_entry_points()
    for name in (*IMPORTS, *(name for method in methods for name in method.card.imports)):
        import_module(name)
    return _Answers()


def race(
    settings: Sequence[Setting],
    contestants: Sequence[Contestant],
    instances: range,
    seeds: range,
    limit: float,
) -> Iterator[Run | Made]:
    """Run every contestant on every instance of every setting with every seed.

    The runs of one contestant on one instance come together, their agreement filled in. After
    a run that came to its limit, ``limit`` seconds, its other seeds are *skipped*.
    """
    todo = iter([(setting, instance) for instance in instances for setting in settings])
    came: SimpleQueue[Run | Made | Exception | None] = SimpleQueue()

    def lane() -> None:
        served = Served(_answers)
        try:
            for setting, instance in todo:
                for item in _one_instance(served, setting, instance, contestants, seeds, limit):
                    came.put(item)
        except Exception as error:
            came.put(error)
        finally:
            served.end()
            came.put(None)

    with one_thread_each():
        # Daemons, as their processes are: a run that is interrupted ends with all of them.
        for _ in range(AT_ONCE):
            Thread(target=lane, daemon=True).start()
        for _ in range(AT_ONCE):
            while (item := came.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item


def _one_instance(
    served: Served,
    setting: Setting,
    instance: int,
    contestants: Sequence[Contestant],
    seeds: range,
    limit: float,
) -> Iterator[Run | Made]:
    try:
        made: Attempt = served.ask("make", setting, instance, limit=MAKING)
    except OSError as error:
        made = Attempt("error", str(error), 0.0)
    if made.status == "ok":
        yield made.result
    for contestant in contestants:
        run = Run(setting.name, contestant.name, instance, seeds[0])
        if made.status != "ok":
            yield replace(run, status=made.status, reason=made.reason)
        elif reason := contestant.absent():
            yield replace(run, status="absent", reason=reason)
        elif contestant.ceiling and setting.kind != "layer":
            continue
        else:
            runs = list(_seeds(served, setting, run, seeds, limit))
            yield from served.ask("compare", setting, instance, runs, limit=MAKING)


def _seeds(served: Served, setting: Setting, run: Run, seeds: range, limit: float) -> Iterator[Run]:
    stopped = ""
    for seed in seeds:
        here = replace(run, seed=seed)
        if stopped:
            yield replace(here, status="skipped", reason=stopped)
            continue
        try:
            yield served.ask("run", setting, run.instance, run.method, seed, limit=limit)
        except TimeoutError as error:
            stopped = f"a run before it took more than {limit:g} s"
            yield replace(here, status="timeout", reason=str(error))
        except ChildProcessError as error:
            yield replace(here, status="error", reason=str(error))
