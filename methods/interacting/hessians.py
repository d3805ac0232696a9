"""Differences of gradients along a path -> integrated Hessians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.methods.interacting.reporting import enough, reported, singles_and_pairs
from actspec_bench.problems.explaining import Aggregate, aggregated, spread_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["hessians_along", "integrated_hessians", "log_rule"]

MOST_POINTS = 32
FINE = 400
BATCH_ROWS = 8192
SPREAD_DRAWS = 4096
UNACCOUNTED = 0.1


def log_rule(points: int) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
    r"""Nodes and weights of Gauss's rule for :math:`\int_0^1 g(t) (-\ln t)\,dt`.

    Exact for polynomials of degree up to 2 ``points`` - 1. The recurrence of the orthogonal
    polynomials is that of Lanczos on a fine Gauss-Legendre rule after t = u^4, which makes the
    integrand smooth at 0 (Gautschi 2004, Orthogonal Polynomials, section 2.2); nodes and weights
    are eigenvalues and first components (Golub & Welsch 1969).
    """
    u, share = np.polynomial.legendre.leggauss(FINE)
    u = (u + 1) / 2
    t, weight = u**4, share / 2 * 4 * u**3 * -4 * np.log(u)
    vectors = np.sqrt(weight / weight.sum())[:, None]
    diagonal, beside = np.zeros(points), np.zeros(points)
    for k in range(points):
        diagonal[k] = t @ vectors[:, k] ** 2
        rest = t * vectors[:, k]
        for _ in range(2):
            rest = rest - vectors @ (vectors.T @ rest)
        beside[k] = np.linalg.norm(rest)
        vectors = np.column_stack([vectors, rest / beside[k]])
    side = beside[: points - 1]
    nodes, first = np.linalg.eigh(np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1))
    return nodes, first[0] ** 2


def _gradients(problem: Problem, x: Float[Tensor, "rows n"]) -> Float[Tensor, "rows n"]:
    found = []
    for part in torch.split(x, BATCH_ROWS):
        leaf = part.detach().requires_grad_()
        found.append(torch.autograd.grad(problem.margin(leaf).sum(), leaf)[0].double())
    return torch.cat(found)


def hessians_along(
    problem: Problem,
    x: Float[Tensor, "points n"],
    units: Tensor,
    step: Float[Tensor, " n"] | None,
) -> tuple[Float[Tensor, "points n"], Float[Tensor, "points units units"]]:
    """Gradients of the margin at points ``x``, and its Hessians in ``units``, made symmetric.

    A column is the difference of two gradients over the distance of the two points, which lie
    ``step`` to each side of x in that unit or, without one, at -1 and +1.
    """
    count, n = x.shape
    m = len(units)
    lower, upper = x[:, None].repeat(1, m, 1), x[:, None].repeat(1, m, 1)
    each = torch.arange(m)
    if step is None:
        lower[:, each, units], upper[:, each, units] = -1.0, 1.0
        gap = torch.full((m,), 2.0)
    else:
        lower[:, each, units] -= step[units]
        upper[:, each, units] += step[units]
        gap = 2 * step[units]
    whole = torch.cat([x, lower.reshape(-1, n), upper.reshape(-1, n)])
    slopes = _gradients(problem, whole)
    below, above = slopes[count:].reshape(2, count, m, n)
    column = (above - below)[:, :, units] / gap.double()[:, None]
    return slopes[:count], (column + column.mT) / 2


def _steps(problem: Problem, step: float) -> Float[Tensor, " n"] | None:
    """Step of each unit, a share of its spread under D; None for on/off units."""
    if problem.kind != "interchange":
        return None
    rows = problem.rows
    return step * (problem.sample(SPREAD_DRAWS) if rows is None else rows).std(0, correction=0)


def integrated_hessians(
    problem: Problem, *, points: int, step: float, aggregate: Aggregate
) -> Attribution:
    """See the method of this name in `methods.interactions`."""
    baseline, rows = problem.baseline, problem.foreground
    steps = _steps(problem, step)
    moved = (rows != baseline).any(0)
    units = torch.nonzero(moved if steps is None else moved & (steps > 0))[:, 0]
    point = 2 * (2 * len(units) + 1)
    enough(problem, point + 2, "one point of one row")
    least = min(points, (problem.remaining - 2) // point)
    rows = spread_rows(rows, (problem.remaining - 1) // (least * point + 1))
    most = max(points, MOST_POINTS)
    points = min(most, (problem.remaining - 1 - len(rows)) // (len(rows) * point))
    nodes, weights = log_rule(points)
    first, second = np.triu_indices(len(units), 1)
    entries = torch.zeros(len(rows), len(units) + len(first), dtype=torch.float64)
    for number, row in enumerate(rows):
        path = torch.from_numpy(nodes).float()[:, None]
        slope, curve = hessians_along(problem, baseline + path * (row - baseline), units, steps)
        h = (row - baseline).double()[units]
        w = torch.from_numpy(weights)
        gamma = h[:, None] * h * torch.einsum("k,kij->ij", w * torch.from_numpy(nodes), curve)
        entries[number, : len(units)] = h * (w @ slope[:, units]) + gamma.diagonal()
        entries[number, len(units) :] = 2 * gamma[first, second]
    with torch.no_grad():
        ends = problem.margin(torch.cat([baseline[None], rows])).double()
    info = _told(entries, ends[1:] - ends[0]) | {
        "rows": len(rows),
        "points": points,
        "order": 2,
    }
    kept = units.tolist()
    subsets = [tuple(kept[i] for i in subset) for subset in singles_and_pairs(len(kept))]
    return reported(subsets, aggregated(entries, aggregate).tolist(), problem, info)


def _told(entries: Tensor, change: Tensor) -> dict[str, Any]:
    """How far the entries are from adding up to the change, as they would without any error."""
    size = float(change.abs().mean())
    if not size:
        return {}
    share = float((entries.sum(1) - change).abs().mean()) / size
    if share <= UNACCOUNTED:
        return {"unaccounted": share}
    doubt = (
        f"the entries of a row miss the change from the baseline by {100 * share:.0f}% of it: the "
        "values are noisy, or the function bends more sharply than the step and points can follow"
    )
    return {"unaccounted": share, "warnings": [doubt]}
