"""Measure what the harness itself costs: ``python -m benchmarks.overhead``.

Prints the start-up time of light commands against an empty interpreter, seconds a cell that
does nothing, and the time of a run in which nothing is due.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tabulate import tabulate

EMPTY = '''
from actspec_bench import Attribution, Problem, method, task

@task("empty", truth="none", main_metric="surrogate_r2")
def empty(seed):
    """A function of one unit."""
    return Problem.from_function(lambda x: x[:, 0], 1)

@method("nothing", returns="units", family="control")
def nothing(problem):
    """No query, no score."""
    return Attribution.from_units([0.0])
'''
CELLS = 200
ROUNDS = 5


def seconds(*words: str) -> float:
    """Wall-clock seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Time everything in interleaved rounds and print medians."""
    bench = ("-m", "actspec_bench")
    with tempfile.TemporaryDirectory() as scratch:
        plugin = Path(scratch) / "empty_cells.py"
        plugin.write_text(EMPTY)
        chosen = ("run", "--plugin", str(plugin), "-t", "empty", "-m", "nothing", "--json")

        def run(cells: int, jobs: int, out: str) -> float:
            counts = ("--seeds", str(cells), "--jobs", str(jobs), "--out", f"{scratch}/{out}")
            return seconds(*bench, *chosen, *counts)

        timed: dict[str, list[float]] = {}
        for round_ in range(ROUNDS):
            for name, words in (
                ("python -c pass", ("-c", "pass")),
                ("list", (*bench, "list")),
                ("--help", (*bench, "--help")),
            ):
                timed.setdefault(name, []).append(seconds(*words))
            for jobs in (1, 2):
                one = run(1, jobs, f"one-{jobs}-{round_}")
                many = run(1 + CELLS, jobs, f"many-{jobs}-{round_}")
                again = run(1 + CELLS, jobs, f"many-{jobs}-{round_}")
                timed.setdefault(f"first cell of a run, {jobs} jobs", []).append(one)
                timed.setdefault(f"each cell after it, {jobs} jobs", []).append(
                    (many - one) / CELLS
                )
                timed.setdefault(f"{1 + CELLS} cells, none due, {jobs} jobs", []).append(again)
    rows = [[name, median(t), min(t), max(t)] for name, t in timed.items()]
    print(tabulate(rows, ["seconds", "median", "least", "most"], floatfmt=".4f"))


if __name__ == "__main__":
    main()
