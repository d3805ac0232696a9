"""The benchmark of layers: cases, scores of a run, figures, the race, scale and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from actspec_bench import Attribution, NotApplicable, Problem
from actspec_bench.metrics.outcome import Costs, Outcome
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.registry.entries import metrics, tasks
from actspec_bench.registry.specs import Spec
from benchmarks.layers import rivals
from benchmarks.layers.cases import Case, shared_twins, task_case, twin_terms
from benchmarks.layers.cells import cells, verdict
from benchmarks.layers.children import Made, race
from benchmarks.layers.contestants import CONTESTANTS, OURS, Contestant
from benchmarks.layers.networks import relu_case, residual_case, transformer_problem
from benchmarks.layers.runs import Run, compared, run_once
from benchmarks.layers.scale import Measured, measure, scale_verdict
from benchmarks.layers.settings import OPTIONAL, SETTINGS, Figure, Setting

ROOT = Path(__file__).parents[1]
SMALL = Setting(
    "small", "layer", partial(task_case, "planted-parity[n=10,terms=2,order=2]", 0), 500
)


def answering(found: object) -> Contestant:
    return Contestant("random", lambda *_: found)


def score(found: object, case: Case, kind: str = "layer") -> Run:
    setting = Setting("s", kind, lambda _: case, 100)
    return run_once(answering(found), setting, case, Run("s", "random", 7, 0))


def test_sets_that_share_twins_hold_a_twin_of_another_and_none_of_their_own() -> None:
    for seed in range(20):
        sets = twin_terms(np.random.default_rng(seed))
        assert [len(set(s)) for s in sets] == [3, 3, 3]
        for place, one in enumerate(sets):
            twins = {(u + 16) % 32 for u in one}
            assert not twins & set(one)
            assert len(twins & {u for s in sets[:place] for u in s}) == (place > 0)
    case = shared_twins(4000, 3)
    problem, truth = case.instance.problem, case.instance.truth
    assert truth is not None
    x = problem.foreground
    alike = torch.corrcoef(x.T)[range(16), range(16, 32)]
    assert float(alike.mean()) == pytest.approx(0.6, abs=0.03)
    signal = sum(c * x[:, list(s)].prod(1) for s, c in truth.spectrum.items())
    assert isinstance(signal, torch.Tensor)
    noise = problem.value(x) - signal
    strength = float(np.square(list(truth.spectrum.values())).sum()) ** 0.5
    assert float(noise.std()) == pytest.approx(0.05 * strength, rel=0.1)
    right = score(Attribution.from_subsets(truth.spectrum), case, "planted")
    assert (right.recall, right.twins, right.exact) == (1.0, 0, True)
    used = truth.relevant()
    spare = next(u for u in range(32) if not used[u] and used[(u + 16) % 32])
    wrong = score(Attribution.from_subsets({(spare,): 9.0, **truth.spectrum}), case, "planted")
    assert (wrong.twins, wrong.exact) == (1, False)


@pytest.mark.parametrize(("make", "n", "fresh"), [(relu_case, 24, 4000), (residual_case, 64, 2000)])
def test_few_inputs_are_explained_and_fresh_ones_scored(make, n: int, fresh: int) -> None:
    case = make(5)
    view = ScoringView(case.instance.problem, 0)
    assert case.fresh is not None
    assert case.fresh.shape == (fresh, n)
    assert float(view.value(case.fresh).mean()) == pytest.approx(0, abs=0.01)
    seen = {row.numpy().tobytes() for row in view.sample(500)}
    assert len(seen) <= 200
    assert not seen & {row.numpy().tobytes() for row in case.fresh}
    units = Attribution.from_units(np.ones(n))
    run = score(units, case, "fresh")
    assert run.in_sample is not None
    assert run.fresh is not None
    assert run.in_sample > run.fresh
    assert run.ratio == run.fresh / run.in_sample
    assert torch.equal(case.fresh, make(5).fresh)


def test_units_of_a_large_network_depend_on_each_other() -> None:
    problem = transformer_problem(200, 600, 0)
    assert problem.n == 200
    rows = ScoringView(problem, 0).sample(2000)
    spectrum = torch.linalg.svdvals(rows - rows.mean(0)).square()
    assert float(spectrum[:30].sum() / spectrum.sum()) > 0.8
    values = ScoringView(problem, 0).value(rows)
    assert 0.1 < float((values > 0).double().mean()) < 0.9


def test_ceilings_predict_held_out_rows() -> None:
    case = Case(Instance(Problem.from_function(lambda x: x[:, 0] - 0.5 * x[:, 1], 6)))
    asked = restarted(case.instance.problem, budget=500, seed=0)
    assert score(rivals.ridge(asked), case).r2 == pytest.approx(1, abs=1e-6)
    case = Case(Instance(Problem.from_function(lambda x: x[:, 0] * x[:, 1], 6)))
    asked = restarted(case.instance.problem, budget=2000, seed=0)
    assert score(rivals.ridge(asked), case).r2 == pytest.approx(0, abs=0.05)
    asked = restarted(case.instance.problem, budget=2000, seed=0)
    assert (score(rivals.boosted_trees(asked, 0), case).r2 or 0) > 0.95


def test_a_run_is_scored_by_the_metric_and_on_mixtures() -> None:
    rows = torch.randint(0, 2, (2000, 3), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    rows[:, 1] = rows[:, 0]
    source = interchange(
        lambda x: x[:, 0] - x[:, 1] + x[:, 2], rows, readout="margin", foreground=rows[:9]
    )
    case = Case(Instance(Problem(source)))
    found = Attribution.from_subsets({(2,): 1.0})
    run = score(found, case)
    outcome = Outcome(found, case.instance.problem, None, Costs(0, 0, 0, 0, None), 7)
    assert run.r2 == metrics["surrogate_r2"].function(outcome) == pytest.approx(1)
    # Of mixtures the first two units agree three times in four: their difference has variance 1.
    assert run.r2_mixtures == pytest.approx(1 / 2, abs=0.05)
    both = Attribution.from_subsets({(0,): 1.0, (1,): 1.0, (2,): 1.0})
    assert score(both, case).r2_mixtures == pytest.approx(1)
    assert (run.reported, run.warned, run.recall) == (1, False, None)
    told = Attribution.from_subsets({(2,): 1.0}, info={"warnings": ["150 inputs are few"]})
    assert score(told, case).warned is True


def test_a_score_that_is_undefined_is_missing_with_its_reason() -> None:
    case = Case(Instance(Problem.from_function(lambda x: 0 * x[:, 0], 3)))
    run = score(Attribution.from_subsets({(0,): 1.0}), case)
    assert (run.status, run.r2) == ("ok", None)
    assert "constant" in run.reason

    def refusing(*_: object) -> Attribution:
        raise NotApplicable("it cannot")

    run = run_once(Contestant("random", refusing), SMALL, case, Run("s", "random", 0, 0))
    assert (run.status, run.reason, run.r2) == ("unsupported", "it cannot", None)


def a_run(instance: int, seed: int, method: str = OURS, **scores: object) -> Run:
    return replace(Run("s", method, instance, seed), **{"reported": 5, "warned": False, **scores})


def judged(figure: Figure, *runs: Run) -> bool | None:
    setting = Setting("s", "layer", lambda _: None, figures=(figure,))
    return verdict(figure, setting, cells(runs)).reached


def test_figures_are_judged_by_means_over_networks() -> None:
    runs = [a_run(0, 0, r2=0.9), a_run(0, 1, r2=0.7), a_run(0, 2, r2=0.8), a_run(1, 0, r2=0.6)]
    cell = cells(runs)["s", OURS]
    assert cell.measures["r2"].mean == pytest.approx(0.7)
    assert f"{cell.measures['r2']:.2f}" == "0.70 (0.60 to 0.80)"
    assert judged(Figure("r2", 0.69), *runs) is True
    assert judged(Figure("r2", 0.71), *runs) is False
    late = replace(runs[0], seed=9, status="timeout", reason="too slow")
    assert judged(Figure("r2", 0.69), *runs, late) is False
    assert judged(Figure("j5", 0.5), *runs) is None
    assert judged(Figure("r2", 0.5)) is None
    control = a_run(0, 0, "random", r2=0.65), a_run(0, 0, "constant", r2=0.72)
    assert judged(Figure("r2", None), *runs, control[0]) is True
    assert judged(Figure("r2", None), *runs, *control) is False
    twins = [a_run(0, 0, recall=1.0, twins=0), a_run(0, 1, recall=1.0, twins=1)]
    assert judged(Figure("recall", 1.0), *twins[:1]) is True
    assert judged(Figure("recall", 1.0), *twins) is False


def test_what_is_claimed_has_to_hold_on_fresh_inputs_and_silence_to_warn() -> None:
    figure = Figure("ratio", 0.9)
    holds = a_run(0, 0, in_sample=0.5, fresh=0.47)
    fails = a_run(0, 1, in_sample=0.5, fresh=0.3)
    warns = a_run(0, 2, in_sample=0.0, fresh=0.0, reported=0, warned=True)
    assert judged(figure, holds) is True
    assert judged(figure, holds, fails) is False
    assert judged(figure, holds, warns) is True
    assert judged(figure, warns) is True
    assert judged(figure, holds, replace(warns, warned=False)) is False


def test_a_race_is_reproducible_and_names_what_is_absent() -> None:
    absent = Contestant("actspec-paper", lambda *_: None, method="no-such-method")
    picked = [CONTESTANTS["random"], CONTESTANTS["pursuit, up to 3"], absent]
    first, second = (
        list(race([SMALL], picked, range(4, 6), range(2), 60.0)) for _ in range(2)
    )  # fmt: skip
    assert {m.units for m in first if isinstance(m, Made)} == {10}
    runs, again = (
        sorted(
            (r for r in came if isinstance(r, Run)), key=lambda r: (r.method, r.instance, r.seed)
        )
        for came in (first, second)
    )
    assert [replace(r, seconds=None) for r in runs] == [replace(r, seconds=None) for r in again]
    pursued = [r for r in runs if r.method == "pursuit, up to 3"]
    assert len(pursued) == 4
    assert all(r.recall == 1 and r.rows == 500 for r in pursued)
    case = SMALL.make(4)
    answered = [replace(r, j5=None, soft5=None) for r in runs if r.instance == 4 and r.reported]
    told = compared(case, [r for r in answered if r.method == "random"])
    assert [r.j5 for r in told] == [r.j5 for r in runs if r.instance == 4 and r.method == "random"]
    missing = [r for r in runs if r.method == "actspec-paper"]
    assert [r.status for r in missing] == ["absent", "absent"]
    assert "no-such-method" in missing[0].reason


def test_calls_over_their_limit_are_told_and_larger_ones_left_out() -> None:
    late = list(measure({"rows": (1000, 2000)}, 1e-4))
    assert [point.status for point in late] == ["timeout", "skipped"]
    (point,) = measure({"units": (32,)}, 60.0)
    assert (point.status, point.size) == ("ok", 32)
    assert point.seconds is not None
    assert point.rows is not None
    assert point.rows <= 10_000


@pytest.mark.parametrize(
    ("status", "seconds", "reached"),
    [("ok", 59.0, True), ("ok", 61.0, False), ("timeout", None, False), ("error", None, None)],
)
def test_the_figure_of_a_million_rows(status, seconds: float | None, reached: bool | None) -> None:
    point = Measured("rows", 1_000_000, status, "", seconds)
    ((_, _, result),) = scale_verdict([Measured("rows", 1000, seconds=1.0), point])
    assert result.reached is reached


def test_the_command_writes_tables_and_pictures(tmp_path: Path) -> None:
    words = ("-l", "24 ReLUs, 150 inputs", "-l", "twins of units", "-m", "random", "-m",
             "16 most correlated units", "--instances", "1", "--seeds", "2")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.layers", *words, "--only", "layers",
         "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "24 ReLUs, 150 inputs: actspec" in done.stdout
    table = pd.read_csv(tmp_path / "layers.csv")
    assert set(table["method"]) == {"random", "16 most correlated units"}
    assert (table["status"] == "ok").all()
    assert table["j5"].notna().all()
    text = (tmp_path / "layers.md").read_text()
    for heading in ("## Figures to reach", "### 24 ReLUs, 150 inputs", "### twins of units"):
        assert heading in text
    facts = json.loads((tmp_path / "layers.json").read_text())
    assert {one["units"] for one in facts["instances"]} == {24, 32}


def test_every_layer_is_a_task_and_a_mistyped_one_is_told_with_a_near_match() -> None:
    for setting in (*SETTINGS.values(), *OPTIONAL.values()):
        if setting.kind == "layer":
            assert Spec.parse(setting.name, tasks)
        assert all(figure.value is not None or figure.metric == "r2" for figure in setting.figures)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.layers", "-l", "mnist-hiden"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'mnist-hidden'?" in done.stderr
