"""Rows and values -> a sparse linear probe: what can be read off single units."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.intervening.choices import Features
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

    from actspec_bench.problems.problem import Problem

    Folds = Sequence[tuple[Int[ndarray, " train"], Int[ndarray, " test"]]]

__all__ = ["deal_out", "linear_probe", "logistic", "squared"]

LEAST_ROWS = 10
FOLDS = 5
# Decades below the penalty at which all coefficients are zero, and penalties tried in them.
DECADES = 2.5
PENALTIES_LOGISTIC = 8
PENALTIES_SQUARED = 24
# liblinear penalises the intercept too; a large constant feature makes that next to nothing.
INTERCEPT = 10.0
ALIKE = 1e-6


def linear_probe(
    problem: Problem, *, on: On, features: Features, rows: int, most: int
) -> Attribution:
    """Return the coefficients of a probe, as `methods.probing` describes it."""
    x, y, inputs = _read(problem, on, features, rows)
    if np.ptp(y) <= ALIKE * np.abs(y).max():
        raise NotApplicable(
            f"all {len(y):,} rows evaluated have the same value: there is nothing to decode"
        )
    spread = x.std(0)
    varies = spread > ALIKE * np.maximum(np.abs(x).max(0), 1e-30)
    standardised = np.where(varies, (x - x.mean(0)) / np.where(varies, spread, 1), 0.0)
    high = y > (y.max() + y.min()) / 2
    two_valued = len(np.unique(y)) == 2
    folds = deal_out(high, inputs, _generator(problem))
    kept = np.sort(np.argsort(-np.abs(standardised.T @ (y - y.mean())), kind="stable")[:most])
    kept = kept[varies[kept]]
    if not len(kept):
        raise NotApplicable("no unit varies between the rows evaluated")
    fit = logistic if two_valued else squared
    coefficients, info = fit(standardised[:, kept], high if two_valued else y, folds)
    scores = np.zeros(problem.n)
    scores[kept] = coefficients
    info |= {"rows": len(y), "units_probed": len(kept)}
    if not scores.any():
        info["reason"] = "no penalty under which a unit is used predicts better than none"
    return Attribution.from_units(scores, info=info)


def logistic(
    x: Float[ndarray, "rows units"], high: Bool[ndarray, " rows"], folds: Folds
) -> tuple[Float[ndarray, " units"], dict[str, Any]]:
    """Fit an L1 logistic probe of a class, with the penalty of best held-out likelihood.

    Parameters
    ----------
    x
        Standardised units.
    high
        The class of each row.
    folds
        (train, test) numbers of rows.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.svm import l1_min_c

    # From scikit-learn 1.8 on, an L1 penalty is asked for by l1_ratio.
    new = LogisticRegression().get_params()["penalty"] == "deprecated"
    penalty: dict[str, Any] = {"l1_ratio": 1.0} if new else {"penalty": "l1"}
    weakest = l1_min_c(x, high, loss="log", fit_intercept=True, intercept_scaling=INTERCEPT)
    strengths = weakest * np.logspace(0, DECADES, PENALTIES_LOGISTIC)

    def fitted(rows: Any, strength: float) -> Any:
        probe = LogisticRegression(
            C=strength, solver="liblinear", intercept_scaling=INTERCEPT, random_state=0, **penalty
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe.fit(x[rows], high[rows])

    loss = np.zeros(len(strengths))
    right = np.zeros(len(strengths))
    for train, test in folds:
        for i, strength in enumerate(strengths):
            chance = fitted(train, strength).predict_proba(x[test])[:, 1]
            loss[i] += log_loss(high[test], chance, labels=[False, True]) * len(test)
            right[i] += ((chance > 0.5) == high[test]).sum()
    best = int(loss.argmin())
    probe = fitted(slice(None), strengths[best])
    info = {
        "probe": "logistic",
        "penalty": float(1 / strengths[best]),
        "accuracy": float(right[best] / len(high)),
        "accuracy_of_the_larger_class": float(max(high.mean(), 1 - high.mean())),
    }
    return probe.coef_[0], info


def squared(
    x: Float[ndarray, "rows units"], y: Float[ndarray, " rows"], folds: Folds
) -> tuple[Float[ndarray, " units"], dict[str, Any]]:
    """Fit an L1 linear probe of a value (lasso), with the penalty of least held-out error.

    Parameters are those of `logistic`, with the values in place of the class.
    """
    from sklearn.linear_model import LassoCV

    largest = np.abs(x.T @ (y - y.mean())).max() / len(y)
    penalties = largest * np.logspace(0, -DECADES, PENALTIES_SQUARED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe = LassoCV(alphas=penalties, cv=folds, random_state=0).fit(x, y)
    error = float(probe.mse_path_.mean(1).min())
    info = {
        "probe": "linear",
        "penalty": float(probe.alpha_),
        "r2": 1 - error / float(np.var(y)),
    }
    return probe.coef_, info


def deal_out(
    high: Bool[ndarray, " rows"], inputs: Int[ndarray, " rows"], generator: np.random.Generator
) -> Folds:
    """Return (train, test) rows of up to five folds with both classes in each.

    All rows of one input are in one fold. Inputs are dealt out in turn, those of one class after
    those of the other; an input counts as the class of its first row.

    Raises
    ------
    NotApplicable
        A class has fewer than two inputs.
    """
    _, first, which = np.unique(inputs, return_index=True, return_inverse=True)
    of_class = high[first]
    fewer = int(min(of_class.sum(), (~of_class).sum()))
    if fewer < 2:
        raise NotApplicable(
            f"{len(high):,} rows were evaluated, and fewer than two inputs of one of the two "
            "classes are among them: a probe could not be tested"
        )
    count = min(FOLDS, fewer)
    shuffled = generator.permutation(len(first))
    order = shuffled[np.argsort(of_class[shuffled], kind="stable")]
    fold = np.empty(len(first), dtype=int)
    fold[order] = np.arange(len(first)) % count
    return [
        (np.flatnonzero(fold[which] != k), np.flatnonzero(fold[which] == k)) for k in range(count)
    ]


def _read(
    problem: Problem, on: On, features: Features, most: int
) -> tuple[Float[ndarray, "rows n"], Float[ndarray, " rows"], Int[ndarray, " rows"]]:
    """Rows, their values and the input that each is: of a data set without repetition."""
    import torch

    data, inputs = problem.rows, problem.input_of_row
    most = min(most, problem.remaining, problem.remaining if data is None else len(data))
    if most < LEAST_ROWS:
        raise NotApplicable(
            f"{most} rows can be evaluated, and a probe is fitted and tested on at least "
            f"{LEAST_ROWS}"
        )
    if data is None or inputs is None:
        x = problem.sample(most)
        y, which = explained(problem, on)(x), torch.arange(most)
    else:
        numbers = torch.randperm(len(data), generator=problem.generator)[:most]
        x, which = data[numbers], inputs[numbers]
        y = problem.value_of_rows(numbers) if on == "value" else problem.margin(x)
    x = problem.pattern(x) if features == "patterns" else x
    return x.double().numpy(), y.double().numpy(), which.numpy()


def _generator(problem: Problem) -> np.random.Generator:
    return np.random.default_rng(problem.generator.initial_seed())
