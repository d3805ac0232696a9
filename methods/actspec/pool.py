"""Patterns and outcomes under D -> the subsets that a pursuit takes from, and units left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.methods.actspec.pursuit import OWN_SHARE, SHORTLIST_ROWS

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset

__all__ = ["Pool", "pooled", "usable_units"]

LEAST_STATE = 8
LEAST_SHARE = 1e-3
SINGLES = 1024
PAIRED = 40
TRIPLED = 14
GROWN = 24
SCANNED_TRIPLES = 96
INTERACTIONS = 64


def usable_units(
    pattern: Float[Tensor, "rows n"], asked: int
) -> tuple[list[int], dict[str, list[int]]]:
    """Units that are on, and off, often enough to be told from all-ones, and the others.

    Often enough is in eight of ``asked`` inputs and one in a thousand; a unit may be on in any
    share of the rows between. The others are told with the reason.
    """
    if asked < 2 * LEAST_STATE:
        why = f"each state is needed in {LEAST_STATE} inputs, and {asked:,} were asked"
        return [], {why: list(range(pattern.shape[1]))}
    rarer = torch.minimum((pattern > 0).float().mean(0), (pattern < 0).float().mean(0))
    least = max(LEAST_STATE / asked, LEAST_SHARE)
    usable = rarer >= least
    constant = rarer == 0
    reasons = {
        "always in one state": constant,
        f"in one state, but for less than {100 * least:.2g}% of the rows": ~usable & ~constant,
    }
    left_out = {why: torch.nonzero(units)[:, 0].tolist() for why, units in reasons.items()}
    return torch.nonzero(usable)[:, 0].tolist(), {k: v for k, v in left_out.items() if v}


@dataclass(frozen=True)
class Pool:
    """Subsets to take from.

    Attributes
    ----------
    subsets
        Single units, pairs and triples of those most associated with the outcome, and pairs and
        triples of any that explain what no sum of single units does.
    associated
        The units most associated with the outcome, for larger subsets.
    tried
        How many subsets were looked at.
    order
        Units in the largest subsets of which all were looked at.
    """

    subsets: list[Subset]
    associated: list[int]
    tried: int
    order: int


def pooled(
    pattern: Float[Tensor, "rows n"], outcome: Float[Tensor, " rows"], units: list[int]
) -> Pool:
    """Subsets of ``units`` to take from, by their association with the outcome under D.

    All pairs of at most 1,024 units are looked at, and all triples of at most 96, most associated
    first. They join the pool beyond what ridge regression on single units explains, where that
    is more than the best of so many would by chance.
    """
    pattern, outcome = pattern[:SHORTLIST_ROWS], outcome[:SHORTLIST_ROWS]
    x = pattern[:, units]
    left = outcome - outcome.mean()
    association = (left @ x).abs() / (1 - x.mean(0).square()).clamp(min=1e-6).sqrt()
    strongest = association.argsort(descending=True, stable=True)[:SINGLES]
    x, best = x[:, strongest], [units[i] for i in strongest.tolist()]
    pairs = min(len(best), PAIRED)
    found = [(unit,) for unit in best]
    found += [tuple(sorted(s)) for s in combinations(best[:pairs], 2)]
    found += [tuple(sorted(s)) for s in combinations(best[:TRIPLED], 3)]
    tried = len(units) + comb(len(best), 2) + comb(min(len(best), SCANNED_TRIPLES), 3)
    rest = _beyond_singles(x, left)
    scale = len(rest) * rest.square().mean() * 2 * log(max(tried, 2))
    for scores, places in (_pairs(x, rest), _triples(x[:, :SCANNED_TRIPLES], rest)):
        if len(scores):
            top = scores.topk(min(INTERACTIONS, len(scores))).indices
            clear = places[top[scores[top] > scale]]
            found += [tuple(sorted(best[i] for i in row)) for row in clear.tolist()]
    order = 1 + (len(units) <= SINGLES) + (len(units) <= SCANNED_TRIPLES)
    return Pool(list(dict.fromkeys(found)), best[:GROWN], tried, min(order, len(units)))


def _beyond_singles(x: Tensor, left: Tensor) -> Tensor:
    """What ridge regression on single units leaves, with a penalty of one row a unit."""
    centred = (x - x.mean(0)).double()
    gram = centred.T @ centred + x.shape[1] * torch.eye(x.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, centred.T @ left.double())
    rest: Tensor = left.double() - centred @ weights
    return (rest - rest.mean()).float()


def _pairs(x: Tensor, rest: Tensor, with_: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared association of each pair's centred character, times ``with_``'s, and the pairs."""
    places = torch.triu_indices(x.shape[1], x.shape[1], 1).T
    signed = x if with_ is None else x * with_[:, None]
    product = (signed * rest[:, None]).T @ x
    own = 1 - (signed.T @ x / len(x)).square()
    scores = torch.where(own > OWN_SHARE, product.square() / own.clamp(min=OWN_SHARE), 0.0)
    return scores[places[:, 0], places[:, 1]], places


def _triples(x: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """The same of each triple."""
    scores, places = [torch.zeros(0)], [torch.zeros(0, 3, dtype=torch.long)]
    for first in range(x.shape[1] - 2):
        found, pairs = _pairs(x[:, first + 1 :], rest, x[:, first])
        scores.append(found)
        places.append(torch.cat([torch.full((len(pairs), 1), first), pairs + first + 1], dim=1))
    return torch.cat(scores), torch.cat(places)
