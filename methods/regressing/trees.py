"""Boosted trees on states -> the subsets of their split paths, tested on rows they never saw.

A leaf that is reached where units i of a path of length L have the signs s_i is worth its value v
times the product of the (1 + s_i x_i) / 2, so that v 2^-L times the product of the signs of S goes
to the coefficient of every subset S of the path: all leaves of all trees make up the Fourier
spectrum of the boosted function (Butler et al. 2025, ProxySPEX, arXiv:2505.17495, algorithm 1).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.methods.regressing.columns import Listed
from actspec_bench.methods.regressing.observed import Observed, nothing, observed, weighed
from actspec_bench.methods.regressing.pursuit import take
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On

if TYPE_CHECKING:
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

    Leaf = tuple[tuple[int, ...], tuple[int, ...], float]

__all__ = ["boosted_trees", "heaviest", "leaves_of", "spectrum_of"]

HELD_OUT = 4
ROWS_A_TEST = 10
MOST_TESTED = 256
LEAF_ROWS = 5
NOTHING_PASSED = "no subset of a split path is significant on the rows kept for the test"


def leaves_of(nodes: Any) -> list[Leaf]:
    """Units of the splits above each leaf, the sign that each takes, and the leaf's value.

    ``nodes`` are scikit-learn's: records of ``is_leaf``, ``feature_idx``, ``left``, ``right`` and
    ``value``; of on/off units the left branch is the one that is off.
    """
    found: list[Leaf] = []
    open_: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = [(0, (), ())]
    while open_:
        at, units, signs = open_.pop()
        node = nodes[at]
        if node["is_leaf"]:
            found.append((units, signs, float(node["value"])))
            continue
        below = (*units, int(node["feature_idx"]))
        open_.append((int(node["left"]), below, (*signs, -1)))
        open_.append((int(node["right"]), below, (*signs, 1)))
    return found


def spectrum_of(leaves: list[Leaf], n: int, order: int) -> dict[Subset, float]:
    """Fourier coefficients, of subsets of 1 to ``order`` units, of the sum of all trees."""
    by_length: dict[int, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        by_length[len(leaf[0])].append(leaf)
    totals: dict[int, list[tuple[ndarray, ndarray]]] = defaultdict(list)
    for length, same in by_length.items():
        units = np.array([leaf[0] for leaf in same], dtype=np.int64).reshape(len(same), length)
        signs = np.array([leaf[1] for leaf in same], dtype=float).reshape(len(same), length)
        value = np.array([leaf[2] for leaf in same]) / 2**length
        ascending = np.argsort(units, axis=1)
        units, signs = (np.take_along_axis(part, ascending, 1) for part in (units, signs))
        for size in range(1, min(order, length) + 1):
            for places in combinations(range(length), size):
                key = units[:, places] @ n ** np.arange(size - 1, -1, -1)
                totals[size].append((key, value * signs[:, places].prod(1)))
    found: dict[Subset, float] = {}
    for size, parts in totals.items():
        keys, at = np.unique(np.concatenate([key for key, _ in parts]), return_inverse=True)
        sums = np.bincount(at, np.concatenate([value for _, value in parts]))
        digits = keys[:, None] // n ** np.arange(size - 1, -1, -1) % n
        found |= dict(zip(map(tuple, digits.tolist()), sums.tolist(), strict=True))
    return found


def heaviest(spectrum: dict[Subset, float], most: int) -> list[Subset]:
    """Subsets of the largest coefficients, not all zero; of equal ones the smaller first."""
    ranked = sorted(spectrum, key=lambda s: (-abs(spectrum[s]), len(s), s))
    return [s for s in ranked[:most] if spectrum[s]]


def _grown(seen: Observed, trees: int, depth: int, rate: float, seed: int) -> list[Leaf]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        learning_rate=rate,
        max_iter=trees,
        max_depth=depth,
        max_leaf_nodes=2**depth,
        min_samples_leaf=LEAF_ROWS,
        early_stopping=False,
        random_state=seed,
    ).fit(seen.pattern.numpy(), seen.values.numpy())
    # The library offers its trees under no public name; `leaves_of` has what it reads of them.
    return [leaf for stage in model._predictors for leaf in leaves_of(stage[0].nodes)]


def boosted_trees(
    problem: Problem, *, order: int, trees: int, depth: int, rate: float, on: On, level: float
) -> Attribution:
    """See the method `boosted-trees` in `methods.regressions`."""
    seen = observed(problem, on)
    if seen.constant:
        return nothing(seen, {}, "", problem.n)
    chosen = torch.randperm(seen.inputs, generator=problem.generator) % HELD_OUT != 0
    grow, test = seen.part(chosen[seen.input]), seen.part(~chosen[seen.input])
    seed = problem.generator.initial_seed() % 2**32
    spectrum = spectrum_of(_grown(grow, trees, depth, rate, seed), problem.n, order)
    most = min(MOST_TESTED, max(test.inputs // ROWS_A_TEST, 1))
    candidates = Listed(test.pattern, heaviest(spectrum, most))
    info: dict[str, Any] = {"on_paths": len(spectrum), "tested": len(candidates)}
    if not candidates or test.constant:
        return nothing(seen, info, NOTHING_PASSED, problem.n)
    taken = take(candidates, test.values, test.input, most=most, level=level)
    found = [candidates.subsets[position] for position in taken.positions]
    if not found:
        return nothing(seen, info, NOTHING_PASSED, problem.n)
    return weighed(seen, dict(zip(found, taken.gains, strict=True)), info, problem.n)
