"""The share of a joint effect that its parts do not explain, against spectra and closed forms."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import outcome, parity_sum, rng, score

from actspec_bench import Attribution, Problem, Undefined


@pytest.mark.parametrize(
    ("terms", "subsets"),
    [
        ({(0, 1, 2): 1.0}, [(0, 1, 2)]),
        ({(i,): 1.0 for i in range(6)}, [(0, 1), (2, 3)]),
        ({(0,): 1.0, (1,): 1.0, (0, 1): 0.5}, [(0, 1)]),
        ({(0,): 1.0, (0, 1): 1.0, (2, 3): 0.7}, [(0, 1), (2, 3), (4, 5)]),
        ({(0, 1): 1.0, (1, 2): 1.0, (0, 1, 2): 0.5}, [(0, 1, 2)]),
    ],
)
def test_joint_share_is_the_share_of_the_spectrum(terms: dict, subsets: list) -> None:
    """f^(S)^2 over the sum of f^(T)^2 for T inside S, summed over the reported subsets."""
    alone = sum(terms.get(s, 0.0) ** 2 for s in subsets)
    whole = sum(c**2 for s in subsets for t, c in terms.items() if set(t) <= set(s))
    problem = parity_sum(terms, 7)
    found = Attribution.from_subsets(dict.fromkeys(subsets, 1.0))
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(8)]
    assert np.mean(scores) == pytest.approx(alone / whole, abs=0.01)
    assert np.std(scores) < 0.05


def test_joint_share_of_dependent_units_counts_what_a_sum_can_explain() -> None:
    """Two units that never are off together: x0 x1 = 1 - ... is a sum of them, so no joint part."""
    rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1]]).repeat(100, 1)
    others = torch.from_numpy(rng(0).choice([-1.0, 1.0], (300, 12))).float()
    rows = torch.cat([rows, others], dim=1)
    problem = Problem.from_samples(rows, rows[:, 0] * rows[:, 1])
    found = Attribution.from_subsets({(0, 1): 1.0})
    # One draw more than the 65,536 would be the first without either: (3/2)^2 / (9 + 65,537).
    assert score("joint_share", outcome(problem, found)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("order", range(2, 11))
def test_joint_share_of_a_parity_is_one_at_every_order(order: int) -> None:
    subset = tuple(range(1, order + 1))
    found = Attribution.from_subsets({subset: 1.0})
    problem = parity_sum({subset: 1.0}, 12)
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(4)]
    assert scores == pytest.approx([1.0] * 4, abs=0.005)
    half = parity_sum({subset: 1.0, subset[:2]: 1.0} if order > 2 else {subset: 1.0, (1,): 1.0}, 12)
    scores = [score("joint_share", outcome(half, found, seed=s)) for s in range(8)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)


def test_joint_share_of_a_parity_of_biased_units_has_its_closed_form() -> None:
    """Of independent units on with probability q: (4 q (1 - q))^k of the parity's variance."""
    order, q = 6, 0.7

    def sampler(k: int, generator: torch.Generator) -> torch.Tensor:
        return torch.where(torch.rand(k, 8, generator=generator) < q, 1.0, -1.0)

    base = parity_sum({tuple(range(order)): 1.0}, 8)
    problem = Problem(replace(base._source, sampler=sampler, uniform=False))
    found = Attribution.from_subsets({tuple(range(order)): 1.0})
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(8)]
    share = (4 * q * (1 - q)) ** order / (1 - (2 * q - 1) ** (2 * order))
    assert np.mean(scores) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("spread", ["equal", "unequal"])
def test_joint_share_of_noise_is_seldom_defined_however_subsets_overlap(spread: str) -> None:
    """Without an effect the gate passes once in 200 times; ten overlapping subsets, 80 seeds."""

    def noise(x: torch.Tensor) -> torch.Tensor:
        rare = (x[:, :3] > 0).all(1)
        return x[:, 8] * x[:, 9] * (0.1 + 3 * rare if spread == "unequal" else 1)

    problem = Problem.from_function(noise, 10)
    found = Attribution.from_subsets({(0, i, j): 1.0 for i in range(1, 5) for j in range(i + 1, 6)})
    passed = 0
    for seed in range(80):
        with contextlib.suppress(Undefined):
            score("joint_share", outcome(problem, found, seed=seed))
            passed += 1
    assert passed <= 3  # P(more than 3 of 80 at 1 in 200) < 0.001


def test_joint_share_of_noise_in_given_rows_is_seldom_defined() -> None:
    """A row that is drawn twice brings its noise twice, to the values and to their copies."""
    passed = 0
    for seed in range(40):
        numbers = rng(seed)
        x = numbers.choice([-1.0, 1.0], (400, 12))
        problem = Problem.from_samples(x, numbers.standard_normal(400))
        found = Attribution.from_subsets({(0, 1): 1.0, (2, 3): 1.0, (4, 5, 6): 1.0})
        with contextlib.suppress(Undefined):
            score("joint_share", outcome(problem, found, seed=seed))
            passed += 1
    assert passed <= 3  # P(more than 3 of 40 at 1 in 200) < 0.0001


def test_joint_share_is_undefined_without_a_joint_effect() -> None:
    problem = parity_sum({(0, 1): 1.0}, 8)
    with pytest.raises(Undefined, match="no subset of 2 to 10"):
        score("joint_share", outcome(problem, Attribution.from_units(torch.ones(8))))
    with pytest.raises(Undefined, match="cannot be told from zero"):
        score("joint_share", outcome(problem, Attribution.from_subsets({(4, 5): 1.0})))
