"""Bins against sums of coefficients, and their fit against the rows asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import LONG_TERMS, parity_sum, planted, rng, rows_of

from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.methods.aliasing.bins import Group, fitted


def group_of(terms: dict[tuple[int, ...], float], n: int, bits: int, seed: int) -> Group:
    generator = rng(seed)
    group = Group(np.eye(n, dtype=np.uint8)[generator.permutation(n)[:bits]])
    queries = Queries(parity_sum(terms, n))
    group.shift(queries, generator.integers(0, 2, (5, n), dtype=np.uint8))
    return group


@pytest.mark.parametrize("bits", [0, 1, 3, 6])
def test_a_bin_is_the_signed_sum_of_its_coefficients(bits: int) -> None:
    group = group_of(LONG_TERMS, 8, bits, bits)
    expected = np.zeros_like(group.bins)
    for subset, coefficient in LONG_TERMS.items():
        at = sum(
            int(direction[list(subset)].sum() % 2) << i
            for i, direction in enumerate(group.directions)
        )
        for shift, offset in enumerate(group.offsets):
            expected[shift, at] += coefficient * (-1.0) ** int(offset[list(subset)].sum())
    assert group.bins == pytest.approx(expected, abs=1e-6)
    members = rows_of(list(LONG_TERMS), 8)
    assert group.residual(members, np.array(list(LONG_TERMS.values()))) == pytest.approx(
        0, abs=1e-6
    )


def test_splitting_a_group_is_having_asked_the_larger_one() -> None:
    queries = Queries(parity_sum(LONG_TERMS, 8))
    generator = rng(4)
    directions = np.eye(8, dtype=np.uint8)[:3]
    offsets = generator.integers(0, 2, (4, 8), dtype=np.uint8)
    small, large = Group(directions[:2]), Group(directions)
    small.shift(queries, offsets)
    small.split(queries, directions[2])
    large.shift(queries, offsets)
    assert small.values == pytest.approx(large.values)
    assert small.bins == pytest.approx(large.bins)


def test_the_fit_in_bins_is_least_squares_on_the_rows() -> None:
    problem, truth = planted("planted-parity[n=12,terms=3,noise=0.5]", 0, 1000)
    queries, generator, groups = Queries(problem), rng(0), []
    for bits in (0, 2, 4):
        group = Group(np.eye(12, dtype=np.uint8)[generator.permutation(12)[:bits]])
        group.shift(queries, generator.integers(0, 2, (9, 12), dtype=np.uint8))
        groups.append(group)
    members = rows_of([*truth.spectrum, (0, 1, 2, 3)], 12)
    off = (torch.cat(queries.patterns).numpy() < 0).astype(int)
    design = 1.0 - 2.0 * (off @ members.T % 2)
    expected = np.linalg.lstsq(design, torch.cat(queries.values).double().numpy(), rcond=None)[0]
    coefficients, errors = fitted(groups, members)
    assert coefficients == pytest.approx(expected, abs=1e-6)
    assert errors == pytest.approx(np.sqrt(np.linalg.inv(design.T @ design).diagonal()), rel=1e-6)
