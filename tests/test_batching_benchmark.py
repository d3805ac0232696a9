"""The benchmark of perturbation methods does the same work as Captum with its defaults."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner

from actspec_bench.registry.entries import methods
from benchmarks.batching import CALLS, agreement, main, turn

OF_CAPTUM = {
    "feature-ablation", "feature-permutation", "occlusion", "shapley-sampling", "shapley-values",
    "kernel-shap", "lime",
}  # fmt: skip


def test_every_perturbation_method_that_captum_has_is_there() -> None:
    face = "actspec_bench.methods.perturbation"
    assert {entry.name for entry in methods if entry.function.__module__ == face} == OF_CAPTUM
    assert set(CALLS) == OF_CAPTUM


@pytest.mark.parametrize("name", CALLS)
def test_both_sides_score_alike(name: str) -> None:
    one = turn(name, 700, seed=0)
    assert one.rows <= 700
    told = agreement(*one.scores)
    if name in ("shapley-sampling", "kernel-shap", "lime"):
        assert 0.5 < float(told.removeprefix("r = ")) < 1
    else:
        assert told == "equal"


def test_a_difference_beyond_rounding_is_told() -> None:
    scores = torch.tensor([1.0, 2.0, 4.0])
    assert agreement(scores, scores * (1 + 1e-6)) == "equal"
    assert agreement(scores, scores * (1 + 1e-4)) == "r = 1.000"


def test_the_command_tells_a_row_a_method_and_what_it_ran_on() -> None:
    words = ["-m", "occlusion", "-m", "shapley-values", "-b", "300", "--rounds", "1"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    *_, occlusion, shapley, version = done.output.splitlines()
    assert occlusion.split()[:3] == ["occlusion", "64", "296"]
    assert shapley.split()[:3] == ["shapley-values", "6", "256"]
    assert occlusion.endswith("equal")
    assert "captum" in version
