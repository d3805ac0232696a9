"""Reported coefficients and rows that chose nothing -> how much of the variance is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

# Least share that is worth a warning, and the share of rows that may all be missed at 95%, three
# in as many as were seen (Hanley & Lippman-Hand 1983).
LARGE, UNSEEN = 0.1, 3.0
# A spread that does not exceed this many of its own standard errors is none.
CLEAR_SPREAD = 2.0
LEAST_ROWS = 16
UNTOLD = (
    "hardly any row was left that chose nothing, so that what is unexplained cannot be told: a larger "
    "budget is needed"
)


def share_left(
    values: Float[Tensor, " rows"],
    residual: Float[Tensor, " rows"],
    noise: float = 0.0,
    freedom: int = 1,
) -> list[float] | None:
    r"""Share of the variance of f that is left, with its 95% interval.

    .. math:: \frac{E[(r - \bar r)^2] - \sigma^2}{E[(y - \bar y)^2] - \sigma^2}

    for values y with residuals r, and noise of variance :math:`\sigma^2`, itself estimated with
    ``freedom``. The interval is the ratio's by the delta method, with Student's t; what is left in patterns rarer
    than three in all rows cannot be seen, so it never ends below that share. None where the values
    cannot be told from noise.
    """
    from scipy.stats import t

    rows = len(values)
    spread = (values - values.mean()).square()
    left = (residual - residual.mean()).square()
    whole = float(spread.mean()) - noise
    of_noise = 2 * noise**2 / freedom
    if rows < 2 or whole <= CLEAR_SPREAD * (float(spread.var()) / rows + of_noise) ** 0.5:
        return None
    share = (float(left.mean()) - noise) / whole
    square = (left - share * spread).square()
    variance = float(square.sum()) / (rows - 1) / rows + of_noise * (1 - share) ** 2
    # As many as a few large squares leave: see `least_squares`.
    effective = 3 * float(square.sum() ** 2 / square.square().sum().clamp(min=1e-300))
    half = float(t.isf(0.025, min(max(effective, 1.0), rows - 1))) * variance**0.5 / whole
    low, high = max(share - half, 0.0), max(share + half, UNSEEN / rows)
    return [min(max(share, 0.0), high), low, high]


def told(queries: Queries, coefficients: dict[Subset, float]) -> dict[str, Any]:
    """What ``info`` says of the variance that ``coefficients`` leave, on the rows held back.

    ``unexplained`` is the share and its interval, None where these rows cannot tell, and
    ``warning`` a sentence where it is large. Coefficients that those rows estimated themselves fit
    them too well by their number over the rows', twice, which is put right.
    """
    rows = sum(len(queries.values[i]) for i in queries.held)
    if rows < LEAST_ROWS:
        return {"unexplained": None, "warning": UNTOLD}
    pattern = torch.cat([queries.patterns[i] for i in queries.held])
    values = torch.cat([queries.values[i] for i in queries.held]).double()
    chi = characters(pattern, membership([*coefficients], pattern.shape[1])).double()
    residual = values - chi @ torch.tensor([*coefficients.values()], dtype=torch.float64)
    taken = queries.own / rows
    if queries.fitted:
        taken += (len(coefficients) - queries.own) / queries.fitted
    residual = (residual - residual.mean()) / max(1 - taken, 1 / rows)
    share = share_left(values, residual, queries.noise, queries.noise_freedom)
    if share is None:
        return {"unexplained": None}
    value, low, high = share
    if low <= LARGE:
        return {"unexplained": share}
    count = len(coefficients)
    subsets = "the subset" if count == 1 else f"the {count:,} subsets"
    who = f"{subsets} reported leave{'s' * (count == 1)}" if count else "no subset is reported:"
    return {
        "unexplained": share,
        "warning": f"{who} {100 * value:.0f}% [{100 * low:.0f}, {100 * high:.0f}] of the variance "
        f"unexplained on {rows:,} rows that chose nothing: more rows may find more, or the "
        "function is not a sum of few subsets",
    }
