from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from actspec_bench import NotApplicable, Problem
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from benchmarks.search.cells import cells, verdict
from benchmarks.search.children import Child, race
from benchmarks.search.contestants import CONTESTANTS, Contestant
from benchmarks.search.regimes import CENTRE, QUICK, REGIMES, Figure, Regime
from benchmarks.search.runs import Run, run_once
from benchmarks.search.tables import wht_verdict
from benchmarks.search.transforms import OURS, PASSES, Timing, transforms

ROOT = Path(__file__).parents[1]
SMALL = Regime(
    "small",
    "planted-parity[n=12,terms=2,order=3,overlap=1]",
    budgets=(500, 1000, 2000),
    points=(("order", "3"), ("n", "12")),
)


def test_every_regime_is_a_valid_task_and_every_figure_has_its_method() -> None:
    for regime in (*REGIMES.values(), *QUICK):
        assert Spec.parse(regime.task, tasks)
        assert list(regime.budgets) == sorted(set(regime.budgets))
        assert {figure.method for figure in regime.figures} <= CONTESTANTS.keys()
        if regime.task.startswith("planted-parity"):
            planted = regime.planted
            sizes = planted["orders"] or (planted["order"],)
            made = tasks["planted-parity"].function(0, **planted)
            found = sorted(len(s) for s in made.truth.spectrum)
            if planted["readout"] == "margin":
                assert found == sorted(sizes[j % len(sizes)] for j in range(planted["terms"]))
            else:
                assert len(found) == 4


def test_a_run_scores_its_search_and_takes_the_functions_time_out() -> None:
    planted = tasks["planted-parity"].function(3, **SMALL.planted).truth.spectrum
    asked: list[Problem] = []

    def find(problem: Problem, _: Regime, __: int) -> dict[tuple[int, ...], float]:
        asked.append(problem)
        problem.value(problem.sample(30))
        subsets = list(planted)
        return {subsets[0]: 2.0, (0, 1, 2, 3): -1.0, subsets[1]: 0.5}

    run = run_once(Contestant("fake", find), SMALL, 3, 100)
    assert (run.status, run.queries, run.exact, run.recall) == ("ok", 30, False, 0.5)
    assert run.reported == 3
    assert run.seconds is not None
    assert run.function_seconds is not None
    assert 0 < run.function_seconds < run.seconds
    assert run.beyond == run.seconds - run.function_seconds
    right = run_once(Contestant("fake", lambda *_: planted), SMALL, 3, 100)
    assert (right.exact, right.recall, right.twins) == (True, 1.0, 0)


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotApplicable("it cannot"), "unsupported"), (RuntimeError("it broke"), "error")],
)
def test_a_search_that_fails_has_a_status_and_no_score(error: Exception, status: str) -> None:
    def find(*_: object) -> dict[tuple[int, ...], float]:
        raise error

    run = run_once(Contestant("fake", find), SMALL, 0, 100)
    assert (run.status, run.exact, run.recall) == (status, None, None)
    assert str(error) in run.reason
    over = run_once(
        Contestant("fake", lambda p, *_: {(): float(p.value(p.sample(101))[0])}), SMALL, 0, 100
    )
    assert over.status == "over-budget"
    assert over.queries == 0


def test_a_call_is_ended_at_its_limit_and_the_next_has_a_new_process() -> None:
    child = Child(CONTESTANTS["ArchDetect"], 0.002)
    slow = replace(REGIMES["n=1024, k=5, order 3"], task="planted-parity[n=1024,terms=5,order=3]")
    run = child.run(slow, 0, None)
    assert run.status == "timeout"
    assert "within 0.006 s" in run.reason
    child.limit = 60.0
    after = child.run(SMALL, 0, None)
    assert (after.status, after.call, after.queries) == ("ok", 0, 12**2 + 12 + 2)
    assert child.run(SMALL, 1, None).call == 1
    child.end()


def test_a_race_climbs_until_every_seed_is_exact_and_is_reproducible() -> None:
    first, second = (
        list(race(CONTESTANTS["actspec"], [SMALL], range(5, 7), 60.0)) for _ in range(2)
    )
    assert [run.budget for run in first][:2] == [1000, 1000]
    assert all(run.exact for run in first[-2:])
    assert [(r.budget, r.seed, r.exact, r.recall, r.queries) for r in first] == [
        (r.budget, r.seed, r.exact, r.recall, r.queries) for r in second
    ]


def test_what_is_not_there_or_does_not_serve_says_so_once_a_regime() -> None:
    absent = Contestant("other", lambda *_: {}, packages=("no_such_package",))
    (run,) = race(absent, [SMALL], range(2), 1.0)
    assert run.status == "absent"
    assert "pip install 'actspec-bench[search]'" in run.reason
    (run,) = race(CONTESTANTS["boofun GL"], [SMALL], range(2), 1.0)
    assert run.status in {"unsupported", "absent"}
    used_up = replace(CONTESTANTS["ArchDetect"], seconds=-1.0)
    (run,) = race(used_up, [SMALL], range(2), 1.0)
    assert run.status == "skipped"
    assert "allowance" in run.reason


def a_run(budget: int, seed: int, *, exact: bool, queries: int, recall: float = 1.0) -> Run:
    return Run("r", "actspec", seed, budget, "ok", "", queries, 0.5, 0.1, seed, exact, recall, 5, 0)


def test_figures_are_judged_by_rows_used_on_every_seed() -> None:
    runs = [
        a_run(1000, 0, exact=True, queries=900),
        a_run(1000, 1, exact=False, queries=950, recall=0.6),
        a_run(2000, 0, exact=True, queries=1000),
        a_run(2000, 1, exact=True, queries=1400),
    ]
    found = cells(runs)["r", "actspec"]
    assert [cell.exact_rate for cell in found] == [0.5, 1.0]
    assert verdict(Figure("actspec", "exact", 1200), found).reached is True
    assert verdict(Figure("actspec", "exact", 1199), found).reached is False
    assert verdict(Figure("actspec", "recall", 1000, 0.8), found).reached is True
    assert verdict(Figure("actspec", "recall", 1000, 0.81), found).reached is False
    assert verdict(Figure("actspec", "beyond", value=0.41), found).reached is True
    assert verdict(Figure("actspec", "beyond", value=0.39), found).reached is False
    assert verdict(Figure("actspec", "whole", value=0.51), found).reached is True
    assert verdict(Figure("actspec", "exact", 1200), []).reached is None
    twin = [replace(run, twins=1) for run in runs[2:]]
    for given, reached in ((runs[2:], True), (twin, False)):
        here = cells(given)["r", "actspec"]
        assert verdict(Figure("actspec", "no-twin"), here).reached is reached


def test_a_seed_without_a_result_is_not_exact() -> None:
    runs = [
        a_run(1000, 0, exact=True, queries=900),
        Run("r", "actspec", 1, 1000, "timeout", "too slow"),
    ]
    (cell,) = cells(runs)["r", "actspec"]
    assert (cell.exact_rate, cell.recall, cell.finished) == (0.5, 1.0, 1)
    assert cell.reasons == ("timeout: too slow",)


def test_the_transforms_figure_holds_on_every_number_of_threads() -> None:
    def timings(ours: float) -> list[Timing]:
        return [
            Timing(OURS, 1, 20, 0.003),
            Timing(PASSES, 1, 20, 0.001),
            Timing(OURS, 2, 20, ours),
            Timing(PASSES, 2, 20, 0.0005),
        ]

    assert wht_verdict(timings(0.0019)).reached is True
    assert wht_verdict(timings(0.0021)).reached is False
    assert wht_verdict([]).reached is None


def test_transforms_that_are_timed_agree() -> None:
    found = list(transforms([3, 5]))
    assert {(t.transform, t.n) for t in found} >= {(OURS, 3), (PASSES, 5)}
    for timing in found:
        assert (timing.seconds is None) == bool(timing.reason)
        if timing.error is not None:
            assert timing.error < 1e-5
    assert any(t.transform.startswith("scipy") and t.error is not None for t in found)


def test_archdetect_is_told_how_many_pairs_interact_and_asks_in_one_row_and_its_negative() -> None:
    disjoint = replace(SMALL, task="planted-parity[n=12,terms=2,order=3]")
    run = run_once(CONTESTANTS["ArchDetect"], disjoint, 0, None)
    assert (run.status, run.exact, run.queries) == ("ok", True, 12**2 + 12 + 2)
    assert CONTESTANTS["ArchDetect"].budgets(disjoint) == (None,)


@pytest.mark.parametrize("name", ["SPEX t=5", "ProxySPEX", "boofun GL"])
def test_other_searches_find_two_sets_in_a_small_function(name: str) -> None:
    for package in CONTESTANTS[name].packages:
        pytest.importorskip(package)
    if name == "boofun GL":
        regime, budget = (
            Regime("small", "planted-parity[n=6,terms=1,order=2,readout=decision]"),
            None,
        )
    else:
        regime, budget = Regime("small", "planted-parity[n=10,terms=2,orders=(1,2)]"), 600
    child = Child(CONTESTANTS[name], 60.0)
    run = child.run(regime, 0, budget)
    child.end()
    assert run.status == "ok", run.reason
    assert run.exact
    assert run.queries


def test_the_command_writes_tables_and_pictures(tmp_path: Path) -> None:
    words = ("-m", "actspec", "-m", "ArchDetect", "-r", CENTRE.name, "-r", "n=64, k=5, order 2")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search", *words, "--seeds", "1", "--rival-seeds", "1",
         "--only", "searches", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{CENTRE.name}: actspec {CENTRE.figures[0].text}:" in done.stdout
    table = pd.read_csv(tmp_path / "search.csv")
    assert set(table["method"]) == {"actspec", "ArchDetect"}
    assert (table["status"] == "ok").all()
    text = (tmp_path / "search.md").read_text()
    assert "## Figures to beat" in text
    facts = json.loads((tmp_path / "search.json").read_text())
    assert facts["seeds"] == {"actspec": 1, "ArchDetect": 1}
    assert facts["provenance"]["packages"]["torch"] == torch.__version__.partition("+")[0] or (
        facts["provenance"]["packages"]["torch"] == torch.__version__
    )
    for name in ("recall", "scaling", "seconds"):
        svg = (tmp_path / f"{name}.svg").read_text()
        assert "actspec" in svg
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_mistyped_name_is_one_line_with_a_near_match(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search", "-m", "actspek", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'actspec'?" in done.stderr
