"""Row against baseline -> Shapley interaction index of small subsets, by sampled permutations.

The function of a coalition T of units has T at the row's values and all others at the baseline's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.interacting.reporting import enough, reported
from actspec_bench.problems.explaining import (
    Aggregate,
    On,
    aggregated,
    explained,
    spread_rows,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

    Values = Float[ndarray, "permutations sets"]

__all__ = ["hamiltonian_paths", "permutation_cost", "shapley_interactions", "windows"]

BATCH_ROWS = 2**14
MOST_PERMUTATIONS = 2**16
MOST_SUBSETS = 2**22
# Samples of a subset of three, on average: one in a hundred and fifty then has none.
SAMPLES = 5


def hamiltonian_paths(n: int) -> Int[ndarray, "paths n"]:
    """Orders of n units in which every two units are neighbours once, ceil(n / 2) of them.

    Walecki's zigzags, which decompose the complete graph of an even number of vertices into paths
    (Lucas 1892; Alspach 2008, Bulletin of the ICA 52). Of an odd number one vertex more is
    dropped again, so that its neighbours meet once more.
    """
    even = n + n % 2
    step = (np.arange(even) + 1) // 2 * np.where(np.arange(even) % 2, 1, -1)
    paths = (np.arange(even // 2)[:, None] + step) % even
    return paths[paths < n].reshape(-1, n)


def permutation_cost(n: int, order: int) -> int:
    """Coalitions that `windows` evaluates for a permutation, besides none and all."""
    extra = {1: 0, 2: n - 1, 3: n - 1 + 2 * max(n - 2, 0)}
    return n - 1 + extra[order]


def _coalitions(rank: Int[Tensor, "permutations n"], order: int) -> Bool[Tensor, "all n"]:
    """Members of the coalitions of each permutation: prefixes, and what windows need besides."""
    n = rank.shape[1]
    place = rank[:, None, :]

    def sets(count: int, *further: int) -> Tensor:
        first = torch.arange(count)[:, None]
        inside = place < first
        for ahead in further:
            inside = inside | (place == first + ahead)
        return inside

    found = [sets(n)[:, 1:]]
    if order > 1:
        found.append(sets(n - 1, 1))
    if order > 2:
        found += [sets(n - 2, 2), sets(n - 2, 1, 2)]
    return torch.cat(found, dim=1)


def windows(
    f: Callable[[Bool[Tensor, "sets n"]], Float[ndarray, " sets"]],
    permutations: Int[ndarray, "permutations n"],
    order: int,
    ends: tuple[float, float],
) -> list[Float[ndarray, "permutations windows"]]:
    r"""Discrete derivatives at the units that stand next to each other in each permutation.

    .. math:: \Delta_S f(T) = \sum_{L \subseteq S} (-1)^{|S| - |L|} f(T \cup L)

    of every window S of 1, 2, ... ``order`` places and the units T before it. If the order is
    uniform, T is of uniform size and uniform given its size, as in the index (Grabisch & Roubens
    1999, definition 3), so that each is an unbiased estimate of the index of S.

    Parameters
    ----------
    f
        Members of coalitions -> values.
    ends
        Values of no unit and of all.
    """
    n = permutations.shape[1]
    rank = torch.from_numpy(np.argsort(permutations, axis=1))
    members = _coalitions(rank, order)
    y = f(members.reshape(-1, n)).reshape(len(permutations), -1)
    none, whole = (np.full((len(y), 1), end) for end in ends)
    chain = np.concatenate([none, y[:, : n - 1], whole], axis=1)
    found = [np.diff(chain)]
    if order > 1:
        # Without the first of the two: T and the second.
        skipped = y[:, n - 1 : 2 * n - 2]
        found.append(chain[:, 2:] - chain[:, 1:-1] - skipped + chain[:, :-2])
    if order > 2:
        last = y[:, 2 * n - 2 : 3 * n - 4]
        late = y[:, 3 * n - 4 :]
        with_first = chain[:, 3:] - chain[:, 2:-1] - skipped[:, 1:] + chain[:, 1:-2]
        without = late - skipped[:, : n - 2] - last + chain[:, :-3]
        found.append(with_first - without)
    return found


def _orders(
    paths: Int[ndarray, "paths n"], sweeps: int, generator: np.random.Generator
) -> Int[ndarray, "permutations n"]:
    """Permutations of ``sweeps`` sweeps: units renamed at random, every second one backwards."""
    n = paths.shape[1]
    found = []
    for sweep in range(sweeps):
        if sweep % 2 == 0:
            found.append(generator.permutation(n)[paths])
        else:
            found.append(found[-1][:, ::-1])
    return np.concatenate(found)


def _position(ordered: Int[ndarray, "windows size"], n: int) -> Int[ndarray, " windows"]:
    """Place of each ascending subset among all of its size, as `itertools.combinations` has it."""
    size = ordered.shape[1]
    choose = np.array([[comb(i, k) for k in range(size + 1)] for i in range(n + 1)])
    place = np.full(len(ordered), comb(n, size) - 1)
    for k in range(size):
        place -= choose[n - 1 - ordered[:, k], size - k]
    return place


def shapley_interactions(
    problem: Problem, *, order: int | None, on: On, sweeps: int, aggregate: Aggregate
) -> Attribution:
    """See the method of this name in `methods.interactions`."""
    n = problem.n
    order = min(_affordable_order(n, problem.remaining) if order is None else order, n)
    paths, cost = hamiltonian_paths(n), max(permutation_cost(n, order), 1)
    enough(problem, cost + 2, "one permutation")
    if comb(n, order) > MOST_SUBSETS:
        raise NotApplicable(f"{n} units have more than {MOST_SUBSETS:,} subsets of {order}")
    per_row = max(len(paths) * sweeps, _triples_sampled(n) if order > 2 else 0)
    affordable = max((problem.remaining - 1) // (per_row * cost + 1), 1)
    rows = spread_rows(problem.foreground, affordable)
    whole = min((problem.remaining - 1 - len(rows)) // cost, MOST_PERMUTATIONS)
    f, baseline = explained(problem, on), problem.baseline
    ends = f(torch.cat([baseline[None], rows])).detach().double().numpy()
    generator = np.random.default_rng(problem.generator.initial_seed())
    sizes = [comb(n, k) for k in range(1, order + 1)]
    totals = [np.zeros((len(rows), size)) for size in sizes]
    counts = [np.zeros((len(rows), size)) for size in sizes]
    at_once = max(1, BATCH_ROWS // cost)
    for number, row in enumerate(rows):
        share = whole // len(rows) + (number < whole % len(rows))
        asked = _orders(paths, -(-share // len(paths)), generator)[:share]

        def values(members: Tensor, row: Tensor = row) -> Float[ndarray, " sets"]:
            return f(torch.where(members, row, baseline)).detach().double().numpy()

        for start in range(0, share, at_once):
            part = asked[start : start + at_once]
            deltas = windows(values, part, order, (ends[0], ends[1 + number]))
            for k, delta in enumerate(deltas):
                seen = np.lib.stride_tricks.sliding_window_view(part, k + 1, axis=1)
                at = _position(np.sort(seen.reshape(-1, k + 1), axis=1), n)
                totals[k][number] += np.bincount(at, delta.ravel(), sizes[k])
                counts[k][number] += np.bincount(at, minlength=sizes[k])
    return _reported(problem, totals, counts, aggregate, permutations=whole)


def _triples_sampled(n: int) -> int:
    """Permutations after which each triple of n units has been sampled often enough."""
    return -(-SAMPLES * comb(n, 3) // max(n - 2, 1))


def _affordable_order(n: int, rows: int) -> int:
    """3 where so many rows of budget sample every triple in one row to explain, or else 2."""
    cost = _triples_sampled(n) * permutation_cost(n, min(3, n)) + 2
    return 3 if comb(n, 3) <= MOST_SUBSETS and cost <= rows else 2


def _reported(
    problem: Problem,
    totals: list[Float[ndarray, "rows subsets"]],
    counts: list[Float[ndarray, "rows subsets"]],
    aggregate: Aggregate,
    permutations: int,
) -> Attribution:
    subsets: list[Subset] = []
    scores: list[float] = []
    missing = 0
    for k, (total, count) in enumerate(zip(totals, counts, strict=True)):
        whole = np.flatnonzero((count > 0).all(0))
        missing += total.shape[1] - len(whole)
        everyone = torch.combinations(torch.arange(problem.n), k + 1)
        subsets += [tuple(units) for units in everyone[torch.from_numpy(whole)].tolist()]
        mean = torch.from_numpy(total[:, whole] / count[:, whole])
        scores += aggregated(mean, aggregate).tolist()
    info: dict[str, Any] = {
        "rows": len(totals[0]),
        "permutations": permutations,
        "order": len(totals),
    }
    if missing:
        info["subsets_not_sampled"] = missing
    return reported(subsets, scores, problem, info)
