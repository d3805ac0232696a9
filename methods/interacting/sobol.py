"""Unit-wise mixtures of two draws of D -> Sobol' indices of units and of pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from actspec_bench.fourier.regression import discoveries
from actspec_bench.methods.interacting.reporting import (
    NOTHING_MOVES,
    enough,
    reported,
    singles_and_pairs,
)
from actspec_bench.problems.explaining import On, explained

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["contributions", "mixed", "sobol_indices", "total_effects"]

SCREENING = 0.25
LEAST_DRAWS = 100
FEWEST_UNITS, FEWEST_DRAWS = 4, 8
MOST_DRAWS = 2**13
CHUNK = 256
SMALL = 0.03
RATE = 0.05
NOTHING_PASSED = "no index can be told from zero"


def mixed(
    base: Float[Tensor, "draws n"], other: Float[Tensor, "draws n"], units: Int[ndarray, " units"]
) -> Float[Tensor, "draws units n"]:
    """Copies of each row of ``base``, one a unit, with that unit taken from ``other``."""
    found = base[:, None].repeat(1, len(units), 1)
    found[:, range(len(units)), units] = other[:, units]
    return found


def total_effects(
    plain: Float[ndarray, " draws"], swapped: Float[ndarray, "draws units"]
) -> Float[ndarray, " units"]:
    r"""Total index times variance, :math:`\frac{1}{2N} \sum_r (f(A_r) - f(A_{B,r}^{(i)}))^2`.

    Jansen 1999; Saltelli et al. 2010, table 2 (f).
    """
    return np.asarray(((plain[:, None] - swapped) ** 2).mean(0) / 2)


def contributions(
    a: Float[ndarray, " draws"],
    b: Float[ndarray, " draws"],
    a_from_b: Float[ndarray, "draws units"],
    b_from_a: Float[ndarray, "draws units"],
) -> Float[ndarray, "draws entries"]:
    r"""What each base draw adds to the indices times variance of all units, then of all pairs.

    With centred values at the draws A and B, and at :math:`A_B^{(i)}`, A with unit i of B,

    .. math::
        V_i &= \tfrac12 E[f(B) (f(A_B^{(i)}) - f(A)) + f(A) (f(B_A^{(i)}) - f(B))] \\
        V_{ij} &= \tfrac12 E[(f(A_B^{(i)}) - f(A)) (f(B_A^{(j)}) - f(B)) + (i \leftrightarrow j)].

    The first is of Saltelli et al. 2010, table 2 (b). Multiplied out, the second is the closed
    index of the pair less those of its units, since the two points of each product share the units
    of one index alone: i and j, i, j or none (Saltelli 2002, theorem 2). The differences are as
    small as the units' total indices, and so are the errors.
    """
    first, second = np.triu_indices(a_from_b.shape[1], 1)
    up, down = a_from_b - a[:, None], b_from_a - b[:, None]
    single = (b[:, None] * up + a[:, None] * down) / 2
    pair = (up[:, first] * down[:, second] + up[:, second] * down[:, first]) / 2
    return np.concatenate([single, pair], axis=1)


def _evaluated(
    f: Callable[[Tensor], Tensor], problem: Problem, draws: int, units: Int[ndarray, " units"]
) -> list[Float[ndarray, "draws ..."]]:
    """Values at so many draws A and B, and at their mixtures in each of the units."""
    a, b = problem.sample(draws), problem.sample(draws)
    points = [a, b, mixed(a, b, units).flatten(0, 1), mixed(b, a, units).flatten(0, 1)]
    shapes: list[tuple[int, ...]] = [(draws,), (draws,), (draws, -1), (draws, -1)]
    return [f(x).numpy().reshape(shape) for x, shape in zip(points, shapes, strict=True)]


def _screened(
    f: Callable[[Tensor], Tensor], problem: Problem, draws: int
) -> tuple[Float[ndarray, " n"], int]:
    """Total effects of all units."""
    a, b = problem.sample(draws), problem.sample(draws)
    y = f(a).numpy()
    swapped = f(mixed(a, b, np.arange(problem.n)).flatten(0, 1)).numpy()
    return total_effects(y, swapped.reshape(draws, -1)), draws


def sobol_indices(problem: Problem, *, on: On) -> Attribution:
    """See the method of this name in `methods.interactions`."""
    n, call = problem.n, explained(problem, on)

    def f(x: Tensor) -> Tensor:
        return call(x).detach().double()

    few = min(n, FEWEST_UNITS)
    enough(problem, 2 * (n + 1) + FEWEST_DRAWS * (2 * few + 2), "the least that it can use")
    draws = int(SCREENING * problem.remaining) // (n + 1)
    total, screened = _screened(f, problem, min(max(draws, 2), MOST_DRAWS))
    info: dict[str, Any] = {"screening_draws": screened, "order": 2}
    order = np.argsort(-total, kind="stable")
    room = max((problem.remaining // LEAST_DRAWS - 2) // 2, few)
    units = np.sort(order[:room][total[order[:room]] > SMALL * total.max()])
    if not len(units):
        return reported([], [], problem, info, NOTHING_MOVES)
    draws = min(problem.remaining // (2 * len(units) + 2), MOST_DRAWS)
    values = _evaluated(f, problem, draws, units)
    centre = np.concatenate(values[:2]).mean()
    variance = float(np.concatenate(values[:2]).var(ddof=1))
    total_, square = 0.0, 0.0
    for start in range(0, draws, CHUNK):
        part = contributions(*(y[start : start + CHUNK] - centre for y in values))
        total_, square = total_ + part.sum(0), square + (part**2).sum(0)
    mean = np.asarray(total_) / draws
    error = np.sqrt(np.clip(np.asarray(square) / draws - mean**2, 0, None) / (draws - 1))
    info |= {"draws": draws, "units_kept": len(units), "variance": variance}
    passed = discoveries(_p_values(mean, error, draws), RATE)
    names = units.tolist()
    subsets = [tuple(names[i] for i in s) for s in singles_and_pairs(len(names))]
    kept = np.flatnonzero(passed)
    return reported([subsets[k] for k in kept], mean[kept].tolist(), problem, info, NOTHING_PASSED)


def _p_values(
    mean: Float[ndarray, " entries"], error: Float[ndarray, " entries"], draws: int
) -> Float[ndarray, " entries"]:
    """One-sided p-values of indices being zero, which are never negative (Student's t)."""
    from scipy.stats import t

    statistic = np.divide(mean, error, out=np.where(mean > 0, np.inf, 0.0), where=error > 0)
    return np.asarray(t.sf(statistic, draws - 1))
