"""The parts of a pursuit, against least squares and enumeration."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from actspec_bench import Problem
from actspec_bench.fourier import Subset
from actspec_bench.fourier.regression import least_squares
from actspec_bench.methods.actspec import dense, estimates, pool
from actspec_bench.methods.actspec.inputs import Inputs
from actspec_bench.methods.actspec.pursuit import Gram, centred, ranked, shortlist

SUBSETS: list[Subset] = [(0,), (1,), (0, 1), (2, 3), (0, 2, 4), (5,)]


def dependent(rows: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, 3, generator=generator)
    return z @ torch.randn(3, 8, generator=generator) + 0.4


def states(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, 1.0, -1.0)


def r2_of(pattern: torch.Tensor, y: torch.Tensor, subsets: list[Subset]) -> float:
    """Variance that a fit with an intercept explains, by numpy."""
    columns = [pattern[:, list(s)].prod(1).numpy() for s in subsets]
    design = np.stack([np.ones(len(y)), *columns], axis=1)
    fitted = design @ np.linalg.lstsq(design, y.numpy(), rcond=None)[0]
    return float(((fitted - y.numpy().mean()) ** 2).mean())


def test_gains_are_what_a_fit_gains() -> None:
    pattern = states(dependent(3000))
    y = torch.tanh(dependent(3000) @ torch.arange(8.0) / 8)
    gram = Gram.of(pattern, y, SUBSETS)
    for taken in ([], [1], [3, 0, 4]):
        before = r2_of(pattern, y, [SUBSETS[i] for i in taken])
        gains = gram.gains(taken)
        for i, subset in enumerate(SUBSETS):
            if i not in taken:
                more = r2_of(pattern, y, [*(SUBSETS[j] for j in taken), subset])
                assert float(gains[i]) == pytest.approx(more - before, abs=1e-5)
    adds = gram.sequential(SUBSETS)
    assert sum(a**2 for a in adds) == pytest.approx(r2_of(pattern, y, SUBSETS), abs=1e-5)


def test_what_nothing_is_lost_without_is_dropped_and_noise_is_not_taken() -> None:
    """(0, 1) alone explains most of (0, 1, 3) where unit 3 is mostly on, and then nothing."""
    generator = torch.Generator().manual_seed(2)
    pattern = torch.where(torch.rand(4000, 12, generator=generator) < 0.5, 1.0, -1.0)
    pattern[:, 3] = torch.where(torch.rand(4000, generator=generator) < 0.95, 1.0, -1.0)
    y = pattern[:, 0] * pattern[:, 1] * pattern[:, 3] + 0.2 * torch.randn(4000, generator=generator)
    every = [s for k in (1, 2, 3) for s in combinations(range(12), k)]
    gram = Gram.of(pattern, y, every)
    assert [every[i] for i in ranked(gram, len(every))] == [(0, 1, 3)]
    noise = Gram.of(pattern, torch.randn(4000, generator=generator), every)
    assert ranked(noise, len(every)) == []


def test_a_shortlist_reaches_subsets_beyond_its_pool() -> None:
    pattern = states(dependent(4000, 1))
    y = 3 * pattern[:, 0] + 2 * pattern[:, 1] + pattern[:, [0, 1, 2, 3]].prod(1)
    singles: list[Subset] = [(i,) for i in range(8)]
    triples = list(combinations(range(8), 3))
    listed, grown = shortlist(pattern, y, singles + triples, range(8), 4)
    assert (0, 1, 2, 3) in listed
    assert max(map(len, shortlist(pattern, y, singles + triples, range(8), 3)[0])) == 3
    assert 0 < len(set(listed) - {*singles, *triples}) <= grown


def test_pairs_and_triples_are_scored_as_one_by_one() -> None:
    pattern = states(dependent(500, 3))
    rest = torch.randn(500, generator=torch.Generator().manual_seed(3))
    rest = rest - rest.mean()
    for scores, places in (pool._pairs(pattern, rest), pool._triples(pattern, rest)):
        size = places.shape[1]
        assert sorted(map(tuple, places.tolist())) == list(combinations(range(8), size))
        chi = centred(pattern, [tuple(p) for p in places.tolist()])
        expected = (rest @ chi).square()
        assert torch.allclose(scores, expected, rtol=1e-3, atol=1e-3)


def test_units_left_out_are_named_with_the_reason() -> None:
    pattern = torch.ones(4000, 4)
    pattern[::2, 0] = -1
    pattern[:3, 2] = -1
    pattern[:100, 3] = -1
    units, left_out = pool.usable_units(pattern, 4000)
    assert units == [0, 3]
    assert left_out["always in one state"] == [1]
    (why,) = [why for why, named in left_out.items() if named == [2]]
    assert "less than 0.2%" in why


def made(rows: int, noise: float, seed: int = 0) -> Inputs:
    x = dependent(rows, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    y = x @ torch.arange(8.0) / 8 + noise * torch.randn(rows, generator=generator)
    inputs = Inputs.of(Problem.from_samples(x, y, heldout=(x[:8], y[:8]), seed=seed))
    inputs.ask(rows // 2)
    return inputs


def test_imputed_outcomes_are_unbiased_and_do_not_see_what_they_predict() -> None:
    inputs = made(6000, 0.3)
    told = dense.fitted(inputs)
    assert told.r2 > 0.8
    corrected = told.corrected(inputs)
    every = inputs.problem._source.sampler.values[inputs._numbers]
    untested = ~inputs.tested
    chi = centred(inputs.pattern[untested], SUBSETS)
    error = ((corrected - every)[untested, None] * chi).mean(0)
    assert float(error.abs().max()) < 4 * 0.3 / int(inputs.searched.sum()) ** 0.5
    rows = inputs.searched
    mean = float(corrected[untested].mean())
    assert mean == pytest.approx(float(every[untested].mean()), abs=0.03)
    shuffled = inputs.testing(0)
    order = torch.randperm(int(rows.sum()), generator=torch.Generator().manual_seed(9))
    shuffled.values[rows] = shuffled.values[rows][order]
    assert dense.fitted(shuffled).r2 < 0.02  # values that activations do not tell


def test_estimates_are_those_of_least_squares_on_rows_that_test() -> None:
    inputs = made(4000, 0.5, seed=4)
    joint = estimates.joint(inputs, SUBSETS)
    rows = inputs.tested
    plain = least_squares(inputs.pattern[rows], inputs.values[rows], SUBSETS)
    assert torch.allclose(joint.coefficients, plain.coefficients)
    assert torch.allclose(joint.errors, plain.errors)
    columns = centred(inputs.pattern, SUBSETS).double()
    basis = torch.zeros_like(columns)
    for k in range(len(SUBSETS)):  # Gram and Schmidt by hand, over all rows
        own = columns[:, k] - basis[:, :k] @ (basis[:, :k].T @ columns[:, k]) / len(columns)
        basis[:, k] = own / own.square().mean().sqrt()
    assert estimates.added(inputs, SUBSETS).numpy() == pytest.approx(basis.numpy(), abs=1e-5)
    design = np.c_[np.ones(int(rows.sum())), basis[rows].numpy()]
    fit = np.linalg.lstsq(design, inputs.values[rows].double().numpy(), rcond=None)[0][1:]
    assert (np.sign(estimates.statistics(inputs, SUBSETS)) == np.sign(fit)).all()


def test_subsets_that_hang_on_one_input_are_not_tested() -> None:
    """Against the leverages of the hat matrix, one column after the other."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.randint(0, 40, (200,), generator=generator)
    of_input = torch.randn(40, 8, generator=generator).double()
    of_input[:, 2] = 0
    of_input[3, 2] = 5.0  # one input
    of_input[:, 4] = of_input[:, 0] + of_input[:, 1]  # nothing of its own
    of_input[:, 6] = of_input[:, 5]
    of_input[[7, 9], 6] += 3.0  # a copy but for two inputs
    basis = of_input[groups]
    design, expected = torch.ones(200, 1).double(), []
    for column in range(8):
        more = torch.cat([design, basis[:, [column]]], dim=1)
        hat = (more @ torch.linalg.pinv(more)).diagonal()
        most = torch.zeros(40).double().index_add(0, groups, hat).max()
        if torch.linalg.matrix_rank(more, rtol=1e-9) == more.shape[1] and most <= 0.5:
            design, expected = more, [*expected, column]
    kept = estimates._testable(basis, groups)
    assert kept == expected
    assert not {2, 4} & set(kept)
    assert {0, 1, 3, 5, 7} <= set(kept)


def test_explained_and_supported_know_fits_that_do_not_hold() -> None:
    inputs = made(600, 3.0, seed=6)
    few, in_sample = estimates.explained(inputs, [(7,)])
    assert few.low < in_sample
    many = [s for k in (1, 2) for s in combinations(range(8), k)]
    tested, fit_to = estimates.explained(inputs, many)
    assert tested.value < fit_to - 0.05
    assert estimates.supported(inputs, many, 1000) < 10
    clear = made(6000, 0.1, seed=6)
    assert estimates.supported(clear, [(7,), (6,), (5,)], 1000) == 3


def test_the_first_six_stand_as_pursuit_takes_them_and_the_others_by_what_they_cost() -> None:
    """Against fits by numpy: a gain is discounted by 0.7 a unit, to a half at least."""
    generator = torch.Generator().manual_seed(5)
    shared = torch.randn(4000, 1, generator=generator)
    pattern = states(0.7 * shared + torch.randn(4000, 8, generator=generator))
    singles: list[Subset] = [(i,) for i in range(8)]
    every = [*singles, *combinations(range(8), 2)]
    y = pattern @ torch.linspace(-1, 1, 8) + 0.5 * pattern[:, [0, 1]].prod(1)
    y += 0.6 * pattern[:, [2, 3]].prod(1) + 0.5 * torch.randn(4000, generator=generator)
    order = [every[i] for i in ranked(Gram.of(pattern, y, every), len(every))]
    taken: list[Subset] = []
    for place in range(6):
        before = r2_of(pattern, y, taken)
        gains = {
            s: (r2_of(pattern, y, [*taken, s]) - before) * max(0.7 ** (len(s) - 1), 0.5)
            for s in every
            if s not in taken
        }
        best = max(gains, key=lambda subset: gains[subset])
        assert order[place] == best
        taken.append(best)
    assert len(order) > 8
    for end in range(len(order), 7, -1):
        left = order[:end]
        losses = {s: -r2_of(pattern, y, [o for o in left if o != s]) for s in left[6:]}
        assert min(losses, key=lambda subset: losses[subset]) == left[-1]
    strength = [abs(float((y - y.mean()) @ pattern[:, list(s)].prod(1))) for s in order]
    assert strength != sorted(strength, reverse=True)
