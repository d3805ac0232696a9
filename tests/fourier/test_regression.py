"""Least squares on characters, its robust errors, and the test of many."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import random_patterns

from actspec_bench.fourier import regression


def test_least_squares_equals_numpy_and_its_intervals_cover() -> None:
    pattern = random_patterns(400, 6)
    subsets = [(0,), (1, 2), (3, 4, 5)]
    truth = np.array([1.0, -0.5, 0.0])
    design = np.stack([np.ones(400), *(pattern[:, list(s)].prod(1).numpy() for s in subsets)], 1)
    covered = np.zeros(3)
    runs = 400
    for seed in range(runs):
        noise = np.random.default_rng(seed).standard_normal(400)
        values = design[:, 1:] @ truth + noise * (1 + (pattern[:, 0].numpy() > 0))
        fit = regression.least_squares(pattern, torch.from_numpy(values), subsets)
        expected = np.linalg.lstsq(design, values, rcond=None)[0][1:]
        assert fit.coefficients.numpy() == pytest.approx(expected, abs=1e-8)
        covered += np.abs(fit.coefficients.numpy() - truth) <= 1.96 * fit.errors.numpy()
    assert np.all(np.abs(covered / runs - 0.95) < 4 * (0.95 * 0.05 / runs) ** 0.5)


def test_grouped_errors_cover_where_rows_share_their_noise() -> None:
    pattern = random_patterns(50, 3).repeat_interleave(8, dim=0)
    group = torch.arange(50).repeat_interleave(8)
    covered, runs = 0, 400
    for seed in range(runs):
        noise = np.random.default_rng(seed).standard_normal(50).repeat(8)
        values = torch.from_numpy(noise) + pattern[:, 0]
        fit = regression.least_squares(pattern, values, [(0,)], group)
        covered += abs(fit.coefficients[0].item() - 1) <= 1.96 * fit.errors[0].item()
    assert abs(covered / runs - 0.95) < 0.04


def left_out(design: np.ndarray, values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The errors from their meaning: the solutions' spread when each group is left out in turn."""
    whole = np.linalg.lstsq(design, values, rcond=None)[0]
    moved = [
        np.linalg.lstsq(design[group != name], values[group != name], rcond=None)[0] - whole
        for name in set(group.tolist())
    ]
    return np.sqrt(np.square(moved).sum(0))[1:]


@pytest.mark.parametrize("rows_a_group", [1, 2, 5])
def test_standard_errors_are_the_spread_when_groups_are_left_out(rows_a_group: int) -> None:
    """Rows alone, groups of fewer rows than there are parameters, and of more."""
    rows = 9 * rows_a_group
    pattern = random_patterns(rows, 5, seed=4)
    values = np.random.default_rng(5).standard_normal(rows)
    group = np.arange(rows) // rows_a_group
    subsets = [(0,), (1, 2)]
    design = np.stack([np.ones(rows), *(pattern[:, list(s)].prod(1).numpy() for s in subsets)], 1)
    fit = regression.least_squares(
        pattern, torch.from_numpy(values), subsets, torch.from_numpy(group)
    )
    assert (fit.freedom <= 6).all()
    assert (fit.freedom > 1).all()
    assert fit.errors.numpy() == pytest.approx(left_out(design, values, group), rel=1e-9)
    if rows_a_group == 1:
        alone = regression.least_squares(pattern, torch.from_numpy(values), subsets)
        assert torch.equal(alone.errors, fit.errors)


def test_a_coefficient_that_hangs_on_one_row_is_no_discovery() -> None:
    """The two characters differ in a single row: their fit there is exact, and says nothing."""
    pattern = random_patterns(300, 3, seed=1)
    pattern[:, 1] = pattern[:, 0]
    pattern[17, 1] *= -1
    values = torch.from_numpy(np.random.default_rng(2).standard_normal(300)) + pattern[:, 0]
    values[17] += 4
    p_values = regression.least_squares(pattern, values, [(0,), (1,)]).p_values()
    assert p_values.min() > 0.05


def test_a_large_group_that_says_the_same_does_not_drown_rows_that_stand_alone() -> None:
    errors, covered, plain = [], [], []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        pattern = random_patterns(60 + 4 * 40, 3, seed=seed)
        group = torch.cat([torch.arange(60), 60 + torch.arange(4).repeat_interleave(40)])
        shared = np.concatenate(
            [generator.standard_normal(60), generator.standard_normal(4).repeat(40)]
        )
        values = torch.from_numpy(shared * pattern[:, 0].numpy()) + pattern[:, 1]
        fit = regression.least_squares(pattern, values, [(0,), (1,)], group)
        covered.append(abs(fit.coefficients[0].item()) <= 1.96 * fit.errors[0].item())
        errors.append(fit.coefficients[0].item())
        design = np.stack([np.ones(220), pattern[:, 0], pattern[:, 1]], 1)
        plain.append(np.linalg.lstsq(design, values.numpy(), rcond=None)[0][1])
    assert np.std(errors) < 0.6 * np.std(plain)
    assert np.mean(covered) > 0.88


def test_degrees_of_freedom_are_those_of_the_groups_that_carry_the_variance() -> None:
    """Of 205 groups five carry it all: intervals with t of 200 would be too narrow."""
    freedom, covered = [], []
    for seed in range(400):
        generator = np.random.default_rng(seed)
        pattern = random_patterns(200 + 5 * 20, 2, seed=seed)
        pattern[200:, 0] = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]).repeat_interleave(20)
        group = torch.cat([torch.arange(200), 200 + torch.arange(5).repeat_interleave(20)])
        noise = np.concatenate([np.zeros(200), 30 * generator.standard_normal(5).repeat(20)])
        fit = regression.least_squares(pattern, torch.from_numpy(noise), [(0,)], group)
        freedom.append(fit.freedom.item())
        covered.append(abs(fit.coefficients.item()) <= fit.half_widths().item())
    assert 2 < np.median(freedom) < 15
    assert np.mean(covered) > 0.9


def test_characters_that_earlier_ones_span_are_left_out() -> None:
    pattern = random_patterns(200, 5, seed=3)
    pattern[:, 3] = pattern[:, 0] * pattern[:, 1]
    pattern[:, 4] = 1.0
    subsets = [(0, 1), (3,), (2,), (4,), (2, 4), (0,)]
    assert regression.linearly_independent(pattern, subsets) == [(0, 1), (2,), (0,)]
    assert (
        regression.linearly_independent(pattern[:2], subsets)
        == regression.linearly_independent(pattern[:2], subsets)[:1]
    )


def test_a_fit_does_not_depend_on_the_level_of_the_values() -> None:
    """Neither coefficients nor errors, nor the floor below which no error is taken."""
    pattern = random_patterns(60, 4, seed=6)
    noise = torch.from_numpy(np.random.default_rng(7).standard_normal(60))
    for values in (pattern[:, 0] + noise, pattern[:, 0].double() * 3):
        plain, raised = (
            regression.least_squares(pattern, values + level, [(0,), (1, 2)])
            for level in (0.0, 1e4)
        )
        assert raised.coefficients.numpy() == pytest.approx(plain.coefficients.numpy(), abs=1e-8)
        assert raised.errors.numpy() == pytest.approx(plain.errors.numpy(), rel=1e-6)
    floor = regression.NUMERICAL_FLOOR * float(values.std()) / 60**0.5
    assert plain.errors.numpy() == pytest.approx([floor] * 2)


def test_benjamini_hochberg_step_up_by_hand() -> None:
    p = np.array([0.001, 0.03, 0.021, 0.9, 0.04])
    assert regression.discoveries(p, 0.05).tolist() == [True, True, True, False, True]
    assert regression.discoveries(np.array([0.02, 0.9, 0.9, 0.9]), 0.05).tolist() == [False] * 4
    assert regression.discoveries(np.zeros(0), 0.05).tolist() == []


def test_r2_on_fresh_rows_is_that_of_a_regression_by_scikit_learn() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    fitted, scored = (random_patterns(rows, 5, seed=rows) for rows in (300, 200))
    subsets = [(0,), (1, 3), (2, 3, 4), (1,)]

    def values(pattern: torch.Tensor) -> torch.Tensor:
        noise = torch.from_numpy(rng.standard_normal(len(pattern)))
        return 0.7 + pattern[:, 0] - 0.5 * pattern[:, 1] * pattern[:, 3] + noise

    def columns(pattern: torch.Tensor) -> np.ndarray:
        return np.stack([pattern[:, list(s)].prod(1).numpy() for s in subsets], axis=1)

    y, fresh = values(fitted), values(scored)
    model = LinearRegression().fit(columns(fitted), y)
    expected = r2_score(fresh, model.predict(columns(scored)))
    found = regression.fresh_r2((fitted, y), (scored, fresh), subsets)
    assert found == pytest.approx(expected)
    # Where the function has turned round, the model says less than the mean does.
    assert regression.fresh_r2((fitted, y), (scored, -fresh), subsets) < -1
