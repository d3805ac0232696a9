"""Attributions are sorted, checked, and cut at ties evenly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scoring import rng

from actspec_bench import Attribution


def test_subsets_are_sorted_and_the_empty_one_left_out() -> None:
    found = Attribution.from_subsets({(7, 3): -0.8, (2,): 0.1, (): 5.0, (1, 2): 0.8})
    assert found.subsets == ((1, 2), (3, 7), (2,))
    assert found.coefficients.tolist() == [0.8, -0.8, 0.1]


def test_units_sums_the_magnitudes_of_the_subsets_that_hold_a_unit() -> None:
    found = Attribution.from_subsets({(0, 2): -0.5, (2,): 0.25}, n=4)
    assert found.units().tolist() == [0.5, 0.0, 0.75, 0.0]
    assert Attribution.from_units(torch.tensor([1.0, -2.0, 0.0])).units().tolist() == [1, 2, 0]


def test_units_become_singletons_without_those_that_score_zero() -> None:
    found = Attribution.from_units([0.0, -3.0, 1.0])
    assert found.subsets == ((1,), (2,))
    assert found.coefficients.tolist() == [-3.0, 1.0]


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ({(1, 1): 1.0}, "holds a unit twice"),
        ({(-1,): 1.0}, "negative"),
        ({(4,): 1.0}, "not below n=4"),
        ({(0.5,): 1.0}, "not a unit index"),
        ({(0,): float("nan")}, "not a finite number"),
        ({(0, 1): 1.0, (1, 0): 2.0}, "given twice"),
    ],
)
def test_wrong_subsets_are_refused(coefficients: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attribution.from_subsets(coefficients, n=4)


@pytest.mark.parametrize("scores", [[1.0, float("nan")], [[1.0]], [float("inf")]])
def test_wrong_unit_scores_are_refused(scores: list) -> None:
    with pytest.raises(ValueError, match=r"finite|shape"):
        Attribution.from_units(scores)


def test_ties_at_the_cut_are_broken_evenly() -> None:
    constant = Attribution.from_units(np.ones(5))
    counts = np.zeros(5)
    for seed in range(2000):
        for (unit,) in constant.top(2, rng(seed)):
            counts[unit] += 1
    assert np.all(np.abs(counts / 2000 - 0.4) < 4 * np.sqrt(0.4 * 0.6 / 2000))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8, unique_by=abs))
def test_top_is_by_magnitude(scores: list[float]) -> None:
    found = Attribution.from_units(scores)
    top = [abs(scores[unit]) for (unit,) in found.top(len(scores), rng(0))]
    assert top == sorted(top, reverse=True)


@pytest.mark.parametrize(
    ("subsets", "coefficients"),
    [(((1, 0),), [1.0]), (((-1,),), [1.0]), (((0,), (0,)), [1.0, 2.0]), (((0,),), [1.0, 2.0])],
)
def test_an_attribution_made_directly_is_checked_too(subsets: tuple, coefficients: list) -> None:
    with pytest.raises(ValueError, match=r"sorted|negative|twice|coefficients"):
        Attribution(subsets, np.array(coefficients), "subsets", 4)
