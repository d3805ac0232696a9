"""Scores of instances -> intervals and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray

__all__ = ["LEAST_INSTANCES", "bootstrap_interval", "ranks"]

LEAST_INSTANCES = 5
RESAMPLES = 10_000
LEVEL = 0.95


@cache
def _resamples(k: int) -> Int[ndarray, "resamples k"]:
    return np.random.default_rng(k).integers(0, k, (RESAMPLES, k))


def bootstrap_interval(values: Float[ndarray, " instances"]) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of the mean over instances (Efron & Tibshirani 1993).

    10,000 resamples from a fixed seed, so equal scores give equal intervals. With fewer than
    five instances there is none. With so few instances as five it is rather too narrow.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < LEAST_INSTANCES:
        return None
    means = values[_resamples(len(values))].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def ranks(
    scores: Mapping[str, Float[ndarray, " instances"]], *, higher_is_better: bool
) -> dict[str, int]:
    """Rank methods by paired comparison: 1 plus the number of methods that are better.

    A method is better than another if the 95% bootstrap interval of their difference over the
    same instances lies above zero, so methods that cannot be told apart share a rank. With
    fewer than five instances nothing can be told and there are no ranks.

    Parameters
    ----------
    scores
        Method -> scores, the same instances in the same order for all.
    """
    sign = 1.0 if higher_is_better else -1.0
    if any(len(values) < LEAST_INSTANCES for values in scores.values()):
        return {}
    result = {}
    for method, own in scores.items():
        better = 0
        for other, theirs in scores.items():
            if other != method:
                interval = bootstrap_interval(sign * (np.asarray(theirs) - np.asarray(own)))
                better += interval is not None and interval[0] > 0
        result[method] = 1 + better
    return result
