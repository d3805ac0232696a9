"""What the benchmark of layers compares by: agreement of answers, and its plain rivals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import parity_sum

from actspec_bench import Attribution, Problem
from actspec_bench.problems.views import restarted
from benchmarks.layers import rivals
from benchmarks.layers.agreement import agreement, jaccard, likeness
from benchmarks.layers.contestants import CONTESTANTS


def dependent(rows: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Patterns whose units share latent numbers, and a decision that hangs on the same."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((rows, 3))
    pattern = np.where(latent @ rng.standard_normal((3, n)) > 0.3, 1.0, -1.0)
    return pattern, np.where(latent[:, 0] * latent[:, 1] + latent[:, 2] > 0, 1.0, -1.0)


def test_agreement_is_what_counting_and_correlations_give() -> None:
    one, other = [(0,), (1, 2), (3,)], [(1, 2), (0, 4), (5,), (3,)]
    assert jaccard(one, other) == 2 / 5
    assert jaccard(one, []) == 0
    assert jaccard([], []) is None
    pattern = torch.from_numpy(dependent(500, 6)[0])
    chi = {s: pattern[:, list(s)].prod(1).numpy() for s in {*one, *other}}
    best = [
        [max(abs(np.corrcoef(chi[s], chi[t])[0, 1]) for t in b) for s in a]
        for a, b in ((one, other), (other, one))
    ]
    expected = (np.mean(best[0]) + np.mean(best[1])) / 2
    assert likeness(pattern, one, other) == pytest.approx(expected)
    assert likeness(pattern, one, []) == 0
    assert likeness(pattern, [], []) is None
    pattern[:, 5] = 1.0
    assert likeness(pattern, [(5,)], [(0,)]) == 0
    assert likeness(pattern, [(5,)], [(5,)]) == 1


def test_agreement_of_several_answers_is_the_mean_over_pairs_of_their_first_five() -> None:
    pattern = torch.from_numpy(dependent(300, 9)[0])
    answers = [[(i,) for i in range(6)], [(i,) for i in range(1, 7)], [(i,) for i in range(4, 9)]]
    told = agreement(pattern, answers)
    pairs = [(0, 1), (0, 2), (1, 2)]
    tops = [answer[:5] for answer in answers]
    same = np.mean([jaccard(tops[i], tops[j]) for i, j in pairs])
    alike = np.mean([likeness(pattern, tops[i], tops[j]) for i, j in pairs])
    assert np.mean([j5 for j5, _ in told]) == pytest.approx(same)
    assert np.mean([soft5 for _, soft5 in told]) == pytest.approx(alike)
    assert agreement(pattern, answers[:1]) == [(None, None)]


@pytest.mark.parametrize("biased", [False, True])
def test_pursuit_takes_subsets_in_the_order_of_a_pursuit_by_hand(biased: bool) -> None:
    pattern, values = dependent(400, 7)
    problem = Problem.from_samples(torch.from_numpy(pattern), torch.from_numpy(values))
    found = rivals.pursuit(problem, 2, biased=biased)
    seen = problem.rows
    assert seen is not None
    x = problem.pattern(seen).double().numpy()
    y = problem.value_of_rows(torch.arange(len(seen))).double().numpy()
    subsets = rivals.pursuit_candidates(x, y, 2)
    assert len(subsets) == 7 + 21
    basis = (x - x.mean(0)) / x.std(0) if biased else x
    columns = np.stack([basis[:, list(s)].prod(1) for s in subsets], 1)
    columns = (columns - columns.mean(0)) / columns.std(0)
    taken: list[int] = []
    rest = y - y.mean()
    for _ in range(8):
        taken.append(int(np.abs(columns.T @ rest).argmax()))
        chosen = columns[:, taken]
        rest = y - y.mean() - chosen @ np.linalg.lstsq(chosen, y - y.mean(), rcond=None)[0]
    assert list(found.subsets[:8]) == [subsets[i] for i in taken]
    assert (np.diff(found.importance) < 0).all()
    # With as many columns as were taken, the coefficients are those of least squares.
    design = np.stack([basis[:, list(s)].prod(1) for s in found.subsets], axis=1)
    fitted = np.linalg.lstsq(design - design.mean(0), y - y.mean(), rcond=None)[0]
    assert found.coefficients == pytest.approx(fitted)


def test_candidates_are_units_that_vary_and_sets_of_the_strongest() -> None:
    pattern, values = dependent(600, 60)
    pattern[:, 3] = 1.0
    pattern[:12, 3] = -1.0
    found = rivals.pursuit_candidates(pattern, values, 3)
    singles, pairs, triples = ([s for s in found if len(s) == k] for k in (1, 2, 3))
    varying = [i for i in range(60) if 1 - pattern[:, i].mean() ** 2 > 0.1]
    assert (3,) not in singles
    assert singles == [(i,) for i in varying]
    assert (len(pairs), len(triples)) == (40 * 39 // 2, 14 * 13 * 12 // 6)
    strength = {i: abs(np.corrcoef(pattern[:, i], values)[0, 1]) for i in varying}
    strongest = sorted(varying, key=lambda i: -strength[i])
    assert {i for s in pairs for i in s} == set(strongest[:40])
    assert {i for s in triples for i in s} == set(strongest[:14])


def test_rivals_find_what_is_planted_and_spend_no_more_than_the_budget() -> None:
    problem = parity_sum({(2,): 1.0, (0, 4): -0.8, (1, 3, 5): 0.6}, 8)
    for name, first in {
        "pursuit, order 1": [(2,)],
        "pursuit, up to 3": [(2,), (0, 4), (1, 3, 5)],
        "pursuit, up to 3, p-biased": [(2,), (0, 4), (1, 3, 5)],
        "16 most correlated units": [(2,)],
        "lasso, order 1": [(2,)],
        "actspec, rows given": [(2,), (0, 4), (1, 3, 5)],
    }.items():
        asked = restarted(problem, budget=3000, seed=1)
        found = CONTESTANTS[name].find(asked, 1)
        assert isinstance(found, Attribution)
        assert list(found.subsets[: len(first)]) == first, name
        assert sum(asked.spent.values()) == 3000


def test_the_p_biased_pursuit_multiplies_what_units_deviate_by() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((4000, 4)) < 0.9, 1.0, -1.0)
    deviations, states = (x[:, 0] - 0.8) * (x[:, 1] - 0.8), x[:, 0] * x[:, 1]
    of_deviations, of_states = Problem.from_samples(x, deviations), Problem.from_samples(x, states)
    assert rivals.pursuit(of_deviations, 2, biased=True).subsets[0] == (0, 1)
    assert rivals.pursuit(of_states, 2).subsets[0] == (0, 1)
    # The product of two states correlates with each by 0.63, with the deviations' by 0.47.
    assert len(rivals.pursuit(of_states, 2, biased=True).subsets[0]) == 1
