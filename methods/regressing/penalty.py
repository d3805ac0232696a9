"""Columns and values -> lasso over all of them, from the few that can be in its solution."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.methods.regressing.chance import chance_correlation
from actspec_bench.methods.regressing.columns import Columns, columns
from actspec_bench.methods.regressing.observed import Observed, nothing, observed, weighed
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.problems.problem import Problem

__all__ = ["Working", "lasso", "scaled_lasso"]

JOINING = 64
MOST_ACTIVE = 256
ROUNDS = 12
SETTLED, EXACT = 1e-2, 1e-4
SLACK = 1e-3
PASSES = 10_000
TOLERANCE = 1e-6
ALL_ZERO = "the lasso at this penalty has no column"


@dataclass(eq=False)
class Working:
    """Columns of standard deviation 1 that the solution may use, and their coefficients in it.

    All other columns are known to have coefficient 0 there, since none correlates with what is left
    by more than the penalty (the condition of Karush, Kuhn & Tucker; Tibshirani et al. 2012,
    JRSS B 74:245, section 7).
    """

    over: Columns
    values: Float[Tensor, " rows"]
    most: int
    positions: list[int] = field(default_factory=list)
    weights: Float[ndarray, " columns"] = field(default_factory=lambda: np.zeros(0))
    full: bool = False
    _matrix: Float[ndarray, "rows columns"] = field(init=False)
    _gram: Float[ndarray, "columns columns"] = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        self._matrix = np.zeros((len(self.values), 0), order="F")

    def rest(self) -> Float[Tensor, " rows"]:
        """What the solution leaves of the centred values."""
        whole = self.values - self.values.mean()
        return whole - torch.from_numpy(self._matrix @ self.weights)

    def solve(self, penalty: float) -> None:
        """Find the lasso over all columns at a penalty, in the units of the values."""
        whole = (self.values - self.values.mean()).numpy()
        self._fit(whole, penalty)
        while True:
            strength = self.over.correlations(self.rest()).abs()
            strength[self.positions] = 0
            above = torch.nonzero(strength > penalty * (1 + SLACK))[:, 0]
            room = self.most - len(self.positions)
            self.full = len(above) > 0 and room <= 0
            if not len(above) or room <= 0:
                break
            strongest = torch.argsort(strength[above], descending=True, stable=True)
            self._join(above[strongest][: min(room, JOINING)].tolist())
            self._fit(whole, penalty)

    def _join(self, positions: list[int]) -> None:
        new = np.stack([self.over.column(position).numpy() for position in positions], axis=1)
        new /= new.std(0)
        across = self._matrix.T @ new
        self._gram = np.block([[self._gram, across], [across.T, new.T @ new]])
        self._matrix = np.asfortranarray(np.concatenate([self._matrix, new], axis=1))
        self.positions += positions
        self.weights = np.append(self.weights, np.zeros(len(positions)))

    def _fit(self, whole: Float[ndarray, " rows"], penalty: float) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import Lasso

        if not self.positions:
            return
        solver = Lasso(
            penalty,
            fit_intercept=False,
            precompute=self._gram,
            max_iter=PASSES,
            tol=TOLERANCE,
            warm_start=True,
            random_state=0,
        )
        solver.coef_ = self.weights.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solver.fit(self._matrix, whole)
        self.weights = np.asarray(solver.coef_)


def scaled_lasso(
    over: Columns, seen: Observed, level: float, most: int
) -> tuple[Working, dict[str, Any]]:
    r"""Lasso whose penalty is in proportion to the noise that it leaves itself.

    .. math:: \lambda = \hat\sigma \sqrt{2 \ln(2 m / \alpha) / N}

    alternates with :math:`\hat\sigma`, the root mean square of what is left (Sun & Zhang 2012,
    equation 4), until that settles, or almost nothing is left.
    """
    working = Working(over, seen.values, most)
    ratio = chance_correlation(len(over), seen.inputs, level)
    first = sigma = float(seen.values.std(correction=0))
    for _ in range(ROUNDS):
        working.solve(ratio * sigma)
        left = float(working.rest().square().mean().sqrt())
        done = left <= EXACT * first or abs(left - sigma) <= SETTLED * sigma or working.full
        penalty, sigma = ratio * sigma, left
        if done:
            break
    return working, {"penalty": penalty, "noise": sigma}


def lasso(problem: Problem, *, order: int | None, on: On, level: float) -> Attribution:
    """See the method of this name in `methods.regressions`."""
    seen = observed(problem, on)
    if seen.constant:
        return nothing(seen, {}, "", problem.n)
    over = columns(seen.pattern, seen.values, order)
    most = min(MOST_ACTIVE, seen.most_columns)
    working, told = scaled_lasso(over, seen, level, most)
    info: dict[str, Any] = {**over.told, **told}
    if working.full:
        info["warnings"] = [
            (
                f"more than {most:,} columns may be in the solution, so that the penalty stopped "
                f"falling at {told['penalty']:.3g}"
            )
        ]
    places = zip(working.positions, working.weights.tolist(), strict=True)
    kept = {over.subset(position): abs(weight) for position, weight in places if weight}
    if not kept:
        return nothing(seen, info, ALL_ZERO, problem.n)
    return weighed(seen, kept, info, problem.n)
