"""Row against baseline -> Banzhaf interactions, by least squares on random coalitions.

A coalition is coded by +1 for a unit at the row's value and -1 for one at the baseline's, so that
products of units, characters, are orthonormal over uniform coalitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import all_patterns, characters, membership
from actspec_bench.methods.interacting.reporting import enough, reported
from actspec_bench.problems.explaining import (
    Aggregate,
    On,
    aggregated,
    explained,
    spread_rows,
)

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["banzhaf_interactions", "fitted_characters", "indices_of"]

OVERSAMPLED = 2
RIDGE = 1e-8
CHUNK = 2**12
MOST_PAIRS = 2**15


def unknowns(units: int, order: int) -> int:
    """Larger of the numbers of subsets of up to ``order`` units of odd and of even size."""
    return max(sum(comb(units, k) for k in range(start, order + 1, 2)) for start in (0, 1))


def fitted_characters(
    half: Float[Tensor, "pairs n"],
    values: Float[Tensor, "2 pairs"],
    subsets: Sequence[Subset],
) -> Float[Tensor, " subsets"]:
    r"""Coefficients of least squares of a function on the characters of ``subsets``.

    The function is known at patterns and at their negatives, which parts the problem in two: half
    of the sum of the two values depends on characters of even size alone, half of the difference on
    those of odd size (paired sampling: Covert & Lee 2021). Grams of signs are exact
    in single precision.

    Parameters
    ----------
    half
        Patterns.
    values
        At the patterns, and at their negatives.
    """
    found = torch.zeros(len(subsets), dtype=torch.float64)
    parts = ((values[0] + values[1]) / 2, (values[0] - values[1]) / 2)
    for odd, part in enumerate(parts):
        at = [k for k, subset in enumerate(subsets) if len(subset) % 2 == odd]
        mask = membership([subsets[k] for k in at], half.shape[1])
        gram = RIDGE * len(half) * torch.eye(len(at), dtype=torch.float64)
        right = torch.zeros(len(at), 1, dtype=torch.float64)
        for rows, y in zip(
            torch.split(half, CHUNK), torch.split(part.double(), CHUNK), strict=True
        ):
            chi = characters(rows, mask)
            gram += chi.T @ chi
            right += chi.double().T @ y[:, None]
        found[at] = torch.cholesky_solve(right, torch.linalg.cholesky(gram))[:, 0]
    return found


def indices_of(
    coefficients: Float[Tensor, "rows subsets"], subsets: Sequence[Subset], *, faithful: bool
) -> Float[Tensor, "rows subsets"]:
    r"""Interaction indices from coefficients c of characters of up to a certain size.

    The Banzhaf index of S, the mean of its discrete derivative over all coalitions of the others,
    is :math:`2^{|S|} c_S`. The Faith-Banzhaf index is the coefficient of the product of the units
    of T, coded 0 and 1, in the same fit:

    .. math:: \sum_{S \supseteq T} 2^{|T|} (-1)^{|S| - |T|} c_S.
    """
    if not faithful:
        return coefficients * torch.tensor([2.0 ** len(s) for s in subsets])
    place = {subset: k for k, subset in enumerate(subsets)}
    found = torch.zeros_like(coefficients)
    for k, subset in enumerate(subsets):
        for size in range(len(subset) + 1):
            sign = 2**size * (-1) ** (len(subset) - size)
            for part in combinations(subset, size):
                found[:, place[part]] += sign * coefficients[:, k]
    return found


def _strongest(
    f: Callable[[Tensor], Tensor], row: Tensor, baseline: Tensor, most: int
) -> list[int]:
    """Units that change the function most when switched alone, at the row and at the baseline."""
    n = len(row)
    change = torch.zeros(n, dtype=torch.float64)
    for here, there in ((row, baseline), (baseline, row)):
        x = here.repeat(n + 1, 1)
        x[range(n), range(n)] = there
        y = f(x)
        change += (y[:n] - y[n]).square()
    return sorted(torch.argsort(change, descending=True, stable=True)[:most].tolist())


def _affordable(rows: int, n: int, order: int) -> int:
    """Most of n units whose subsets so many rows can tell, at the cost of choosing them."""
    units = n
    while units and 2 * OVERSAMPLED * unknowns(units, order) > rows - (units < n) * 2 * (n + 1):
        units -= 1
    return units


def banzhaf_interactions(
    problem: Problem, *, order: int, faithful: bool, on: On, aggregate: Aggregate
) -> Attribution:
    """See the method of this name in `methods.interactions`."""
    n, baseline, rows = problem.n, problem.baseline, problem.foreground
    order, call = min(order, n), explained(problem, on)

    def f(x: Tensor) -> Tensor:
        return call(x).detach().double()

    kept = _affordable(problem.remaining, n, order)
    if kept < min(order + 1, n):
        least = 2 * (n + 1) + 2 * OVERSAMPLED * unknowns(min(order + 1, n), order)
        enough(problem, least, f"choosing {order + 1} units and fitting them in one row")
    units = list(range(n)) if kept == n else _strongest(f, rows[0], baseline, kept)
    share = 2 * OVERSAMPLED * unknowns(kept, order)
    rows = spread_rows(rows, 1 if kept < n else problem.remaining // share)
    share = min(problem.remaining // len(rows) // 2, MOST_PAIRS)
    subsets = [s for size in range(order + 1) for s in combinations(range(kept), size)]
    every = 2 ** (kept - 1) <= share
    if every:
        share = 2 ** (kept - 1)
    coefficients = []
    for row in rows:
        if every:
            half = torch.cat([all_patterns(kept - 1), torch.ones(share, 1)], dim=1)
        else:
            coins = torch.randint(0, 2, (share, kept), generator=problem.generator)
            half = 2.0 * coins - 1
        x = row.repeat(2 * share, 1)
        x[:, units] = torch.where(torch.cat([half, -half]) > 0, row[units], baseline[units])
        coefficients.append(fitted_characters(half, f(x).reshape(2, -1), subsets))
    found = aggregated(indices_of(torch.stack(coefficients), subsets, faithful=faithful), aggregate)
    info: dict[str, Any] = {"rows": len(rows), "coalitions": 2 * share, "order": order}
    if kept < n:
        info["units_fitted"] = units
    named = [tuple(units[i] for i in subset) for subset in subsets[1:]]
    return reported(named, found[1:].tolist(), problem, info)
