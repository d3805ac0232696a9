"""Patterns -> all characters of few units, as columns that are never written out.

Sums over rows of values times the characters of all pairs, or of all sets that share all but two
of their units, are one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset

__all__ = ["MOST_COLUMNS", "Columns", "Dictionary", "Listed", "columns", "largest_order"]

# Columns by default, and where the order is asked for.
MOST_COLUMNS, MOST_ASKED = 2**16, 2**22
DEFAULT_ORDER = 3
# Share of all rows in which a column must differ from its mean, as a variance.
LEAST_VARIANCE = 1e-6


def largest_order(n: int) -> int:
    """Largest order up to 3 at which all subsets of n units are few enough, but at least 2."""
    orders = range(DEFAULT_ORDER, 2, -1)
    return next((d for d in orders if _count(n, d) <= MOST_COLUMNS), 2)


def _count(n: int, order: int) -> int:
    return sum(comb(n, k) for k in range(1, order + 1))


class Dictionary(Protocol):
    """Columns from which a few are to be taken."""

    def __len__(self) -> int:
        """Count the columns."""
        ...

    def column(self, position: int) -> Float[Tensor, " rows"]:
        """Make the column at a position, in double precision, less its mean."""
        ...

    def correlations(self, values: Float[Tensor, " rows"]) -> Float[Tensor, " columns"]:
        """Compute the covariance of centred values with each column, over its deviation."""
        ...


@dataclass(frozen=True, eq=False)
class Listed:
    """The characters of a list of subsets, written out."""

    pattern: Float[Tensor, "rows n"]
    subsets: list[Subset]

    def __len__(self) -> int:
        """Count the subsets."""
        return len(self.subsets)

    @cached_property
    def _scaled(self) -> Float[Tensor, "rows subsets"]:
        chi = characters(self.pattern, membership(self.subsets, self.pattern.shape[1])).double()
        chi = chi - chi.mean(0)
        spread = chi.square().mean(0).sqrt()
        return chi / torch.where(spread > LEAST_VARIANCE**0.5, spread, torch.inf)

    def column(self, position: int) -> Float[Tensor, " rows"]:
        """Make the column at a position, scaled to standard deviation 1."""
        return self._scaled[:, position]

    def correlations(self, values: Float[Tensor, " rows"]) -> Float[Tensor, " columns"]:
        """Compute the covariance of centred values with each column, over its deviation."""
        return self._scaled.T @ values.double() / len(values)


@dataclass(frozen=True, eq=False)
class Columns:
    """Products of up to ``order`` of the units' columns.

    Attributes
    ----------
    basis
        (N, n) what stands for each unit: its state, or its deviation over its spread.
    single
        Units that vary, each a column of its own.
    joint
        Units of larger subsets, in ascending order.
    order
        Most units of a subset.
    """

    basis: Float[Tensor, "rows n"]
    single: list[int]
    joint: list[int]
    order: int

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.single) + sum(comb(len(self.joint), k) for k in range(2, self.order + 1))

    @property
    def told(self) -> dict[str, Any]:
        """What ``info`` says of the columns."""
        left_out = sorted(set(self.single) - set(self.joint))
        more = {"units_only_alone": left_out} if left_out and self.order > 1 else {}
        return {"order": self.order, "columns": len(self), **more}

    def subset(self, position: int) -> Subset:
        """Units of the column at a position."""
        if position < len(self.single):
            return (self.single[position],)
        position -= len(self.single)
        m, size = len(self.joint), 2
        while position >= comb(m, size):
            position -= comb(m, size)
            size += 1
        found: list[int] = []
        unit = 0
        while len(found) < size:
            with_it = comb(m - unit - 1, size - len(found) - 1)
            if position < with_it:
                found.append(self.joint[unit])
            else:
                position -= with_it
            unit += 1
        return tuple(found)

    def column(self, position: int) -> Float[Tensor, " rows"]:
        """The column at a position, in double precision, less its mean."""
        chi = self.basis[:, list(self.subset(position))].double().prod(1)
        return chi - chi.mean()

    def sums(self, weight: Float[Tensor, " rows"]) -> Float[Tensor, " columns"]:
        """Sum over rows of a weight times each column, in single precision."""
        return _sums(self.basis, weight.float(), self.single, self.joint, self.order)

    @cached_property
    def deviation(self) -> Float[Tensor, " columns"]:
        """Standard deviation of each column; 0 where that is rounding."""
        rows = len(self.basis)
        even = torch.full((rows,), 1 / rows)
        square = _sums(self.basis.square(), even, self.single, self.joint, self.order)
        variance = square - self.sums(even).square()
        return torch.where(variance > LEAST_VARIANCE, variance, 0.0).sqrt()

    def correlations(self, values: Float[Tensor, " rows"]) -> Float[Tensor, " columns"]:
        """Covariance of centred values with each column, over the column's deviation."""
        found = self.sums(values) / len(values)
        scale = self.deviation
        return torch.where(scale > 0, found / scale.clamp(min=1e-30), 0.0)


def _sums(basis: Tensor, weight: Tensor, single: list[int], joint: list[int], order: int) -> Tensor:
    parts = [basis[:, single].T @ weight]
    x = basis[:, joint].T.contiguous()
    m = len(joint)
    for size in range(2, order + 1):
        for prefix in combinations(range(m), size - 2):
            start = prefix[-1] + 1 if prefix else 0
            tail = x[start:]
            if len(tail) < 2:
                continue
            product = (tail * (weight * x[list(prefix)].prod(0))) @ tail.T
            above = torch.triu_indices(len(tail), len(tail), 1)
            parts.append(product[above[0], above[1]])
    return torch.cat(parts)


def columns(
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    order: int | None,
    *,
    biased: bool = False,
) -> Columns:
    """All columns of up to ``order`` units that vary; without one, of `largest_order`.

    Where they are more than 65,536, with an ``order`` 4,194,304, larger subsets are of the units
    alone whose own columns correlate most with the values, as many as fit.

    Parameters
    ----------
    biased
        Whether units are centred and scaled before they are multiplied: the p-biased basis.
    """
    means = pattern.mean(0)
    spread = pattern.std(0, correction=0)
    varying = torch.nonzero(spread > 0)[:, 0].tolist()
    basis = (pattern - means) / torch.where(spread > 0, spread, 1.0) if biased else pattern
    most = MOST_COLUMNS if order is None else MOST_ASKED
    order = largest_order(len(varying)) if order is None else order
    order = max(min(order, len(varying)), 1)
    alone = Columns(basis, varying, [], 1)
    fit = len(varying)
    while fit and _count(fit, order) - fit > most - len(varying):
        fit -= 1
    joint = varying
    if fit < len(varying):
        strength = alone.correlations(values - values.mean()).abs()
        best = torch.argsort(strength, descending=True, stable=True)[:fit].tolist()
        joint = sorted(varying[i] for i in best)
    return Columns(basis, varying, joint, order)
