"""Plain rivals: problem -> attribution, or model, by regression on draws of D.

All of them spend the whole budget on draws of D, or where rows are given on these rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench import Attribution, NotApplicable, Problem, attribute

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset

__all__ = [
    "Model",
    "boosted_trees",
    "correlated_units",
    "given_the_rows",
    "lasso",
    "pursuit",
    "pursuit_candidates",
    "ridge",
]

Model = Callable[[Tensor], Tensor]
KEPT = 16
LEAST_VARIANCE = 0.1
PAIRED, TRIPLED = 40, 14
FOLDS = 5
PENALTIES = np.logspace(-2, 4, 13)


def _draws(problem: Problem) -> tuple[Float[ndarray, "rows n"], Float[ndarray, " rows"]]:
    """Patterns and values of all the rows that the budget allows."""
    if problem.any_pattern or problem.rows is None:
        x = problem.sample(problem.remaining)
        y = problem.value(x)
    else:
        x = problem.rows[: problem.remaining]
        y = problem.value_of_rows(torch.arange(len(x)))
    return problem.pattern(x).double().numpy(), y.double().numpy()


def _association(
    pattern: Float[ndarray, "rows n"], values: Float[ndarray, " rows"]
) -> Float[ndarray, " n"]:
    """Correlation of each unit's state with the value; 0 for a unit that never changes."""
    centred, y = pattern - pattern.mean(0), values - values.mean()
    spread = np.linalg.norm(centred, axis=0) * np.linalg.norm(y)
    return np.asarray(np.divide(y @ centred, spread, out=np.zeros_like(spread), where=spread > 0))


def correlated_units(problem: Problem) -> Attribution:
    """The 16 units whose states correlate most with the value."""
    found = _association(*_draws(problem))
    first = np.argsort(-np.abs(found), kind="stable")[:KEPT]
    return Attribution.from_subsets({(int(i),): float(found[i]) for i in first}, n=problem.n)


def pursuit_candidates(
    pattern: Float[ndarray, "rows n"], values: Float[ndarray, " rows"], order: int
) -> list[Subset]:
    """All units with 1 - mean^2 above 0.1, and up to ``order`` pairs and triples of a few.

    The pairs are of the 40 among them that correlate most with the value, triples of the 14.
    """
    strength = np.abs(_association(pattern, values))
    varying = np.flatnonzero(1 - pattern.mean(0) ** 2 > LEAST_VARIANCE)
    ranked = varying[np.argsort(-strength[varying], kind="stable")].tolist()
    found: list[Subset] = [(i,) for i in sorted(ranked)]
    for size, few in ((2, PAIRED), (3, TRIPLED)):
        if size <= order:
            found += combinations(sorted(ranked[:few]), size)
    return found


def pursuit(problem: Problem, order: int, *, biased: bool = False) -> Attribution:
    """Subsets in the order in which orthogonal matching pursuit takes their characters.

    Pati, Rezaiifar & Krishnaprasad 1993, by scikit-learn; columns are centred and of length 1.
    Importance falls from 1 in the order taken; coefficients are those of the last step.

    Parameters
    ----------
    order
        Units in the largest subset.
    biased
        Whether units are centred and scaled before they are multiplied (the p-biased basis).
    """
    from sklearn.linear_model import orthogonal_mp

    pattern, values = _draws(problem)
    subsets = pursuit_candidates(pattern, values, order)
    if biased:
        spread = pattern.std(0)
        pattern = (pattern - pattern.mean(0)) / np.where(spread > 0, spread, 1.0)
    columns = np.stack([pattern[:, list(s)].prod(1) for s in subsets] or [values * 0], axis=1)
    columns -= columns.mean(0)
    lengths = np.linalg.norm(columns, axis=0)
    varying = np.flatnonzero(lengths > 1e-9 * len(values) ** 0.5)
    y = values - values.mean()
    if not len(varying) or not y.any():
        return Attribution.from_subsets({}, n=problem.n)
    with warnings.catch_warnings():
        # It stops before its number of steps where nothing is left to explain, and warns.
        warnings.simplefilter("ignore", RuntimeWarning)
        path = orthogonal_mp(
            columns[:, varying] / lengths[varying],
            y,
            n_nonzero_coefs=min(KEPT, len(varying)),
            precompute=True,
            return_path=True,
        )
    path = path.reshape(len(varying), -1)
    taken = _order_taken(path)
    last = path[:, -1] / lengths[varying]
    return Attribution.from_subsets(
        {subsets[varying[at]]: float(last[at]) for at in taken},
        n=problem.n,
        importance={subsets[varying[at]]: 1 - place / KEPT for place, at in enumerate(taken)},
    )


def _order_taken(path: Float[ndarray, "columns steps"]) -> list[int]:
    """Columns in the order in which a path of coefficients takes them."""
    taken: dict[int, None] = {}
    for step in path.T:
        taken.update(dict.fromkeys(np.flatnonzero(step).tolist()))
    return list(taken)


def lasso(problem: Problem) -> Attribution:
    """Single units with their coefficients in a cross-validated lasso (scikit-learn)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    pattern, values = _draws(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LassoCV(cv=FOLDS).fit(pattern, values)
    found: dict[Subset, float] = {(i,): float(c) for i, c in enumerate(fitted.coef_) if c}
    return Attribution.from_subsets(found, n=problem.n)


def given_the_rows(problem: Problem, method: str = "actspec") -> Attribution:
    """What a method finds where rows of D and their values are all that it gets.

    Of a data set each of so many rows once, in an order of the seed's.
    """
    if not problem.any_pattern:
        raise NotApplicable("rows are all that any method gets here")
    seed = problem.generator.initial_seed()
    rows, inputs = problem.rows, problem.input_of_row
    if rows is None or inputs is None:
        x, label = problem.sample(problem.remaining), None
        y = problem.value(x)
    else:
        chosen = torch.randperm(len(rows), generator=problem.generator)[: problem.remaining]
        x, label, y = rows[chosen], inputs[chosen], problem.value_of_rows(chosen)
    given = Problem.from_samples(x, y, inputs=label, budget=len(x), seed=seed)
    return attribute(method, given)


def ridge(problem: Problem) -> Model:
    """Ridge regression on all units' states, its penalty chosen by leaving one out."""
    from sklearn.linear_model import RidgeCV

    return _predicting(RidgeCV(PENALTIES).fit(*_draws(problem)))


def boosted_trees(problem: Problem, seed: int) -> Model:
    """Histogram gradient boosting on the units' states (scikit-learn)."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _predicting(HistGradientBoostingRegressor(random_state=seed).fit(*_draws(problem)))


def _predicting(fitted: Any) -> Model:
    return lambda pattern: torch.from_numpy(fitted.predict(pattern.double().numpy()))
