"""Planted parities against the enumerated spectrum and the distribution asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import built, full_spectrum

from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.tasks.planting.parities import decision_spectrum


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    [
        "planted-parity[n=12,terms=3]",
        "planted-parity[n=12,terms=4,orders=(1,2,3,4)]",
        "planted-parity[n=12,terms=4,order=3,overlap=2,noise=0.5]",
        "planted-parity[n=12,terms=3,readout=decision]",
        "planted-parity[n=10,terms=5,order=4,overlap=3,readout=decision]",
        "planted-parity[n=12,terms=2,order=2,duplicates=3,constants=2]",
        "planted-parity[n=12,terms=2,order=3,correlation=0.6]",
        "planted-nothing[n=8]",
    ],
)
def test_the_planted_truth_is_the_enumerated_spectrum(text: str, seed: int) -> None:
    instance = built(text, seed)
    found = full_spectrum(instance)
    assert instance.truth.spectrum.keys() == found.keys()
    for subset, value in instance.truth.spectrum.items():
        assert value == pytest.approx(found[subset], abs=1e-5)


def test_the_majority_of_three_has_its_known_spectrum() -> None:
    found = decision_spectrum({(0, 1): 1.0, (1, 2): 1.1, (3,): 1.2})
    assert found == {(0, 1): 0.5, (1, 2): 0.5, (3,): 0.5, (0, 2, 3): -0.5}


@pytest.mark.parametrize("seed", range(4))
def test_subsets_have_the_orders_and_overlaps_asked_for(seed: int) -> None:
    instance = built("planted-parity[n=64,terms=6,orders=(4,5),overlap=2]", seed)
    subsets = list(instance.truth.spectrum)
    assert [len(s) for s in subsets] == [4, 5] * 3
    seen: set[int] = set()
    for subset in subsets:
        assert len(seen & set(subset)) == (2 if seen else 0)
        seen |= set(subset)
    magnitudes = np.abs(list(instance.truth.spectrum.values()))
    assert ((magnitudes >= 0.5) & (magnitudes <= 1.5)).all()


def test_the_distribution_has_the_twins_constants_and_correlations_asked_for() -> None:
    text = "planted-parity[n=24,terms=2,order=3,duplicates=4,constants=2,correlation=0.6]"
    instance = built(text)
    problem = instance.problem
    x = problem.sample(40_000)
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    mean, relevant = x.mean(0), torch.from_numpy(instance.truth.relevant())
    assert int((mean == 1).sum()) == 2
    assert torch.equal(mean == 1, problem.baseline == 1)
    inner = (x.T @ x / len(x)).fill_diagonal_(0)
    to_relevant = inner[~relevant][:, relevant]
    strongest = to_relevant.abs().amax(1).sort(descending=True).values
    assert torch.equal(strongest[:4], torch.ones(4))
    assert int((to_relevant == -1).sum()) == 2
    assert torch.allclose(strongest[4:10], torch.full((6,), 0.6), atol=0.02)
    assert inner[relevant][:, relevant].abs().max() < 0.03


def test_noise_is_a_share_of_the_signal() -> None:
    instance = built("planted-parity[n=16,noise=0.5,terms=3]")
    signal = np.sqrt(sum(c**2 for c in instance.truth.spectrum.values()))
    problem = restarted(instance.problem, budget=10**6, seed=0)
    x = problem.sample(50_000)
    noise = problem.value(x) - ScoringView(problem, 0).value(x)
    assert noise.std().item() == pytest.approx(0.5 * signal, rel=0.03)
