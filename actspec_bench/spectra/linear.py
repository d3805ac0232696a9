"""Problem over data -> how much a sum over all its units' on/off states explains.

Energies by order are those of the subsets that a method found. This says beside them what all
single units could have told, found or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from actspec_bench.fourier.energy import Estimate
from actspec_bench.problems.source import Empirical

if TYPE_CHECKING:
    from actspec_bench.problems.views import ScoredRows, ScoringView

__all__ = ["all_single_units"]

MOST_ROWS = 2**13
PENALTIES = np.logspace(-1, 4, 11)


def all_single_units(view: ScoringView, scored: ScoredRows) -> Estimate | None:
    r"""R^2, on held-out inputs, of ridge regression on all units' states; None without such inputs.

    .. math:: 1 - E(f - g)^2 / Var f, \quad g = b_0 + \sum_i b_i s_i

    fitted on at most 8,192 of the inputs that methods saw, the penalty by leave-one-out errors. The
    error is from the influence of each held-out input.
    """
    sampler = view._source.sampler
    if scored.of != "held-out inputs" or not isinstance(sampler, Empirical):
        return None
    from sklearn.linear_model import RidgeCV

    chosen = torch.randperm(len(sampler.rows), generator=view._draws)[:MOST_ROWS]
    rows = sampler.rows[chosen]
    values = view.value(rows) if sampler.values is None else sampler.values[chosen]
    if float(values.min()) == float(values.max()):
        return None
    line = RidgeCV(alphas=PENALTIES).fit(view.pattern(rows).numpy(), values.numpy())
    told = torch.from_numpy(line.predict(view.pattern(scored.rows).numpy()))
    value = scored.values.double()
    spread, left = (value - value.mean()).square(), (value - told).square()
    share = 1 - float(left.mean() / spread.mean())
    influence = ((1 - share) * spread - left) / spread.mean()
    return Estimate.normal(share, float(influence.std() / len(value) ** 0.5))
