"""Subsets and inputs that did not choose them -> what each adds, its coefficient, what all explain.

The inputs that test are others than those that chose, so that nothing looks larger for having been
chosen.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.energy import Estimate
from actspec_bench.fourier.regression import Fit, discoveries, on_design
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.methods.actspec.inputs import FOLDS
from actspec_bench.methods.actspec.pursuit import centred
from actspec_bench.methods.actspec.unexplained import UNSEEN

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.inputs import Inputs

__all__ = ["added", "explained", "joint", "real", "statistics", "supported"]

INPUTS_A_SUBSET = 4
LEAST_TESTED = 10
FRESH = 0.9
MOST_LEVERAGE = 0.5
LEAST_LEFT = 1e-3


def added(inputs: Inputs, subsets: list[Subset]) -> Float[Tensor, "rows subsets"]:
    """What each subset's character has beyond those before it: an orthonormal basis under D.

    The centred characters are made orthogonal one after the other and scaled to mean square 1, so
    that the square of a coefficient is the variance that its subset adds.
    """
    columns = centred(inputs.pattern, subsets).double()
    basis, triangle = torch.linalg.qr(columns)
    scaled: Tensor = basis * triangle.diagonal().sign() * len(columns) ** 0.5
    return scaled


def joint(inputs: Inputs, subsets: list[Subset]) -> Fit:
    """Joint least squares under D on an intercept and the characters of ``subsets``.

    On the inputs that test, or if all choose on all.
    """
    return _fit(inputs, characters(inputs.pattern, membership(subsets, _n(inputs))))


def _n(inputs: Inputs) -> int:
    return inputs.pattern.shape[1]


def _fit(inputs: Inputs, columns: Tensor) -> Fit:
    """Least squares, rows of one weight, on the inputs that test; on all if all choose."""
    rows = inputs.known if inputs.fold is None else inputs.tested
    return on_design(columns[rows], inputs.values[rows], inputs.input[rows], even=True)


def statistics(inputs: Inputs, subsets: list[Subset]) -> Float[ndarray, " subsets"]:
    """What each adds to those before it on the inputs that test, as a normal score.

    Of no more subsets than a quarter of those inputs, and of none on fewer than ten. One that
    differs from those before it in hardly more than one of these inputs cannot be tested, and
    scores 0 (`_testable`).
    """
    from scipy.stats import norm

    tested = len(torch.unique(inputs.input[inputs.tested]))
    subsets = subsets[: tested // INPUTS_A_SUBSET] if tested >= LEAST_TESTED else []
    if not subsets:
        return np.zeros(0)
    rows = inputs.tested
    basis, groups = added(inputs, subsets)[rows], inputs.input[rows]
    kept = _testable(basis, groups)
    scores = np.zeros(len(subsets))
    if kept:
        fit = on_design(basis[:, kept], inputs.values[rows], groups, even=True)
        tail = np.clip(fit.p_values() / 2, np.finfo(float).tiny, 0.5)
        scores[kept] = norm.isf(tail) * np.sign(fit.coefficients.numpy())
    return scores


def _testable(basis: Float[Tensor, "rows subsets"], groups: Tensor) -> list[int]:
    """Columns of a design, one after the other, in which no input has a leverage above a half.

    The error of a coefficient that hangs on one input cannot be told, and where units are nearly
    copies of each other, that of no other coefficient of the same fit can.
    """
    _, place = torch.unique(groups, return_inverse=True)
    inputs = int(place.max()) + 1
    leverage = torch.bincount(place).double() / len(basis)
    directions = torch.full((len(basis), 1), len(basis) ** -0.5, dtype=torch.float64)
    kept = []
    for column, values in enumerate(basis.T):
        left = values - directions @ (directions.T @ values)
        left -= directions @ (directions.T @ left)
        if left.norm() <= LEAST_LEFT * values.norm():
            continue
        left = left / left.norm()
        more = leverage + torch.zeros(inputs).double().index_add(0, place, left.square())
        if more.max() <= MOST_LEVERAGE:
            kept.append(column)
            leverage, directions = more, torch.cat([directions, left[:, None]], dim=1)
    return kept


def real(
    scores: Float[ndarray, " subsets"], subsets: list[Subset], fdr: float, among: int = 0
) -> list[Subset]:
    """Subsets whose normal scores are not those of nothing, at false-discovery rate ``fdr``.

    If they were taken from ``among`` with a look at the inputs that test, p-values are multiplied
    by how many that is for each.
    """
    from scipy.stats import norm

    if not len(scores):
        return []
    p_values = 2 * norm.sf(np.abs(scores)) * max(among / len(scores), 1)
    passed = discoveries(p_values, fdr)
    return [subset for subset, is_real in zip(subsets, passed, strict=False) if is_real]


def explained(inputs: Inputs, subsets: list[Subset]) -> tuple[Estimate, float]:
    """R^2 on the inputs that test of a fit to those that chose, and that on those that chose."""
    mask = membership([(), *subsets], _n(inputs))
    design = characters(inputs.pattern, mask).double()
    search, test = inputs.searched, inputs.tested
    values, weights = inputs.values.double(), inputs.weights.double()
    root = weights[search, None].sqrt()
    fit = torch.linalg.lstsq(
        root * design[search], root * values[search, None], driver="gelsd"
    ).solution[:, 0]
    fitted = design @ fit
    return (
        _r2(values[test], fitted[test], inputs.input[test]),
        share_explained(values[search], fitted[search], weights[search]),
    )


def share_explained(
    values: Float[Tensor, " rows"], fitted: Float[Tensor, " rows"], weights: Tensor
) -> float:
    """1 - E(f - fit)^2 / Var f of weighted rows; NaN of a constant."""
    left = (weights * (values - fitted).square()).sum()
    centred_values = values - (weights * values).sum() / weights.sum()
    variance = (weights * centred_values.square()).sum()
    return float(1 - left / variance) if variance > 0 else float("nan")


def _r2(values: Float[Tensor, " rows"], fitted: Tensor, groups: Tensor) -> Estimate:
    """1 - E(f - fit)^2 / Var f, its error from the influence of an input; NaN of a constant.

    Three inputs of all may be missed (`unexplained.UNSEEN`), so the interval reaches as low.
    """
    square = (values - fitted).square()
    centred_square = (values - values.mean()).square()
    variance = centred_square.mean()
    if not len(values) or not variance > 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    r2 = 1 - square.mean() / variance
    influence = ((1 - r2) * centred_square - square) / variance
    of_input = torch.zeros(int(groups.max()) + 1, dtype=influence.dtype)
    of_input = of_input.index_add(0, groups, influence)
    found = Estimate.normal(float(r2), float(of_input.square().sum().sqrt() / len(values)))
    return replace(found, low=min(found.low, 1 - UNSEEN / len(torch.unique(groups))))


def supported(inputs: Inputs, subsets: list[Subset], tried: int) -> int:
    r"""How many of ``subsets``, from the first on, will explain nearly as much of other inputs.

    The largest k of which all together explain on fresh inputs at least nine tenths of what they
    explain on those asked. How much less the former is than on the n rows that chose, is seen on
    the rows that test, but with few of them not well: it is taken to lie between that of k
    coefficients that were not chosen, and that of k chosen from m for noise alone (Foster & George
    1994, Annals of Statistics 22:1947),

    .. math:: 2 k (1 - R^2) / n \quad \text{and} \quad k (1 + 2 \log m) (1 - R^2) / n.
    """
    rows = int(inputs.searched.sum())
    for k in range(len(subsets), 0, -1):
        tested, r2 = explained(inputs, subsets[:k])
        rest = (1 - r2) / rows
        most = k * (1 + 2 * log(max(tried, 2))) * rest
        drop = min(max(r2 - tested.value, 2 * k * rest), most)
        if r2 - drop >= FRESH * (r2 - drop / FOLDS) > 0:
            return k
    return 0
