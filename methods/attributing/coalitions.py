"""Coalitions of units -> values of the function -> Shapley values and coefficients of LIME."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import walsh_hadamard

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = [
    "coalition_values",
    "exact_shapley",
    "proximity",
    "ridge",
    "shapley_by_orders",
    "shapley_kernel",
    "shapley_kernel_draws",
    "shapley_regression",
]

# Squares of singular values, relative to the largest; from 5 n coalitions on none is smaller.
CERTAIN = 0.01


def coalition_values(
    function: Callable[[Tensor], Tensor],
    rows: Float[Tensor, "rows n"],
    baseline: Float[Tensor, " n"],
    coalitions: Bool[Tensor, "rows coalitions n"],
    *,
    at_a_time: int,
) -> Float[Tensor, "rows coalitions"]:
    """Evaluate each row with the units outside each of its coalitions at the baseline, in float64.

    Coalitions (m, n) are those of every row.
    """
    coalitions = coalitions.expand(len(rows), -1, -1)
    count = coalitions.shape[1]
    values = torch.empty(len(rows) * count, dtype=torch.float64)
    for numbers in torch.split(torch.arange(len(values)), at_a_time):
        row = numbers // count
        chosen = coalitions[row, numbers % count]
        values[numbers] = function(torch.where(chosen, rows[row], baseline)).double()
    return values.view(len(rows), count)


def shapley_by_orders(
    function: Callable[[Tensor], Tensor],
    rows: Float[Tensor, "rows n"],
    baseline: Float[Tensor, " n"],
    orders: Int[Tensor, "rows orders n"],
    none: Float[Tensor, " one"],
    *,
    at_a_time: int,
) -> Float[Tensor, "rows n"]:
    r"""Mean change of each row's value as its units come in one after the other.

    .. math:: \phi_i = \frac1P \sum_\pi f(x_{\pi \le i}, b) - f(x_{\pi < i}, b)

    over P orders a row, each row's own. A row is asked once, and what stands between it and the
    baseline n - 1 times an order.

    Parameters
    ----------
    orders
        Of the units, (rows, P, n).
    none
        Value at the baseline.
    """
    count, n = orders.shape[1:]
    place = orders.argsort(2)
    inside = torch.arange(1, n)
    steps = torch.empty(len(rows), count, n + 1, dtype=torch.float64)
    steps[:, :, 0] = none.double()
    steps[:, :, n] = function(rows).double()[:, None]
    walks = torch.cartesian_prod(torch.arange(len(rows)), torch.arange(count)).reshape(-1, 2)
    for row, order in (part.T for part in torch.split(walks, max(1, at_a_time // n))):
        present = place[row, order][:, None] < inside[:, None]
        x = torch.where(present, rows[row][:, None], baseline).flatten(0, 1)
        if len(x):
            steps[row, order, 1:n] = function(x).double().view(len(row), n - 1)
    gains = steps.diff(dim=2).gather(2, place)
    return gains.mean(1)


def exact_shapley(values: Float[Tensor, "rows patterns"]) -> Float[Tensor, "rows n"]:
    r"""Shapley values from the values of all coalitions, in the order of `spectrum.all_patterns`.

    .. math:: \phi_i = \sum_{S \ni i, |S| \text{ odd}} \frac{2 \hat f(S)}{|S|},

    since the character of S changes from -1 to +1 or back as its units come in one after the
    other: in total by 2 if they are odd in number, in equal shares, and else by nothing.
    """
    n = values.shape[1].bit_length() - 1
    size = torch.zeros(1, dtype=torch.float64)
    for _ in range(n):
        size = torch.cat([size, size + 1])
    shared = walsh_hadamard(values) * torch.where(size % 2 == 1, 2 / size, 0.0)
    # Bit i of a position tells whether unit i is in the set.
    held = [shared.view(len(values), -1, 2, 2**i)[:, :, 1].sum((1, 2)) for i in range(n)]
    return torch.stack(held, dim=1)


def shapley_kernel(coalitions: Bool[Tensor, "coalitions n"]) -> Float[Tensor, " coalitions"]:
    r"""Weight of coalitions of 1 to n - 1 units for the regression that gives Shapley values.

    .. math:: \pi(S) \propto \frac{n - 1}{\binom{n}{|S|} |S| (n - |S|)}

    (Lundberg & Lee 2017, theorem 2).
    """
    n = coalitions.shape[1]
    size = coalitions.sum(1).double()
    whole = torch.tensor(n + 1.0, dtype=torch.float64)
    ways = (whole.lgamma() - (size + 1).lgamma() - (n - size + 1).lgamma()).exp()
    return (n - 1) / (ways * size * (n - size))


def shapley_kernel_draws(n: int, count: int, generator: torch.Generator) -> Bool[Tensor, "count n"]:
    """Draw coalitions with the chances of `shapley_kernel`, half of them the others' complements.

    Complements make the regression exact for all that changes its sign with the state of every
    unit (paired sampling; Covert & Lee 2021).
    """
    sizes = torch.arange(1, n)
    drawn = torch.multinomial(
        1 / (sizes * (n - sizes)), -(-count // 2), replacement=True, generator=generator
    )
    rank = torch.rand(len(drawn), n, generator=generator).argsort(1).argsort(1)
    half = rank < sizes[drawn][:, None]
    return torch.stack([half, ~half], dim=1).flatten(0, 1)[:count]


def shapley_regression(
    coalitions: Bool[Tensor, "coalitions n"],
    weights: Float[Tensor, " coalitions"],
    gains: Float[Tensor, "rows coalitions"],
    whole: Float[Tensor, " rows"],
) -> Float[Tensor, "rows n"]:
    r"""Least squares :math:`\min_\phi \sum_S \pi_S (g_S - \sum_{i \in S} \phi_i)^2` for each row.

    Under the constraint that the :math:`\phi_i` sum to the gain of all units, which is put in
    beforehand: they are its equal shares and a vector that sums to 0. Directions of which the
    coalitions tell less than a hundredth of what they tell of the best are left at 0: few
    coalitions, near 2 n of them in pairs, would else fit their noise.

    Parameters
    ----------
    coalitions, weights
        (m, n) and (m,), of 1 to n - 1 units each.
    gains, whole
        (rows, m) and (rows,): values of the coalitions, and of all units, less that of none.
    """
    n = coalitions.shape[1]
    equal = whole.double()[:, None] / n
    if not len(coalitions):
        return equal.expand(-1, n)
    member, weights = coalitions.double(), weights.double()
    # Columns that sum to 0 over the units are all that the constraint leaves.
    centred = member - member.mean(1, keepdim=True)
    left = gains.double() - member.mean(1) * whole.double()[:, None]
    told, directions = torch.linalg.eigh(centred.T @ (centred * weights[:, None]))
    certain = told > CERTAIN * told[-1]
    directions = directions[:, certain]
    found = ((left * weights) @ centred @ directions / told[certain]) @ directions.T
    contributions: Tensor = found - found.mean(1, keepdim=True) + equal
    return contributions


def proximity(coalitions: Bool[Tensor, "coalitions n"], width: float) -> Float[Tensor, " m"]:
    r"""Weight :math:`\exp(-d^2 / 2 w^2)` of coalitions at distance d from all units.

    d is the Euclidean distance of 0-1 vectors, so :math:`d^2` counts the units left out; the
    square root of LIME's :math:`\exp(-d^2 / w^2)`, as in its authors' code.
    """
    return (-(~coalitions).sum(1).double() / (2 * width**2)).exp()


def ridge(
    coalitions: Bool[Tensor, "coalitions n"],
    weights: Float[Tensor, " coalitions"],
    values: Float[Tensor, "rows coalitions"],
    penalty: float,
) -> Float[Tensor, "rows n"]:
    r"""Coefficients of a weighted ridge regression with an intercept, for each row.

    .. math:: \min_{\beta, b} \sum_S \pi_S (y_S - b - \sum_{i \in S} \beta_i)^2 + \lambda |\beta|^2
    """
    member, share = coalitions.double(), weights / weights.sum()
    centred = member - share @ member
    left = values - (values @ share)[:, None]
    gram = centred.T @ (centred * weights[:, None])
    gram += penalty * torch.eye(len(gram), dtype=gram.dtype)
    found: Tensor = torch.linalg.solve(gram, (left * weights) @ centred, left=False)
    return found
