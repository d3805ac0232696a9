"""Scores of instances -> intervals and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray

__all__ = ["LEAST_INSTANCES", "bootstrap_interval", "clearly_better", "ranks"]

LEAST_INSTANCES = 5
RESAMPLES = 10_000
LEVEL = 0.95


@cache
def _resamples(k: int) -> Int[ndarray, "resamples k"]:
    return np.random.default_rng(k).integers(0, k, (RESAMPLES, k))


@cache
def _tail(k: int) -> float:
    """Share of the bootstrap distribution to leave out at each end for k values."""
    from statistics import NormalDist

    return NormalDist().cdf(-((k / (k - 1)) ** 0.5) * _student_quantile((1 + LEVEL) / 2, k - 1))


def _student_quantile(probability: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def bootstrap_interval(values: Float[ndarray, " instances"]) -> tuple[float, float] | None:
    r"""95% expanded percentile bootstrap interval of the mean over instances.

    The percentiles are those of
    :math:`\Phi(\mp \sqrt{k / (k-1)}\, t_{0.975, k-1})`, which makes up for the narrowness of the
    plain percentile interval with few values (Hesterberg 2015, The American Statistician
    69:371-386): with five it covers about 93% instead of 83%. 10,000 resamples from a fixed seed,
    so equal scores give equal intervals. With fewer than five instances there is none.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < LEAST_INSTANCES:
        return None
    means = values[_resamples(len(values))].mean(1)
    low, high = np.quantile(means, [_tail(len(values)), 1 - _tail(len(values))])
    return float(low), float(high)


def clearly_better(
    one: Float[ndarray, " instances"],
    other: Float[ndarray, " instances"],
    *,
    higher_is_better: bool,
) -> bool:
    """Whether the interval of the paired difference lies on the better side of zero."""
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    interval = bootstrap_interval(difference if higher_is_better else -difference)
    return interval is not None and interval[0] > 0


def ranks(
    scores: Mapping[str, Float[ndarray, " instances"]], *, higher_is_better: bool
) -> dict[str, int]:
    """Rank methods by paired comparison: 1 plus the number of methods clearly better.

    Being clearly better is not transitive, so a method might come out below one whose mean is
    worse; it then shares that one's rank. With fewer than five instances nothing can be told
    and there are no ranks. Pairs are not corrected for their number.

    Parameters
    ----------
    scores
        Method -> scores, the same instances in the same order for all.
    """
    if any(len(values) < LEAST_INSTANCES for values in scores.values()):
        return {}
    sign = 1.0 if higher_is_better else -1.0
    means = {method: sign * float(np.mean(values)) for method, values in scores.items()}
    result = {
        method: 1
        + sum(
            clearly_better(theirs, own, higher_is_better=higher_is_better)
            for other, theirs in scores.items()
            if other != method
        )
        for method, own in scores.items()
    }
    return {
        method: min(rank for other, rank in result.items() if means[other] <= means[method])
        for method in result
    }
