"""The joint fit of every query made, and its intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns

from actspec_bench import Problem, attribute
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.problems.views import restarted


def test_coefficients_chosen_narrowly_come_from_rows_that_chose_nothing() -> None:
    problem = restarted(parity_sum({(0,): 1.0, (1, 2): 0.02}, 5), budget=2000, seed=0)
    noisy = Problem(replace(problem._source, noise=0.3), budget=2000, seed=0)
    queries = Queries(noisy)
    queries.ask_drawn(noisy.sample(600))
    queries.hold(noisy.sample(300))
    subsets = [(0,), (1, 2)]
    together, alone = queries.fit(subsets), queries._on(queries.held, subsets)
    whole = queries._on([0, 1], subsets)
    assert together.coefficients[0] == whole.coefficients[0]
    assert together.errors[0] == whole.errors[0]
    assert together.coefficients[1] == alone.coefficients[1] != whole.coefficients[1]
    assert together.errors[1] == alone.errors[1] > whole.errors[1]


def test_where_units_depend_on_each_other_the_fit_is_on_draws_alone() -> None:
    problem, _ = planted("planted-parity[n=12,terms=2,order=2,correlation=0.5]", 0, 3000)
    queries = Queries(problem)
    queries.ask(torch.ones(400, 12), 8)
    queries.ask_drawn(problem.sample(500))
    assert queries.fit([(0,)]).errors == queries._on([1], [(0,)]).errors


def test_the_joint_refit_counts_rows_that_share_draws_once() -> None:
    """Eight equal rows a group say no more than one, whether asked at once or later."""
    x = random_patterns(40, 5, seed=9)
    problem = restarted(parity_sum({(0,): 1.0, (1, 2): 0.7, (3, 4): 0.4}, 5), budget=999, seed=0)
    once, grouped = Queries(problem), Queries(problem)
    once.ask(x.repeat_interleave(2, dim=0), 40)
    first = grouped.next_group
    grouped.ask(x.repeat_interleave(5, dim=0), 40)
    grouped.ask(x.repeat_interleave(3, dim=0), 40, first=first)
    expected, found = once.fit([(0,), (1, 2)]), grouped.fit([(0,), (1, 2)])
    assert found.errors.numpy() == pytest.approx(expected.errors.numpy(), rel=1e-6)
    assert found.freedom.numpy() == pytest.approx(expected.freedom.numpy(), rel=1e-6)
    assert (found.freedom == 37).all()


def test_actspec_s_intervals_cover_and_are_no_wider_than_they_need_be() -> None:
    covered, widths = [], []
    for seed in range(60):
        problem, truth = planted("planted-parity[noise=0.3,terms=3]", seed, 10_000)
        found = attribute("actspec", problem)
        for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True):
            if subset in truth.spectrum:
                covered.append(low <= truth.spectrum[subset] <= high)
                widths.append(high - low)
    assert len(covered) > 150
    assert 0.88 <= np.mean(covered) <= 0.99
    assert 0.01 < np.mean(widths) < 0.06  # least squares on 10,000 rows: 4 * 0.5 / 100 = 0.02


def test_intervals_cover_where_the_subsets_reported_are_not_all_there_is() -> None:
    """A tenth of the energy is spread over all 4,096 coefficients: no sparse model is true."""
    large = {(0, 5, 7): 1.0, (1, 2, 3, 4): -0.7, (8,): 0.5}
    patterns = all_patterns(12)
    weights = 2 ** torch.arange(12)
    errors, covered = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = sum(c * patterns[:, list(s)].prod(1) for s, c in large.items())
        table = table + 0.4 * torch.from_numpy(rng.standard_normal(4096)).float()
        spectrum = walsh_hadamard(table)
        function = Problem.from_function(lambda x, t=table: t[((x < 0) * weights).sum(1)], 12)
        found = attribute("actspec", restarted(function, budget=2000, seed=seed))
        bounds = dict(zip(found.subsets, found.info["intervals_95"], strict=True))
        for subset in large:
            low, high = bounds[subset]
            truth = spectrum[sum(2**i for i in subset)].item()
            covered.append(low <= truth <= high)
            errors.append((found.as_dict()[subset] - truth) / (high - low))
    assert 0.89 <= np.mean(covered) <= 0.99  # of 180, three standard deviations are 0.05
    assert 0.2 < np.std(errors) < 0.32  # 1 / 3.92 = 0.255
