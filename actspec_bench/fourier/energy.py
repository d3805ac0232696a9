"""Patterns and values -> share of the variance that found subsets carry, by order.

Pure functions of tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.regression import least_squares
from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset

__all__ = ["Z_95", "Energies", "Estimate", "energies", "over_runs"]

Z_95 = 1.959964
DEPENDENT = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, error: float) -> Estimate:
        """Interval of an estimate that is about normal with standard error ``error``."""
        return cls(value, value - Z_95 * error, value + Z_95 * error)

    @classmethod
    def positive(cls, value: float, error: float) -> Estimate:
        """Interval of an estimate whose logarithm is about normal; [0, 0] around 0."""
        factor = exp(Z_95 * error / value) if value > 0 else 1.0
        return cls(value, value / factor, value * factor)

    @property
    def error(self) -> float:
        """Standard error that an interval of `normal` was made of."""
        return (self.high - self.low) / (2 * Z_95)


def over_runs(runs: Sequence[Estimate], *, same_inputs: bool) -> Estimate:
    r"""Mean of several runs of a search, with an interval over what differs between them.

    By the law of total variance the squared error is that of the estimates, W, their mean over
    the runs, which share the rows they are estimated on, and :math:`B = s^2 / R` for the
    variance :math:`s^2` between R runs. Where all of them saw one data set, or bootstrap samples
    of it, their mean varies with that data set by as much as they vary among each other, and
    :math:`B = s^2 (1 + 1/R)`. The half width is :math:`t_\nu \sqrt{B + W}` with
    :math:`\nu = (R - 1) ((B + W) / B)^2` (Satterthwaite 1946, Biometrics Bulletin 2:110).

    Parameters
    ----------
    runs
        The same share of each run, 0 where a run found nothing.
    same_inputs
        Whether the runs saw one data set.
    """
    from scipy.stats import t

    count = len(runs)
    mean = sum(one.value for one in runs) / count
    within = sum(one.error**2 for one in runs) / count
    if count == 1:
        return runs[0]
    spread = sum((one.value - mean) ** 2 for one in runs) / (count - 1)
    between = spread * (1 / count + same_inputs)
    if between == 0:
        return Estimate.normal(mean, within**0.5)
    total = between + within
    half = float(t.ppf(0.975, (count - 1) * (total / between) ** 2)) * total**0.5
    return Estimate(mean, mean - half, mean + half)


@dataclass(frozen=True, eq=False)
class Energies:
    """Shares of a function's variance; all of them together are 1.

    Attributes
    ----------
    variance
        Variance of the function under D.
    by_order
        Order -> share that the subsets of so many units add to those of fewer.
    found, unexplained
        Share of all subsets together, and the rest.
    of_subset
        (m,) the share of each subset.
    resampled
        (resamples, m) the same from draws whose residuals have random signs.
    coefficients
        One a subset: joint least squares on the characters of all.
    """

    variance: float
    by_order: dict[int, Estimate]
    found: Estimate
    unexplained: Estimate
    of_subset: Float[Tensor, " subsets"]
    resampled: Float[Tensor, "resamples subsets"]
    coefficients: list[Estimate]


def energies(
    pattern: Float[Tensor, "draws n"],
    values: Float[Tensor, " draws"],
    subsets: Sequence[Subset],
    *,
    uniform: bool,
    signs: Float[Tensor, "resamples draws"],
) -> Energies:
    r"""Estimate the energy of each subset and order from independent draws of D.

    With orthonormal characters (uniform D) the energy of S is :math:`\hat f(S)^2`, estimated by
    :math:`\hat c^2 - se^2`: the square of its coefficient in a joint least-squares fit is too
    large by the variance of the coefficient, on average. Under another D characters share what
    they explain. They are then made orthogonal one after the other, small subsets first and in
    the order given among subsets of one size, so that each has the energy that it *adds*; one
    that is a sum of those before it has none.

    The unexplained part is the residual variance, sum of squares over degrees of freedom. No
    share is clipped: one of about zero may come out negative. Intervals are from the influence
    of a draw (Hampel 1974): with g_k the part of the fit at order k, r the residual,
    :math:`\sigma^2` its variance, s_k the share and V the variance,

    .. math:: IF_{s_k} = [2 g_k r - s_k (2 g r + r^2 - \sigma^2)] / V

    (and the variance of the squares' own noise is added, all there is at zero). Where D is not
    known, :math:`g_k^2 + 2 g_k \sum_{l>k} g_l - E_k` is added to
    :math:`2 g_k r` for what the draws themselves happen to be.

    Parameters
    ----------
    pattern, values
        Patterns and values of the draws; the values are not all the same.
    subsets
        None of them empty or twice; at most a quarter as many as draws.
    uniform
        Whether D is known to be uniform.
    signs
        Random signs for `Energies.resampled` (wild bootstrap; Liu 1988).
    """
    draws, y = len(values), values.double() - values.double().mean()
    placed = sorted(range(len(subsets)), key=lambda i: len(subsets[i]))
    ranked = [subsets[i] for i in placed]
    sizes = torch.tensor([len(subset) for subset in ranked], dtype=torch.long)
    chi = characters(pattern, membership(ranked, pattern.shape[1])).double()
    chi = chi - chi.mean(0)
    fit = least_squares(pattern, values, ranked)
    basis, square_root = (chi, fit.coefficients) if uniform else _orthogonal(chi, y)
    freedom = draws - len(ranked) - 1
    rest = y - basis @ square_root
    slopes = basis * rest[:, None] / draws
    errors = (slopes.square().sum(0) * draws / freedom).sqrt()
    own = square_root.square() - errors.square()
    sigma2 = rest.square().sum() / freedom
    variance = own.sum() + sigma2

    orders = sorted(set(sizes.tolist()))
    parts = torch.stack([basis[:, sizes == k] @ square_root[sizes == k] for k in orders], 1)
    amounts = torch.stack([own[sizes == k].sum() for k in orders])
    squares = torch.stack([2 * errors[sizes == k].pow(4).sum() for k in orders])
    influence = 2 * parts * rest[:, None]
    if not uniform:
        later = parts.flip(1).cumsum(1).flip(1) - parts
        influence = influence + parts * (parts + 2 * later) - amounts
    of_rest = rest.square() - sigma2
    of_variance = influence.sum(1) + of_rest
    columns = torch.cat([influence, influence.sum(1, keepdim=True), of_rest[:, None]], 1)
    shares = torch.cat([amounts, amounts.sum()[None], sigma2[None]]) / variance
    noise = torch.cat([squares, squares.sum()[None], torch.zeros(1, dtype=y.dtype)])
    spread = (columns - shares * of_variance[:, None]).square().mean(0) / freedom + noise
    told = list(map(Estimate.normal, shares.tolist(), (spread.sqrt() / variance).tolist()))

    shaken = square_root + signs.double() @ slopes
    back = torch.tensor(placed).argsort()
    fitted = list(map(Estimate.normal, fit.coefficients.tolist(), fit.errors.tolist()))
    return Energies(
        float(variance),
        dict(zip(orders, told, strict=False)),
        told[-2],
        told[-1],
        (own / variance)[back],
        ((shaken.square() - 2 * errors.square()) / variance)[:, back],
        [fitted[i] for i in back.tolist()],
    )


def _orthogonal(
    chi: Float[Tensor, "draws subsets"], y: Float[Tensor, " draws"]
) -> tuple[Float[Tensor, "draws subsets"], Float[Tensor, " subsets"]]:
    """Columns made orthogonal in turn, of mean square 1 or all zero, and y's mean product."""
    lengths = chi.square().mean(0).sqrt()
    scaled = chi / torch.where(lengths > 0, lengths, 1.0)
    independent = torch.linalg.qr(scaled, mode="r")[1].diagonal().abs() > DEPENDENT * len(y) ** 0.5
    basis = torch.zeros_like(chi)
    basis[:, independent] = torch.linalg.qr(scaled[:, independent])[0] * len(y) ** 0.5
    return basis, basis.T @ y / len(y)
