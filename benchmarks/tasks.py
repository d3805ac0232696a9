"""Measure what tasks cost: ``python -m benchmarks.tasks [TASK ...]``.

Prints for each task the seconds that one instance takes to make for the first time, with a
network to train in an empty cache, and again; rows per second through the problem's value at
1, 64 and 4,096 rows a call; and the share of that time which is spent outside the network's own
modules. Without names, all tasks of the suite ``paper``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch.nn.modules import module as hooks

from actspec_bench.problems.instance import Instance
from actspec_bench.problems.views import ScoringView
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.running.suites import find_suite

CALLS = (1, 64, 4096)
ROUNDS = 7
LEAST_SECONDS = 0.05


class Inside:
    """Seconds spent in the outermost modules' calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._began = 0.0

    def enter(self, *_: Any) -> None:
        """Note the time if no module is running."""
        if not self._depth:
            self._began = time.perf_counter()
        self._depth += 1

    def leave(self, *_: Any) -> None:
        """Add the time since the outermost module began."""
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._began


@contextlib.contextmanager
def timed_modules() -> Iterator[Inside]:
    """Time the calls of all modules while the block runs."""
    inside = Inside()
    before = hooks.register_module_forward_pre_hook(inside.enter)
    after = hooks.register_module_forward_hook(inside.leave)
    try:
        yield inside
    finally:
        before.remove()
        after.remove()


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds a call, of as many as take a twentieth of a second together."""
    calls, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < LEAST_SECONDS:
        work()
        calls += 1
    return spent / calls


def outside(work: Callable[[], object]) -> float | None:
    """Share of the time of ``work`` that is spent outside all modules; None without modules."""
    with timed_modules() as inside:
        whole = -time.perf_counter()
        for _ in range(ROUNDS):
            work()
        whole += time.perf_counter()
    return 1 - inside.seconds / whole if inside.seconds else None


def measured(text: str) -> list[str]:
    """One row of the table."""
    spec = Spec.parse(text, tasks)

    def make() -> Instance:
        made = tasks[spec.name].function(0, **spec.parameters)
        assert isinstance(made, Instance)
        return made

    began = time.perf_counter()
    instance = make()
    first = time.perf_counter() - began
    again = median(seconds_of(make) for _ in range(3))
    view = ScoringView(instance.problem, 0)
    rates, shares = [], []
    for rows in CALLS:
        x = view.sample(rows)

        def work(x: torch.Tensor = x) -> object:
            return view.value(x)

        work()
        rates.append(rows / median(seconds_of(work) for _ in range(ROUNDS)))
        shares.append(outside(work))
    return [
        spec.label,
        str(view.n),
        f"{first:.2f}",
        f"{again:.3f}",
        *(f"{rate:,.0f}" for rate in rates),
        *("no module" if share is None else f"{share:.0%}" for share in shares),
    ]


def main() -> None:
    """Measure on one thread, with an empty cache, and print the table."""
    torch.set_num_threads(1)
    names = sys.argv[1:] or find_suite("paper").tasks
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ACTSPEC_BENCH_CACHE"] = cache
        header = ["task", "n", "first s", "again s"]
        header += [f"rows/s at {rows:,}" for rows in CALLS]
        header += [f"outside at {rows:,}" for rows in CALLS]
        rows = []
        for text in names:
            rows.append(measured(text))
            print(f"measured {text}", file=sys.stderr)
    print(tabulate(rows, header, disable_numparse=True))


if __name__ == "__main__":
    main()
