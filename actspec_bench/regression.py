"""Queries -> coefficients: least squares on characters, with robust errors and a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.spectrum import characters, membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

    from actspec_bench.attribution import Subset

__all__ = ["Fit", "discoveries", "least_squares"]

NUMERICAL_FLOOR = 1e-5


@dataclass(frozen=True)
class Fit:
    """Coefficients (m,) of the characters, their standard errors (m,), and degrees of freedom."""

    coefficients: Float[Tensor, " subsets"]
    errors: Float[Tensor, " subsets"]
    freedom: int

    def p_values(self) -> Float[ndarray, " subsets"]:
        """Two-sided p-values of the coefficients being zero (Student's t)."""
        from scipy.stats import t

        statistic = (self.coefficients.abs() / self.errors.clamp(min=1e-300)).numpy()
        return np.asarray(2 * t.sf(statistic, self.freedom))


def least_squares(
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    subsets: Sequence[Subset],
    group: Int[Tensor, " rows"] | None = None,
) -> Fit:
    """Fit ``values`` on an intercept and the characters of ``subsets``.

    Standard errors are robust to unequal variances, and with ``group`` to any dependence
    within groups of rows (White 1980; Liang & Zeger 1986, scaled by G/(G-p) for G groups and
    p parameters).
    They are never taken below the rounding error of the values.
    """
    mask = membership([(), *subsets], pattern.shape[1])
    design = characters(pattern, mask).double()
    outcome = values.double()
    gram = torch.linalg.pinv(design.T @ design, hermitian=True)
    solution = gram @ (design.T @ outcome)
    scores = design * (outcome - design @ solution)[:, None]
    if group is not None:
        _, position = torch.unique(group, return_inverse=True)
        groups = int(position.max()) + 1
        scores = torch.zeros(groups, scores.shape[1], dtype=scores.dtype).index_add(
            0, position, scores
        )
    independent = len(scores)
    freedom = max(independent - design.shape[1], 1)
    meat = scores.T @ scores * (independent / freedom)
    errors = (gram @ meat @ gram).diagonal().clamp(min=0).sqrt()
    floor = NUMERICAL_FLOOR * outcome.std() / len(outcome) ** 0.5
    return Fit(solution[1:], errors.clamp(min=float(floor))[1:], freedom)


def discoveries(p_values: Float[ndarray, " tests"], rate: float) -> Bool[ndarray, " tests"]:
    """Tests rejected by the step-up procedure of Benjamini & Hochberg (1995, section 3)."""
    from scipy.stats import false_discovery_control

    if not len(p_values):
        return np.zeros(0, dtype=bool)
    return np.asarray(false_discovery_control(np.clip(p_values, 0, 1)) <= rate)
