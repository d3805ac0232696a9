"""Queries -> coefficients: least squares on characters, with robust errors and a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

    from actspec_bench.fourier import Subset

__all__ = ["Fit", "discoveries", "fresh_r2", "least_squares", "linearly_independent", "on_design"]

NUMERICAL_FLOOR = 1e-5
EXACT_FIT = 1e-6
OWN_SHARE = 1e-3


@dataclass(frozen=True)
class Fit:
    """Coefficients of the characters, their standard errors and degrees of freedom, all (m,)."""

    coefficients: Float[Tensor, " subsets"]
    errors: Float[Tensor, " subsets"]
    freedom: Float[Tensor, " subsets"]

    def p_values(self) -> Float[ndarray, " subsets"]:
        """Two-sided p-values of the coefficients being zero (Student's t)."""
        from scipy.stats import t

        statistic = (self.coefficients.abs() / self.errors.clamp(min=1e-300)).numpy()
        return np.asarray(2 * t.sf(statistic, self.freedom.numpy()))

    def half_widths(self, level: float = 0.95) -> Float[Tensor, " subsets"]:
        """Half widths of the coefficients' confidence intervals (Student's t)."""
        from scipy.stats import t

        return self.errors * torch.from_numpy(t.ppf((1 + level) / 2, self.freedom.numpy()))


def least_squares(
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    subsets: Sequence[Subset],
    group: Int[Tensor, " rows"] | None = None,
) -> Fit:
    """Fit ``values`` on an intercept and the characters of ``subsets``.

    Standard errors are robust to unequal variances, and with ``group`` to any dependence
    within groups of rows (Liang & Zeger 1986): the spread of the solutions when each group in
    turn is left out (CR3: Bell & McCaffrey 2002; of rows that stand alone HC3: MacKinnon & White
    1985). Without that a coefficient that hangs on a few rows, which it fits, would seem to have
    no error. A row that a coefficient fits exactly counts with the largest residual of the other
    rows that stand alone. Where groups differ in size, rows weigh 1 / (1 + (m - 1) r) in a group
    of m whose residuals correlate by r, so that a large group of rows that say the same does not
    drown rows that stand alone.
    Errors are never taken below the rounding error of the values.

    Degrees of freedom are G - p, or as many as a coefficient's variance has by what the groups
    contribute to it, 3 (sum v)^2 / sum v^2 for contributions v whose roots are normal, if that
    is less: a few large groups do not make a normal mean (Satterthwaite 1946).
    """
    mask = membership(subsets, pattern.shape[1])
    return on_design(characters(pattern, mask), values, group)


def on_design(
    columns: Float[Tensor, "rows columns"],
    values: Float[Tensor, " rows"],
    group: Int[Tensor, " rows"] | None = None,
    *,
    even: bool = False,
) -> Fit:
    """Fit ``values`` on an intercept and any ``columns``; all else as in `least_squares`.

    With ``even`` every row weighs the same, in however large a group.
    """
    design = torch.cat([torch.ones(len(columns), 1), columns], dim=1).double()
    outcome = values.double()
    rows = len(outcome)
    if group is None:
        position, sizes = torch.arange(rows), torch.ones(rows, dtype=torch.float64)
    else:
        _, position, counts = torch.unique(group, return_inverse=True, return_counts=True)
        sizes = counts.double()
    weight = torch.ones(rows, dtype=torch.float64)
    solution, bread = _solve(design, outcome, weight)
    if not even and len(set(sizes.tolist())) > 1:
        scores = design * (outcome - design @ solution)[:, None]
        weight = (1 / (1 + (sizes - 1) * _likeness(scores, position, sizes)))[position]
        solution, bread = _solve(design, outcome, weight)
    residual = outcome - design @ solution
    freedom = max(len(sizes) - design.shape[1], 1)
    shares = _left_out(design, weight, residual, position, sizes, bread).square()
    errors = shares.sum(0).sqrt()
    # Of a normal variable the mean fourth power is three times the squared variance.
    effective = 3 * errors**4 / shares.square().sum(0).clamp(min=1e-300)
    floor = NUMERICAL_FLOOR * outcome.std() / rows**0.5
    effective = torch.where(errors > floor, effective.clamp(min=1, max=freedom), freedom)
    return Fit(solution[1:], errors.clamp(min=float(floor))[1:], effective[1:])


def _solve(design: Tensor, outcome: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    weighted = design * weight[:, None]
    bread = torch.linalg.pinv(weighted.T @ design, hermitian=True)
    return bread @ (weighted.T @ outcome), bread


def _left_out(
    design: Tensor,
    weight: Tensor,
    residual: Tensor,
    position: Tensor,
    sizes: Tensor,
    bread: Tensor,
) -> Tensor:
    """(groups, parameters): by how much each solution moves when a group is left out."""
    rows_of = torch.argsort(position, stable=True)
    start = torch.cat([torch.zeros(1), sizes.cumsum(0)[:-1]]).long()
    whole = (design * weight[:, None]).T @ design
    moved = torch.zeros(len(sizes), design.shape[1], dtype=design.dtype)
    for size in sorted({int(size) for size in sizes.tolist()}):
        groups = torch.nonzero(sizes == size)[:, 0]
        rows = rows_of[start[groups][:, None] + torch.arange(size)]
        part = design[rows] * weight[rows].sqrt()[..., None]
        left = residual[rows] * weight[rows].sqrt()
        if size >= design.shape[1]:
            rest = torch.linalg.pinv(whole - part.mT @ part, hermitian=True)
            moved[groups] = (rest @ part.mT @ left[..., None])[..., 0]
            continue
        if size == 1:
            alone = 1 - ((part[:, 0] @ bread) * part[:, 0]).sum(1, keepdim=True)
            fits = alone < EXACT_FIT
            left = (left / alone).masked_fill(fits, 0)
            left = torch.where(fits, left.abs().max(), left)
        else:
            value, vector = torch.linalg.eigh(
                torch.eye(size, dtype=part.dtype) - part @ bread @ part.mT
            )
            along = vector.mT @ left[..., None] / value.clamp(min=EXACT_FIT)[..., None]
            left = (vector @ along)[..., 0]
        moved[groups] = (part.mT @ left[..., None])[..., 0] @ bread
    return moved


def _summed(scores: Tensor, position: Tensor, sizes: Tensor) -> Tensor:
    total = torch.zeros(len(sizes), scores.shape[1], dtype=scores.dtype)
    return total.index_add(0, position, scores)


def _likeness(scores: Tensor, position: Tensor, sizes: Tensor) -> float:
    """Correlation of two rows of one group: products of pairs over what squares allow, pooled."""
    squares = _summed(scores.square(), position, sizes).sum(1)
    pairs = _summed(scores, position, sizes).square().sum(1) - squares
    return min(max(float(pairs.sum() / ((sizes - 1) @ squares).clamp(min=1e-300)), 0.0), 1.0)


def fresh_r2(
    fitted: tuple[Float[Tensor, "rows n"], Float[Tensor, " rows"]],
    scored: tuple[Float[Tensor, "fresh n"], Float[Tensor, " fresh"]],
    subsets: Sequence[Subset],
) -> float:
    r"""R^2 of a linear model on characters that was fitted on other rows.

    .. math:: 1 - \frac{\sum_i (y_i - \hat y(p_i))^2}{\sum_i (y_i - \bar y)^2}

    over the rows scored, :math:`\hat y` being least squares on an intercept and the characters of
    ``subsets``. Negative values are kept.

    Parameters
    ----------
    fitted, scored
        Patterns and values; the values scored are not all the same.
    """
    mask = membership([(), *subsets], fitted[0].shape[1])
    design = characters(fitted[0], mask).double()
    weights = torch.linalg.lstsq(design, fitted[1].double()[:, None], driver="gelsd").solution
    values = scored[1].double()
    rest = values - (characters(scored[0], mask).double() @ weights)[:, 0]
    return float(1 - rest.square().mean() / values.var(correction=0))


def linearly_independent(
    pattern: Float[Tensor, "rows n"], subsets: Sequence[Subset]
) -> list[Subset]:
    """``subsets`` less those whose characters the earlier ones already span on these rows."""
    mask = membership([(), *subsets], pattern.shape[1])
    triangle = torch.linalg.qr(characters(pattern, mask).double(), mode="r").R
    own = triangle.diagonal().square()[1:] / len(pattern)
    return [s for s, share in zip(subsets, own.tolist(), strict=False) if share > OWN_SHARE]


def discoveries(p_values: Float[ndarray, " tests"], rate: float) -> Bool[ndarray, " tests"]:
    """Tests rejected by the step-up procedure of Benjamini & Hochberg (1995, section 3)."""
    from scipy.stats import false_discovery_control

    if not len(p_values):
        return np.zeros(0, dtype=bool)
    return np.asarray(false_discovery_control(np.clip(p_values, 0, 1)) <= rate)
