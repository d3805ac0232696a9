"""Interactions by intervention, against ANOVA by enumeration, spectra, and exact zeros."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scoring import rng

from actspec_bench.fourier.interaction import (
    candidate_pairs,
    interaction,
    mixed_differences,
    mixtures,
)

LEVELS = torch.tensor(list(product((0.0, 1.0, 2.5), (-1.0, 0.5), (0.0, 1.0, 3.0), (1.0, 2.0))))
Subset = tuple[int, ...]


def squares_of(
    function: object, first: torch.Tensor, second: torch.Tensor, subset: Subset
) -> torch.Tensor:
    values = function(mixtures(first, second, subset))
    return mixed_differences(values, len(subset)).square() / 2 ** len(subset)


def anova_variances(values: np.ndarray) -> dict[Subset, float]:
    """Variance of each component of a function on a grid, its units independent and uniform."""
    parts: dict[Subset, np.ndarray] = {}
    axes = range(values.ndim)
    for k in range(values.ndim + 1):
        for subset in combinations(axes, k):
            others = tuple(a for a in axes if a not in subset)
            mean = values.mean(others, keepdims=True) if others else values
            parts[subset] = mean - sum(p for s, p in parts.items() if set(s) < set(subset))
    return {s: float((p**2).mean()) for s, p in parts.items() if s}


@pytest.mark.parametrize("subset", [(0,), (1,), (0, 1), (0, 2), (1, 3), (0, 1, 2), (0, 1, 2, 3)])
def test_the_mean_over_all_pairs_is_the_anova_variance_of_all_supersets(subset: Subset) -> None:
    """Liu & Owen's theorem, on a grid of independent units and a function without any form."""
    table = torch.from_numpy(rng(0).standard_normal(len(LEVELS)))

    def function(x: torch.Tensor) -> torch.Tensor:
        return table[(x[:, None] == LEVELS[None]).all(2).long().argmax(1)]

    first = LEVELS.repeat(len(LEVELS), 1)
    second = LEVELS.repeat_interleave(len(LEVELS), 0)
    told = float(squares_of(function, first, second, subset).mean())
    parts = anova_variances(table.numpy().reshape(3, 2, 3, 2))
    assert told == pytest.approx(sum(v for s, v in parts.items() if set(subset) <= set(s)))


def test_a_sum_of_functions_that_each_lack_a_unit_has_none_however_rows_depend() -> None:
    base = torch.from_numpy(rng(0).standard_normal((500, 1))).float()
    x = (base + 0.2 * torch.from_numpy(rng(1).standard_normal((500, 4))).float()).relu()

    def additive(x: torch.Tensor) -> torch.Tensor:
        return 1e3 + x[:, 0].exp() + (3 * x[:, 1]).sin() + x[:, 0] * x[:, 2] ** 2

    for subset, none in (((0, 1), True), ((0, 1, 2), True), ((1, 3), True), ((0, 2), False)):
        squares = squares_of(additive, x[:250], x[250:], subset)
        assert bool((squares == 0).all()) is none


def test_pairs_that_agree_in_a_unit_are_not_asked_and_the_rest_is_a_fair_share() -> None:
    x = torch.from_numpy(rng(0).standard_normal((300, 2)).clip(0.5)).float()
    generator = torch.Generator().manual_seed(0)
    pairs, differing = candidate_pairs(x, 10**9, generator)
    assert len(pairs) == 300 * 150
    assert len({tuple(p) for p in pairs.tolist()}) == len(pairs)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert torch.bincount(pairs.ravel()).unique().tolist() == [300]
    both = (x[pairs[:, 0]] != x[pairs[:, 1]]).all(1)
    assert torch.nonzero(both)[:, 0].tolist() == differing.tolist()
    few, some = candidate_pairs(x, 100, generator)
    assert len(some) == pytest.approx(100, abs=40)
    assert len(some) / len(few) == pytest.approx(len(differing) / len(pairs), abs=0.15)
    assert torch.bincount(few.ravel()).max() <= 2 * -(-len(few) // 150)
    none, asked = candidate_pairs(torch.zeros(10, 2), 5, generator)
    assert (len(none), len(asked)) == (50, 0)


def test_intervals_cover_where_rows_are_in_many_pairs() -> None:
    """x0 x1 + x2 of sparse units; 150 rows bring thousands of pairs and yet are 150 rows."""

    def function(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] * x[:, 1] + x[:, 2]

    chances, levels = (0.5, 0.3, 0.2), (0.0, 1.0, 2.0)
    draw = rng(3)
    # Var(x0) Var(x1), and the variance of the product with that of x2.
    mean = np.dot(chances, levels)
    square = np.dot(chances, np.square(levels))
    alone = (square - mean**2) ** 2
    exact = alone / (square**2 - mean**4 + square - mean**2)
    shares, hits, naive = [], [], []
    for seed in range(300):
        x = torch.from_numpy(draw.choice(levels, (150, 3), p=chances)).float()
        pairs, asked = candidate_pairs(x[:, :2], 4000, torch.Generator().manual_seed(seed))
        squares = torch.zeros(len(pairs)).double()
        first, second = (x[pairs[asked, i]] for i in (0, 1))
        squares[asked] = squares_of(function, first, second, (0, 1))
        share, error = interaction(squares, pairs, function(x))
        shares.append(share)
        hits.append(abs(share - exact) < 1.96 * error)
        spread = float(squares.std() / len(squares) ** 0.5 / function(x).var())
        naive.append(abs(share - exact) < 1.96 * spread)
    assert np.mean(shares) == pytest.approx(exact, rel=0.03)
    assert 0.90 <= np.mean(hits) <= 0.985
    assert np.mean(naive) < 0.75
