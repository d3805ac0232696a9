"""Reported coefficients and rows that chose nothing -> how much of the variance is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset

# Shares above which a warning is due: of what is left, and of what may be.
LARGE, WIDE = 0.1, 0.5
# Rows of a kind that may all be missed at 95%, however many are seen (Hanley & Lippman-Hand 1983).
UNSEEN = 3.0
# A spread that exceeds the noise by no more than this many standard errors of noise is noise.
CLEAR_SPREAD = 2.0
LEAST_ROWS = 16
UNTOLD = (
    "hardly any row was left that chose nothing, so that what is unexplained cannot be told: a "
    "larger budget is needed"
)
SAME = (
    "all {rows:,} rows that chose nothing have one value, so that what is unexplained in patterns "
    "that they did not meet cannot be told: a larger budget is needed"
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
    ``freedom``. The interval is the ratio's by the delta method, with Student's t; patterns met in
    fewer than three of all rows may be missed, so it never ends below that share. None where the
    values cannot be told from noise.
    """
    from scipy.stats import t

    rows = len(values)
    spread = (values - values.mean()).square()
    left = (residual - residual.mean()).square()
    whole = float(spread.mean()) - noise
    of_noise = 2 * noise**2 / freedom
    if rows < 2 or whole <= CLEAR_SPREAD * (of_noise + 2 * noise**2 / rows) ** 0.5:
        return None
    share = (float(left.mean()) - noise) / whole
    square = (left - share * spread).square()
    variance = float(square.sum()) / (rows - 1) / rows + of_noise * (1 - share) ** 2
    # As many as a few large squares leave: see `least_squares`.
    effective = 3 * float(square.sum() ** 2 / square.square().sum().clamp(min=1e-300))
    half = float(t.isf(0.025, min(max(effective, 1.0), rows - 1))) * variance**0.5 / whole
    low, high = max(share - half, 0.0), max(share + half, UNSEEN / rows)
    return [min(max(share, 0.0), high), low, high]


def told(
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    coefficients: dict[Subset, float],
    *,
    taken: float,
    noise: float,
    freedom: int,
) -> dict[str, Any]:
    """What ``info`` says of the variance that ``coefficients`` leave, on rows that chose nothing.

    ``unexplained`` is the share and its interval, None where the rows cannot tell, and
    ``warnings`` a sentence where it is or may be large, or cannot be told.

    Parameters
    ----------
    pattern, values
        The rows.
    taken
        Mean leverage of the rows in the fit, by which it fits them better than others.
    noise, freedom
        Variance of a value's noise, 0 if not known, and the degrees of freedom of that.
    """
    rows = len(values)
    if rows < LEAST_ROWS:
        return {"unexplained": None, "warnings": [UNTOLD]}
    chi = characters(pattern, membership([*coefficients], pattern.shape[1])).double()
    residual = values - chi @ torch.tensor([*coefficients.values()], dtype=torch.float64)
    residual = (residual - residual.mean()) / max(1 - taken, 1 / rows)
    share = share_left(values, residual, noise, freedom)
    count = len(coefficients)
    who = f"the {count:,} subsets reported leave" if count > 1 else "the subset reported leaves"
    if share is None and float(values.std(correction=0)) == 0:
        return {"unexplained": None, "warnings": [SAME.format(rows=rows)]}
    if share is None:
        hidden = f"noise hides on {rows:,} rows what {who}: more are needed"
        return {"unexplained": None, **({"warnings": [hidden]} if count else {})}
    value, low, high = share
    if value <= LARGE and high <= WIDE:
        return {"unexplained": share}
    who = who if count else "no subset is reported, which leaves"
    return {
        "unexplained": share,
        "warnings": [
            (
                f"{who} {100 * value:.0f}% [{100 * low:.0f}, {100 * high:.0f}] of the variance "
                f"unexplained on {rows:,} rows that chose nothing: more rows may find more, or the "
                "function is no sum of few subsets"
            )
        ],
    }
