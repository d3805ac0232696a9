"""Given rows and values -> candidates: matching pursuit over products of a few units."""

from __future__ import annotations

from itertools import combinations, islice
from math import comb
from typing import TYPE_CHECKING

import torch

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.fourier import Subset

SCAN_ORDER = 3
SCAN_SUBSETS = 100_000
SCAN_POOL = 1024
MOST_FOUND = 32
OWN_SHARE = 1e-3


def scan(
    pattern: Float[Tensor, "rows n"], values: Float[Tensor, " rows"], units: list[int], most: int
) -> tuple[list[Subset], int]:
    """Subsets of up to three units that explain given values, by matching pursuit, and the order.

    Serves given samples, where no restriction can be completed twice. The largest order is the
    one whose subsets number at most 100,000; of those that correlate most with the values, the
    next one taken is each time the one that correlates most with what is left of them (orthogonal
    matching pursuit: Pati, Rezaiifar & Krishnaprasad 1993), so that no twin of a subset comes in
    for what that subset explains.
    """
    if not len(values):
        return [], 0
    left = (values - values.mean()).double()
    strongest: list[tuple[float, Subset]] = []
    total = order = 0
    while order < SCAN_ORDER and total + comb(len(units), order + 1) <= SCAN_SUBSETS:
        order += 1
        total += comb(len(units), order)
        subsets = combinations(sorted(units), order)
        while part := list(islice(subsets, 4096)):
            chi = characters(pattern, membership(part, pattern.shape[1]))
            strength = (left.float() @ chi).abs() / len(values)
            strongest += zip(strength.tolist(), part, strict=True)
        strongest = sorted(strongest, key=lambda item: (-item[0], item[1]))[:SCAN_POOL]
    pool = [subset for _, subset in strongest]
    chi = characters(pattern, membership(pool, pattern.shape[1])).double()
    chi = chi - chi.mean(0)
    whole = chi.square().sum(0)
    found: list[Subset] = []
    for _ in range(min(most, MOST_FOUND, len(pool))):
        own = chi.square().sum(0)
        open_ = own > OWN_SHARE * whole
        score = torch.where(open_, (left @ chi).square() / own.clamp(min=1e-12), 0.0)
        best = int(score.argmax())
        if score[best] <= 0:
            break
        found.append(pool[best])
        direction = chi[:, best] / own[best].sqrt()
        left = left - direction * (direction @ left)
        chi = chi - direction[:, None] * (direction @ chi)[None, :]
    return found, order
