"""Patterns and outcomes of dependent units -> subsets, ranked by what each adds.

Characters are centred, and scaled to variance 1 under D: the p-biased basis, in which a unit that
is mostly on is no nearer to all-ones than any other. They are not orthogonal where units depend
on each other, so subsets are taken one after the other, each for what it adds to those before it
(orthogonal matching pursuit: Pati, Rezaiifar & Krishnaprasad 1993).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from actspec_bench.fourier import Subset

__all__ = ["Gram", "centred", "ranked", "shortlist"]

SHORTLIST_ROWS = 2**14
NEAREST = 16
TAKEN = 32
HEAD = 6
SIMPLER, SIMPLEST = 0.7, 0.5
OWN_SHARE = 1e-2
STAND_IN = 0.9
LIKE = 0.5
MOST_STAND_INS = 8


def centred(
    pattern: Float[Tensor, "rows n"], subsets: Sequence[Subset]
) -> Float[Tensor, "rows subsets"]:
    """Characters less their means, of mean square 1; one that is constant is all zero."""
    chi = characters(pattern, membership(subsets, pattern.shape[1]))
    chi -= chi.mean(0)
    scale = chi.square().mean(0).sqrt()
    return chi.div_(torch.where(scale > 0, scale, 1.0))


def shortlist(
    pattern: Float[Tensor, "rows n"],
    outcome: Float[Tensor, " rows"],
    pool: list[Subset],
    grow: Sequence[int],
    largest: int,
) -> tuple[list[Subset], int]:
    """Subsets of ``pool`` that come near being taken, as 32 are taken one after the other.

    Once the first six are taken, subsets that differ by one unit of ``grow`` from one of those
    taken join the pool, so that orders above those of the pool are reached where they add, up to
    ``largest`` units. Returned with how many joined.
    """
    pattern, outcome = pattern[:SHORTLIST_ROWS], outcome[:SHORTLIST_ROWS]
    known, listed, pool = set(pool), len(pool), list(pool)
    room = len(pool) + (TAKEN + 1) * len(grow)
    chi = torch.empty(room, len(pattern))
    product, own, weight = torch.zeros(room), torch.zeros(room), torch.zeros(room)
    left = outcome - outcome.mean()
    basis = torch.empty(TAKEN, len(pattern))
    near: dict[Subset, None] = {}
    taken: list[Subset] = []

    def join(new: list[Subset], stop: int) -> None:
        part = slice(stop - len(new), stop)
        chi[part] = centred(pattern, new).T / len(pattern) ** 0.5
        along = chi[part] @ basis[: len(taken)].T
        product[part] = chi[part] @ left
        own[part] = chi[part].square().sum(1) - along.square().sum(1)
        weight[part] = _simplicity(new)

    join(pool, len(pool))
    while len(taken) < TAKEN:
        m = len(pool)
        gain = _gains(product[:m], own[:m]) * weight[:m]
        nearest = gain.topk(min(NEAREST, m)).indices.tolist()
        best = nearest[0]
        if gain[best] <= 0:
            break
        near.update((pool[i], None) for i in nearest if gain[i] > 0)
        earlier = basis[: len(taken)]
        direction = chi[best] - (earlier @ chi[best]) @ earlier
        direction /= direction.norm()
        basis[len(taken)] = direction
        taken.append(pool[best])
        along = chi[:m] @ direction
        product[:m] -= along * (direction @ left)
        own[:m] -= along.square()
        own[best] = 0
        left = left - direction * (direction @ left)
        if len(taken) >= HEAD:
            parents = taken if len(taken) == HEAD else taken[-1:]
            if new := _neighbours(parents, grow, known, largest):
                pool += new
                join(new, len(pool))
    return list(near), len(pool) - listed


def _gains(left: Tensor, own: Tensor) -> Tensor:
    """What each column adds, from its product with what is left and what is left of itself."""
    return torch.where(own > OWN_SHARE, left.square() / own.clamp(min=OWN_SHARE), 0.0)


def _simplicity(subsets: Sequence[Subset]) -> Tensor:
    """Weights of gains: of two that add about the same the smaller subset is taken first."""
    return torch.tensor([max(SIMPLER ** (len(s) - 1), SIMPLEST) for s in subsets])


def _neighbours(
    taken: Sequence[Subset], units: Sequence[int], known: set[Subset], largest: int
) -> list[Subset]:
    """Subsets that differ by one unit from one of ``taken``; they join ``known``."""
    new = []
    for subset in taken:
        for unit in units:
            other = tuple(sorted(set(subset) ^ {unit}))
            if 0 < len(other) <= largest and other not in known:
                known.add(other)
                new.append(other)
    return new


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of characters with each other and with the outcome, means over rows.

    Attributes
    ----------
    subsets
        Whose characters.
    products, outcome
        (m, m) and (m,), in float64.
    variance, rows
        Of the outcome, and how many rows the means are over.
    """

    subsets: list[Subset]
    products: Float[Tensor, "subsets subsets"]
    outcome: Float[Tensor, " subsets"]
    variance: float
    rows: int

    @classmethod
    def of(cls, pattern: Tensor, outcome: Tensor, subsets: list[Subset]) -> Gram:
        """Inner products over all rows of ``pattern``."""
        chi = centred(pattern, subsets)
        left = outcome - outcome.mean()
        return cls(
            subsets,
            (chi.T @ chi).double() / len(chi),
            (left @ chi).double() / len(chi),
            float(left.double().square().mean()),
            len(chi),
        )

    def beyond(self, taken: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """What is left of outcome and own once ``taken`` are projected out, and all along them."""
        if not taken:
            return self.outcome, self.products.diagonal(), self.products[:0]
        index = list(taken)
        lower = torch.linalg.cholesky(self.products[index][:, index])
        along = torch.linalg.solve_triangular(lower, self.products[index], upper=False)
        told = torch.linalg.solve_triangular(lower, self.outcome[index][:, None], upper=False)
        left = self.outcome - (told * along).sum(0)
        return left, self.products.diagonal() - along.square().sum(0), along

    def gains(self, taken: Sequence[int]) -> Float[Tensor, " subsets"]:
        """Variance that each would add to ``taken``; 0 of those that these all but span."""
        left, own, _ = self.beyond(taken)
        return _gains(left, own)

    def sequential(self, subsets: Sequence[Subset]) -> list[float]:
        """What each of ``subsets`` adds to those before it, as a standard deviation."""
        places = [self.subsets.index(subset) for subset in subsets]
        return [float(self.gains(places[:k])[i]) ** 0.5 for k, i in enumerate(places)]

    def stand_ins(self, taken: Sequence[int], chosen: int) -> list[Subset]:
        """Subsets that would add nearly as much as ``chosen`` to ``taken``, and much the same.

        Smallest first; one that holds a smaller one of them, or ``chosen``, is left out.
        """
        left, own, along = self.beyond(taken)
        gain = _gains(left, own)
        shared = self.products[chosen] - along[:, chosen] @ along
        like = shared.square() / (own * own[chosen]).clamp(min=OWN_SHARE**2)
        could = (gain >= STAND_IN * gain[chosen]) & (like >= LIKE)
        could[chosen] = False
        order = gain.argsort(descending=True, stable=True)
        told: list[Subset] = []
        for subset in sorted((self.subsets[i] for i in order.tolist() if could[i]), key=len):
            if not any(set(s) < set(subset) for s in (self.subsets[chosen], *told)):
                told.append(subset)
        return told[:MOST_STAND_INS]


def ranked(gram: Gram, tried: int) -> list[int]:
    """Positions of the subsets taken, best first.

    Subsets are taken while the next one adds more than the best of ``tried`` of pure noise would
    (2 log m times the variance left; Foster & George 1994, Annals of Statistics 22:1947), at most
    32, small ones first (`_simplicity`). One that then turns out to add nothing to all others is
    dropped. The first six keep the order in which they were taken. The others are ranked by
    elimination: the one whose loss costs least stands last, since what was taken early may be
    carried by what was taken late.
    """
    weight = _simplicity(gram.subsets)
    taken: list[int] = []
    noise = least = 1e-9 * gram.variance
    left = gram.variance
    while len(taken) < min(TAKEN, len(gram.subsets)):
        gain = gram.gains(taken)
        noise = 2 * log(max(tried, 2)) * left / max(gram.rows - len(taken) - 1, 1)
        clear = gain > max(noise, least)
        if not clear.any():
            break
        best = int(torch.where(clear, gain * weight, 0.0).argmax())
        taken.append(best)
        left = max(left - float(gain[best]), 0.0)
    while len(taken) > 1:
        loss = _losses(gram, taken)
        if loss.min() > max(noise, least):
            break
        taken.pop(int(loss.argmin()))
    dropped: list[int] = []
    while len(taken) > HEAD:
        loss = _losses(gram, taken)
        dropped.append(taken.pop(HEAD + int(loss[HEAD:].argmin())))
    return taken + dropped[::-1]


def _losses(gram: Gram, taken: list[int]) -> Tensor:
    """How much less would be explained without each of ``taken``."""
    inverse = torch.linalg.inv(gram.products[taken][:, taken])
    losses: Tensor = (inverse @ gram.outcome[taken]).square() / inverse.diagonal()
    return losses
