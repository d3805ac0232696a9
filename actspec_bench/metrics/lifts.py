"""Scores of single units -> subsets, by stated rules: how such a method is asked for subsets.

A method that scores single units cannot say which of them act jointly. Where that is asked it
stands with two lifts, each named in its row, and never with its bare units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.errors import Undefined
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.metrics.outcome import Outcome

__all__ = ["LIFTS", "clusters_of_units", "lifted", "told_sizes"]

LEAST_SHARE = 0.1
MOST_UNITS = 64
ALIKE = 0.9


def told_sizes(
    scores: Float[ndarray, " n"], order: Int[ndarray, " n"], sizes: list[int]
) -> dict[Subset, float]:
    """Subsets of the true sizes, which the truth tells: an upper bound for scores of units.

    For each size d of which there are m, the m blocks of d units in the order of importance: the
    first d units, the next d, and so on. Units that score 0 are in none, nor is what is left of
    fewer than d. A subset counts for the sum of its units' scores.

    Parameters
    ----------
    scores
        Importance of each unit, at least 0.
    order
        Units, most important first.
    sizes
        Of the true subsets, in any order.
    """
    ranked = [int(unit) for unit in order if scores[unit] > 0]
    found: dict[Subset, float] = {}
    for size, count in sorted(Counter(sizes).items()):
        for start in range(0, min(count * size, len(ranked) - size + 1), size):
            block = tuple(sorted(ranked[start : start + size]))
            found[block] = float(scores[list(block)].sum())
    return found


def clusters_of_units(scores: Float[ndarray, " n"]) -> dict[Subset, float]:
    """Subsets of the units that score alike, told nothing.

    Of at most 64 units that score a tenth of the highest or more, those are one subset whose
    scores lie within 10% of each other: clusters by complete linkage of the logarithms of scores,
    cut at -log 0.9 (Sorensen 1948; scipy.cluster.hierarchy). Units of one parity have equal
    scores in most methods. A subset counts for the sum of its units' scores.

    Parameters
    ----------
    scores
        Importance of each unit, at least 0.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if not scores.any():
        return {}
    top = np.argsort(-scores, kind="stable")[:MOST_UNITS]
    top = np.sort(top[scores[top] >= LEAST_SHARE * scores.max()])
    if len(top) == 1:
        return {(int(top[0]),): float(scores[top[0]])}
    merged = linkage(np.log(scores[top])[:, None], method="complete")
    label = fcluster(merged, -np.log(ALIKE), criterion="distance")
    groups = [tuple(top[label == one].tolist()) for one in np.unique(label)]
    return {group: float(scores[list(group)].sum()) for group in groups}


def _told(outcome: Outcome) -> dict[Subset, float]:
    truth = outcome.truth
    if truth is None or not truth.spectrum:
        why = "the task has no known truth" if truth is None else "nothing is planted"
        raise Undefined(f"{why}, which this lift would be told the sizes of")
    scores = outcome.attribution.units(outcome.problem.n)
    shuffled = outcome.generator("ties").permutation(len(scores))
    order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
    return told_sizes(scores, order, [len(subset) for subset in truth.spectrum])


TOLD = "sizes told"
LIFTS: dict[str, Callable[[Outcome], dict[Subset, float]]] = {
    TOLD: _told,
    "clusters": lambda outcome: clusters_of_units(outcome.attribution.units(outcome.problem.n)),
}


def lifted(name: str, outcome: Outcome) -> Attribution:
    """Return the subsets that the lift ``name`` makes of an attribution of single units.

    Raises
    ------
    Undefined
        The truth would have to tell what it does not know.
    """
    return Attribution.from_subsets(LIFTS[name](outcome), n=outcome.problem.n)
