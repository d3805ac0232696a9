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

from actspec_bench.methods.actspec.inputs import FOLDS

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.methods.actspec.inputs import Inputs

__all__ = ["Dense", "fitted"]

PENALTY = 1e-3
ITERATIONS = 300
TOLERANCE = 1e-3
LEAST_SCALE = 1e-6
LEAST_INPUTS = 20


@dataclass(frozen=True, eq=False)
class Dense:
    """What a dense predictor says of every row.

    Attributes
    ----------
    predicted
        (N,) of rows that choose by the predictor that did not see them.
    r2
        Share of the variance that it explains of rows that choose, so predicted.
    doubt
        (N,) standard deviation of a row's value, as far as it is known; None where one is as
        good as another's.
    """

    predicted: Float[Tensor, " rows"]
    r2: float
    doubt: Float[Tensor, " rows"] | None = None

    def imputed(self, inputs: Inputs) -> Float[Tensor, " rows"]:
        """The value where it may choose, else what is predicted."""
        return torch.where(inputs.searched, inputs.values, self.predicted)

    def corrected(self, inputs: Inputs) -> Float[Tensor, " rows"]:
        r"""Outcomes whose mean product with a character is unbiased under D, but for two halves' g.

        .. math:: g_i + w_i (f_i - g_i) 1[i \text{ was asked}]

        for rows of the folds that choose, each asked one of weight w_i (`Inputs.weights`). Rows not
        asked have the mean of the two halves' predictions, and asked ones that of the half that did
        not see them, which is the same on average over the halves.
        """
        rest = torch.where(inputs.searched, inputs.values - self.predicted, 0.0)
        return self.predicted + rest * inputs.weights


def fitted(inputs: Inputs) -> Dense:
    """Fit the predictor: logistic regression of two values, else ridge, on all activations.

    Activations are scaled to mean 0 and standard deviation 1; ``r2`` is -inf of fewer than 20
    inputs, or where all of a half of them have one value.
    """
    x = inputs.rows
    x = (x - x.mean(0)) / x.std(0).clamp(min=LEAST_SCALE)
    searched = inputs.searched
    values = inputs.values[searched]
    fold = inputs.input // FOLDS % 2 == 0
    halves = [inputs.values[searched & part] for part in (fold, ~fold)]
    few = len(torch.unique(inputs.input[searched])) < LEAST_INPUTS
    if few or any(not len(half) or half.min() == half.max() for half in halves):
        return Dense(torch.zeros(len(x)), -torch.inf)
    levels = torch.unique(values)
    middle, half = (levels[0] + levels[-1]) / 2, (levels[-1] - levels[0]) / 2
    scaled = (inputs.values - middle) / half
    if len(levels) == 2:
        scaled = torch.where(inputs.values > middle, 1.0, -1.0)
    both = [
        middle + half * _predicted(x, scaled, searched & part, signs=len(levels) == 2)
        for part in (fold, ~fold)
    ]
    other = torch.where(fold, both[1], both[0])
    predicted = torch.where(searched, other, (both[0] + both[1]) / 2)
    weights = inputs.weights[searched]
    error = (weights * (values - predicted[searched]).square()).sum()
    centred_values = values - (weights * values).sum() / weights.sum()
    r2 = float(1 - error / (weights * centred_values.square()).sum())
    if len(levels) > 2:
        return Dense(predicted, r2)
    chance = ((predicted - middle) / half).clamp(-1, 1)
    return Dense(predicted, r2, (1 - chance.square()).sqrt())


def _predicted(x: Tensor, y: Tensor, rows: Bool[Tensor, " rows"], *, signs: bool) -> Tensor:
    """Expected value of every row, fitted on ``rows``: of signs by logistic regression."""
    from sklearn.linear_model import LogisticRegression, Ridge

    x_fit, y_fit = x[rows].numpy(), y[rows].numpy()
    if signs:
        strength = 1 / (2 * PENALTY * len(y_fit))
        fit = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=TOLERANCE).fit(x_fit, y_fit)
        score = x @ torch.from_numpy(fit.coef_[0]).to(x) + float(fit.intercept_[0])
        return torch.tanh(score / 2)
    line = Ridge(alpha=PENALTY * len(y_fit)).fit(x_fit, y_fit)
    return x @ torch.from_numpy(line.coef_).to(x) + float(line.intercept_)
