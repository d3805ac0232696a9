"""The same numbers always: with any workers, in any order, in this process, and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run

from actspec_bench.records.results import read_results
from actspec_bench.running.cell import execute
from actspec_bench.running.plan import plan_cells
from actspec_bench.running.suites import Suite

ARGUMENTS = (
    "-t", "planted-parity[n=8,terms=2,noise=0.1]", "-t", "planted-nothing[n=6]",
    "--seeds", 2, "--budget", 600,
)  # fmt: skip
TIMED = ("seconds", "cpu_seconds", "peak_mib")


def numbers(folder: Path) -> list[dict]:
    """Records without what may differ between runs: times, memory and nothing else."""
    kept = []
    for record in read_results(folder).records:
        content = record.model_dump()
        content.pop("phases")
        content["scores"] = {k: v for k, v in record.scores.items() if k not in TIMED}
        kept.append(content)
    return kept


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "out"
    assert run("run", *ARGUMENTS, "--jobs", 1, "--out", folder).returncode == 0
    return folder


def test_numbers_do_not_depend_on_workers_or_order(reference: Path, tmp_path: Path) -> None:
    assert run("run", *ARGUMENTS, "--jobs", 3, "--out", tmp_path / "a").returncode == 0
    assert numbers(tmp_path / "a") == numbers(reference)
    first, second = ARGUMENTS[:2], ARGUMENTS[2:4]
    shuffled = (*second, *first, *ARGUMENTS[4:])
    methods = ["shapley-sampling", "actspec", "random"]
    words = [w for m in methods for w in ("-m", m)]
    assert run("run", *shuffled, *words, "--out", tmp_path / "b").returncode == 0
    assert numbers(tmp_path / "b") == [r for r in numbers(reference) if r["method"] in methods]


def test_numbers_are_those_of_the_same_process(reference: Path) -> None:
    """The engine adds nothing: a cell in this process gives the stored scores."""
    suite = Suite(
        "one", "", (ARGUMENTS[1],), ("actspec", "shapley-sampling"), budgets=(600,), instances=2
    )
    stored = {record.cell: record for record in read_results(reference).records}
    for cell in plan_cells(suite):
        fields = execute(cell)
        record = stored[cell.id]
        assert fields["subsets"] == record.subsets
        assert fields["coefficients"] == record.coefficients
        for name, value in record.scores.items():
            if name not in TIMED:
                assert fields["scores"][name] == value, name


def test_running_again_runs_nothing_and_changes_nothing(reference: Path) -> None:
    before = (reference / "records.jsonl").read_bytes()
    done = run("run", *ARGUMENTS, "--out", reference, "--json")
    assert json.loads(done.stdout)["ran"] == 0
    assert (reference / "records.jsonl").read_bytes() == before


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("run", *ARGUMENTS, "-m", "actspec", "-m", "random", "--out", out).returncode == 0
    done = run("run", *ARGUMENTS, "--out", out, "--json")
    told = json.loads(done.stdout)
    assert told["ran"] == len(numbers(reference)) - 8
    assert numbers(out) == numbers(reference)
