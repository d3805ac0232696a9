"""Scores of single units -> subsets, by stated rules: how such a method is asked for subsets.

A method that scores single units cannot say which of them act jointly. Where that is asked it
stands with two lifts, each named in its row, and never with its bare units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.errors import Undefined
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.metrics.outcome import Outcome

__all__ = ["LIFTS", "TOLD", "clusters_of_units", "lifted", "told_sizes"]

LEAST_SHARE = 0.1
MOST_UNITS = 64
ALIKE = 0.98


def told_sizes(
    scores: Float[ndarray, " n"], order: Int[ndarray, " n"], true: Sequence[Subset]
) -> dict[Subset, float]:
    """Subsets of the true sizes, which the truth tells, laid out as serves best.

    *End to end*: the first units in the order of importance are one subset, the next units another,
    and so on, of the true sizes in the order that holds most true subsets. *Nested*: for each size
    d of which there are m, the m blocks of the first d units, the next d, and so on, all sizes from
    the first unit on. The layout that holds more true subsets is taken, end to end if both hold
    as many. Units that score 0 are in none, nor is what is left of too few. A subset counts for the
    sum of its units' scores.

    Parameters
    ----------
    scores
        Importance of each unit, at least 0.
    order
        Units, most important first.
    true
        The true subsets.
    """
    ranked = [int(unit) for unit in order if scores[unit] > 0]
    wanted, counts = set(true), Counter(map(len, true))

    def block(start: int, size: int) -> Subset:
        return tuple(sorted(ranked[start : start + size]))

    nested = [
        block(start, size)
        for size, count in counts.items()
        for start in range(0, count * size, size)
        if start + size <= len(ranked)
    ]
    layouts = (_end_to_end(block, wanted, counts, len(ranked)), nested)
    best = max(layouts, key=lambda layout: len(wanted.intersection(layout)))
    return {subset: float(scores[list(subset)].sum()) for subset in best}


def _end_to_end(
    block: Callable[[int, int], Subset], wanted: set[Subset], counts: Counter[int], units: int
) -> list[Subset]:
    """Blocks of so many of each size, one after the other, in the order that holds most wanted.

    By dynamic programming over how many of each size are laid: they say where the next begins.
    """
    sizes = sorted(counts)
    best: dict[tuple[int, ...], tuple[int, list[Subset]]] = {(0,) * len(sizes): (0, [])}
    for laid in product(*(range(counts[size] + 1) for size in sizes)):
        end = sum(map(mul, laid, sizes))
        for at, size in enumerate(sizes):
            before = (*laid[:at], laid[at] - 1, *laid[at + 1 :])
            if before not in best or end > units:
                continue
            hits, blocks = best[before]
            new = block(end - size, size)
            tried = (hits + (new in wanted), [*blocks, new])
            if laid not in best or tried[0] > best[laid][0]:
                best[laid] = tried
    return max(best.values(), key=lambda found: (found[0], len(found[1])))[1]


def clusters_of_units(scores: Float[ndarray, " n"]) -> dict[Subset, float]:
    """Subsets of the units that score alike, told nothing.

    Of the units that score a tenth of the highest or more, at most 64 (those that tie with the
    65th left out), those are one subset whose scores lie within 2% of each other: clusters by
    complete linkage of the logarithms of scores, cut at -log 0.98 (Sorensen 1948;
    scipy.cluster.hierarchy). Units of one parity have equal scores in most methods; units of a
    layer hardly ever do, and so most stand alone. A subset counts for the sum of its units' scores.

    Parameters
    ----------
    scores
        Importance of each unit, at least 0.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if not scores.any():
        return {}
    least = LEAST_SHARE * scores.max()
    if len(scores) > MOST_UNITS:
        beyond = np.sort(scores)[-MOST_UNITS - 1]
        least = max(least, np.nextafter(beyond, np.inf))
    top = np.flatnonzero(scores >= least)
    if not len(top):
        return {}
    if len(top) == 1:
        return {(int(top[0]),): float(scores[top[0]])}
    merged = linkage(np.log(scores[top])[:, None], method="complete")
    label = fcluster(merged, -np.log(ALIKE), criterion="distance")
    groups = [tuple(top[label == one].tolist()) for one in np.unique(label)]
    return {group: float(scores[list(group)].sum()) for group in groups}


def _told(outcome: Outcome) -> dict[Subset, float]:
    truth = outcome.truth
    if truth is None:
        raise Undefined("the task has no known truth, which this lift would be told the sizes of")
    scores = outcome.attribution.units(outcome.problem.n)
    shuffled = outcome.generator("ties").permutation(len(scores))
    order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
    return told_sizes(scores, order, list(truth.spectrum))


#: The lift that the truth tells something.
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
        The truth would have to tell what it does not know; or nothing is planted, where scores of
        units, which are never all zero, have no way to report nothing.
    """
    if outcome.truth is not None and not outcome.truth.spectrum:
        raise Undefined("nothing is planted, and scores of units cannot report nothing")
    return Attribution.from_subsets(LIFTS[name](outcome), n=outcome.problem.n)
