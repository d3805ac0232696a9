"""Values left unexplained -> the subsets of few units that they correlate with, and a test.

A tree sees what many weak coefficients have in common and not any one of them; of all subsets of
two or three units, which are few, each can be tested by itself.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.regression import discoveries, least_squares
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.methods.actspec.unexplained import share_left

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

# What one look at all subsets may cost: matrix products, numbers multiplied in all, and rows.
PREFIXES, PRODUCTS, ROWS = 500, 5e9, 2**14
MOST = 256
# Least share of the variance whose subsets are looked for.
LEAST_LEFT = 0.02
PASSES = 4


def low_order(
    pattern: Float[Tensor, "rows n"], values: Float[Tensor, " rows"], units: list[int], most: int
) -> tuple[list[Subset], int]:
    r"""The ``most`` subsets of few of ``units`` that correlate best with centred values.

    All subsets of up to k units are looked at, with the largest k that is affordable:
    :math:`\sum_r y_r \prod_{i \in P} x_{ri} x_{rj} x_{rl}` for all pairs j, l at once is one matrix
    product a prefix P. Returns the subsets, strongest first, and how many were looked at.
    """
    units = sorted(units)
    count, rows = len(units), min(len(values), ROWS)
    # Rows evenly spaced, since they come in batches that are not alike.
    chosen = torch.arange(rows) * len(values) // max(rows, 1)
    x, y = pattern[chosen][:, units].float(), values[chosen].float()
    prefixes = min(PREFIXES, PRODUCTS // max(rows * count**2, 1))
    order = 1
    while order < min(count, 2 + count // 2) and comb(count, order - 1) <= prefixes:
        order += 1
    found: list[tuple[float, Subset]] = list(
        zip((x.T @ y).abs().tolist(), ((u,) for u in units), strict=True)
    )
    for size in range(2, order + 1):
        for prefix in combinations(range(count), size - 2):
            start = prefix[-1] + 1 if prefix else 0
            tail = x[:, start:]
            weighted = (y * x[:, list(prefix)].prod(1))[:, None] * tail
            pairs = (weighted.T @ tail).abs().triu(1)
            best = pairs.flatten().topk(min(most, pairs.numel()))
            wide = pairs.shape[1]
            found += [
                (score, tuple(units[i] for i in (*prefix, start + at // wide, start + at % wide)))
                for score, at in zip(best.values.tolist(), best.indices.tolist(), strict=True)
                if at // wide < at % wide
            ]
        found = sorted(found, key=lambda item: (-item[0], item[1]))[:most]
    found = sorted(found, key=lambda item: (-item[0], item[1]))[:most]
    return [subset for _, subset in found], sum(comb(count, k) for k in range(1, order + 1))


def further(queries: Queries, subsets: list[Subset], units: list[int], fdr: float) -> list[Subset]:
    """Subsets that passed the test, and more of few units that stand out on all draws so far.

    Every subset of so few units is looked at, so that false discoveries are held to the rate
    ``fdr`` among all of them, and rows that chose nothing are left alone.
    """
    drawn = [i for i, draws in enumerate(queries.drawn) if draws]
    pattern = torch.cat([queries.patterns[i] for i in drawn])
    values = torch.cat([queries.values[i] for i in drawn]).double()
    for _ in range(PASSES):
        known = characters(pattern, membership([(), *subsets], pattern.shape[1])).double()
        residual = values - known @ torch.linalg.lstsq(known, values[:, None]).solution[:, 0]
        share = share_left(values, residual, queries.noise, queries.noise_freedom)
        if share is None or share[1] <= LEAST_LEFT:
            break
        most = min(MOST, len(values) // 32)
        best, looked_at = low_order(pattern, residual, units, most)
        new = [s for s in best if s not in set(subsets)]
        if not new:
            break
        fit = least_squares(pattern, values, [*subsets, *new])
        p_values = np.ones(looked_at)
        p_values[: len(new)] = fit.p_values()[len(subsets) :]
        passed = [s for s, real in zip(new, discoveries(p_values, fdr), strict=False) if real]
        subsets = [*subsets, *passed]
        if not passed:
            break
    return subsets
