"""The truth of an enumerated function, and truths that are none."""

from __future__ import annotations

import numpy as np
import pytest

from actspec_bench import Truth


def test_truth_of_an_enumerated_function_keeps_the_largest_and_ties() -> None:
    coefficients = np.array([9.0, 0.5, -0.25, 0.25, 0.1, 0.0, 0.0, 0.0])
    truth = Truth.from_coefficients(coefficients, subsets=2)
    assert dict(truth.spectrum) == {(0,): 0.5, (1,): -0.25, (0, 1): 0.25}
    assert not truth.exhaustive
    assert truth.relevant().tolist() == [True, True, False]


def test_truth_never_counts_zero_coefficients() -> None:
    truth = Truth.from_coefficients(np.array([1.0, 0.5, 0.0, 0.0]), subsets=3)
    assert dict(truth.spectrum) == {(0,): 0.5}


@pytest.mark.parametrize(
    ("spectrum", "message"),
    [({(70,): 1.0}, "outside 0 to 7"), ({(1, 0): 1.0}, "sorted"), ({(): 1.0}, "not empty")],
)
def test_a_wrong_truth_is_refused(spectrum: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Truth(spectrum, 8)
