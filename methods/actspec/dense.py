"""Asked inputs -> what the others would answer: a dense predictor of the value from activations.

A layer's patterns cost no query, so a predictor that is right about most inputs lets all of them
choose subsets, and not only those asked (prediction-powered inference: Angelopoulos et al. 2023,
Science 382:669). It is cross-fitted over the inputs that choose, and knows nothing of those that
test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.methods.actspec.inputs import Inputs

__all__ = ["Dense", "fitted"]

PENALTY = 1e-3
ITERATIONS = 60
LEAST_SCALE = 1e-6
LEAST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Dense:
    """What a dense predictor says of every row.

    Attributes
    ----------
    predicted
        (N,) of rows that choose by the predictor that did not see them.
    r2
        Share of the variance that it explains of rows that choose, so predicted.
    """

    predicted: Float[Tensor, " rows"]
    r2: float

    def imputed(self, inputs: Inputs) -> Float[Tensor, " rows"]:
        """The value where it may choose, else what is predicted."""
        return torch.where(inputs.searched, inputs.values, self.predicted)

    def corrected(self, inputs: Inputs) -> Float[Tensor, " rows"]:
        r"""Outcomes whose mean product with any character is unbiased under D.

        .. math:: g_i + \frac{N}{n} (f_i - g_i) 1[i \text{ may choose}]
        """
        searched = inputs.searched
        rest = torch.where(searched, inputs.values - self.predicted, 0.0)
        return self.predicted + rest * (len(rest) / int(searched.sum()))


def fitted(inputs: Inputs) -> Dense:
    """Fit the predictor: logistic regression of two values, else ridge, on all activations.

    Activations are scaled to mean 0 and standard deviation 1; ``r2`` is -inf of fewer than 20
    rows, or where all have one value.
    """
    x = inputs.rows
    x = (x - x.mean(0)) / x.std(0).clamp(min=LEAST_SCALE)
    searched = inputs.searched
    values = inputs.values[searched]
    if len(values) < LEAST_ROWS or values.min() == values.max():
        return Dense(torch.zeros(len(x)), -torch.inf)
    levels = torch.unique(values)
    middle, half = levels.mean(), (levels[-1] - levels[0]) / 2
    predict = _logistic if len(levels) == 2 else _ridge
    fold = inputs.input % 2 == 0
    both = [
        middle + half * predict(x, (inputs.values - middle) / half, searched & part)
        for part in (fold, ~fold)
    ]
    other = torch.where(fold, both[1], both[0])
    predicted = torch.where(searched, other, (both[0] + both[1]) / 2)
    error = (values - predicted[searched]).square().mean()
    return Dense(predicted, float(1 - error / values.var(correction=0)))


def _logistic(x: Tensor, y: Tensor, rows: Bool[Tensor, " rows"]) -> Tensor:
    """Expected sign of every row: logistic regression with a ridge penalty, fitted on ``rows``."""
    x_fit, y_fit = x[rows], y[rows]
    weights = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        margin = y_fit * (x_fit @ weights[:-1] + weights[-1])
        total = torch.nn.functional.softplus(-margin).mean()
        total = total + PENALTY * weights[:-1].square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    fit = weights.detach()
    return torch.tanh((x @ fit[:-1] + fit[-1]) / 2)


def _ridge(x: Tensor, y: Tensor, rows: Bool[Tensor, " rows"]) -> Tensor:
    """Linear prediction of every row: ridge regression with an intercept, fitted on ``rows``."""
    x_fit, y_fit = x[rows].double(), y[rows].double()
    mean, level = x_fit.mean(0), y_fit.mean()
    x_fit = x_fit - mean
    gram = x_fit.T @ x_fit + PENALTY * len(x_fit) * torch.eye(x.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, x_fit.T @ (y_fit - level))
    return ((x.double() - mean) @ weights + level).float()
