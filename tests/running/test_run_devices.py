"""Runs on a device, and what their records say of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run
from marks import needs_cuda

from actspec_bench.records.results import read_results

PLUGIN = '''
import time, torch
from actspec_bench import Problem, method, task
from actspec_bench.problems.devices import chosen

@task("on-device", truth="none", main_metric="surrogate_r2")
def on_device(seed):
    """A network on the chosen device."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    inputs = torch.randn(50, 3)
    return Problem.from_module(model.to(chosen()), layer="1", inputs=inputs, target=0)

@method("sleeper", returns="units", family="slow")
def sleeper(problem):
    """Never ends."""
    time.sleep(1000)
'''


def test_a_record_says_where_its_cell_ran_even_if_it_was_ended(tmp_path: Path) -> None:
    plugin = tmp_path / "plug.py"
    plugin.write_text(PLUGIN)
    words = ("run", "--plugin", plugin, "-t", "on-device", "-m", "constant", "-m", "sleeper")
    done = run(*words, "--seeds", 1, "--timeout", 2, "--device", "cpu", "--out", tmp_path / "out")
    assert done.returncode == 1
    records = read_results(tmp_path / "out").records
    assert {(r.status, r.provenance["device"]) for r in records} == {
        ("ok", "cpu"), ("timeout", "cpu"),
    }  # fmt: skip


@needs_cuda
def test_a_run_on_cuda_agrees_with_one_on_the_cpu(tmp_path: Path) -> None:
    words = ("run", "-t", "digits-hidden", "-t", "digits-patches", "--seeds", 1, "--budget", 1000)
    scores = []
    for device in ("cpu", "cuda"):
        out = tmp_path / device
        done = run(*words, "--device", device, "--memory", 16_384, "--out", out, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["exit"] == 0
        records = read_results(out).records
        assert {r.provenance["device"] for r in records} == {device}
        scores.append({(r.task, r.method): r.scores["deletion_auc"] for r in records if r.scores})
    assert scores[1] == pytest.approx(scores[0], abs=2e-2)
