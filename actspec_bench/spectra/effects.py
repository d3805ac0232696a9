"""Subsets and a problem -> their joint effects: on/off under D, and on activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.energy import Estimate
from actspec_bench.fourier.interaction import (
    candidate_pairs,
    interaction,
    mixed_differences,
    mixtures,
)
from actspec_bench.fourier.joint import JOINT_ORDER, cells_of, joint_effects, occupancy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.views import ScoredRows, ScoringView

__all__ = ["Interaction", "interactions", "on_off_effects"]

PER_CELL = 4
WORK = 65_536
LEAST_WORK = 4096
LEAST_PAIRS = 32
BATCH = 8192

Interaction = tuple[Estimate | None, Estimate | None, str]


def on_off_effects(
    subsets: Sequence[Subset], view: ScoringView, scored: ScoredRows
) -> dict[Subset, tuple[Estimate, Estimate, Estimate]]:
    """Joint effect, best of the parts, and rest of each subset that has at most 10 units.

    Left out are subsets with more patterns than a quarter of the rows. How often a pattern occurs
    is counted over inputs, each once, or over 65,536 draws where D is no data set.
    """
    few = [
        s for s in subsets if len(s) <= JOINT_ORDER and PER_CELL * 2 ** len(s) <= len(scored.rows)
    ]
    pattern, values = view.pattern(scored.rows), scored.values.double()
    cells = [cells_of(pattern[:, list(subset)]) for subset in few]
    if scored.of == "fresh draws":
        held = occupancy(lambda k: view.pattern(view.sample(k)), few)
    else:
        held = [torch.bincount(c, minlength=2 ** len(s)) for c, s in zip(cells, few, strict=True)]
    told = {}
    for subset, cell, counts in zip(few, cells, held, strict=True):
        shares, errors = joint_effects(cell, values - values.mean(), counts)
        whole, parts, beyond = map(Estimate.normal, shares.tolist(), errors.tolist())
        told[subset] = (whole, parts, beyond)
    return told


def interactions(
    subsets: Sequence[Subset], view: ScoringView, scored: ScoredRows, generator: torch.Generator
) -> dict[Subset, Interaction]:
    """Interaction of each subset: of the value, of the margin of a decision, and why there is none.

    For subsets of 2 to 10 units. About 65,536 rows are evaluated in all: 2^k of them for a pair of
    rows, so the fewer pairs the larger the subset, and none for the last of many subsets.
    Intervals are those of a logarithm, as mean squares have long tails. Where no pair of P changes
    a decision, the upper end is what 3 / P of all pairs could bring (Hanley & Lippman-Hand 1983,
    JAMA 249:1743).
    """
    joint = [subset for subset in subsets if 1 < len(subset) <= JOINT_ORDER]
    each = max(WORK // max(len(joint), 1), LEAST_WORK)
    told: dict[Subset, Interaction] = {}
    left = WORK
    for subset in subsets:
        k = len(subset)
        why = ""
        if not view.any_pattern:
            why = (
                "the problem answers at its given rows only, and their mixtures are not among them"
            )
        elif k == 1:
            why = "a single unit has nothing to interact with"
        elif k > JOINT_ORDER:
            why = f"2^{k} mixtures of two rows are too many"
        elif left < LEAST_PAIRS * 2**k:
            why = f"the {WORK:,} mixtures went to the subsets before it"
        if why:
            told[subset] = (None, None, why)
            continue
        most = min(max(each >> k, LEAST_PAIRS), left >> k)
        pairs, asked, margins = _mixed(subset, view, scored, most, generator)
        left -= len(asked) << k
        squares = _squares(view.read(margins), k, pairs, asked, uniform=view.uniform)
        of_value = _share(squares, pairs, scored.values)
        of_margin = None
        if view.readout == "decision":
            if of_value.value == 0:
                most_seen = 3 / len(pairs) * (1.0 if view.uniform else 2.0**k)
                of_value = Estimate(0.0, 0.0, most_seen / float(scored.values.double().var()))
            squares = _squares(margins, k, pairs, asked, uniform=view.uniform)
            of_margin = _share(squares, pairs, scored.margins)
        told[subset] = (of_value, of_margin, "")
    return told


def _mixed(
    subset: Subset, view: ScoringView, scored: ScoredRows, most: int, generator: torch.Generator
) -> tuple[Int[Tensor, "pairs 2"], Int[Tensor, " asked"], Float[Tensor, "cells asked"]]:
    """Pairs of rows, which of them were asked about, and the margins of their mixtures.

    Of uniform patterns only the pairs count that differ in all units of the subset: a row, and
    the same with the subset flipped.
    """
    x, k = scored.rows, len(subset)
    if view.uniform:
        pairs = torch.arange(min(most, len(x)))[:, None].expand(-1, 2)
        asked = torch.arange(len(pairs))
        other = x.clone()
        other[:, list(subset)] *= -1
    else:
        pairs, asked = candidate_pairs(x[:, list(subset)], most, generator)
        other = x
    margins = []
    with torch.no_grad():
        for part in torch.split(pairs[asked], max(BATCH >> k, 1)):
            mixed = view.margin(mixtures(x[part[:, 0]], other[part[:, 1]], subset))
            margins.append(mixed.reshape(2**k, -1))
    return pairs, asked, torch.cat(margins, 1) if margins else torch.zeros(2**k, 0)


def _squares(
    mixed: Float[Tensor, "cells asked"],
    k: int,
    pairs: Int[Tensor, "pairs 2"],
    asked: Int[Tensor, " asked"],
    *,
    uniform: bool,
) -> Float[Tensor, " pairs"]:
    """Squared mixed difference of each pair over 2^k; zero where the pair was not asked about."""
    squares = torch.zeros(len(pairs), dtype=torch.float64)
    squares[asked] = mixed_differences(mixed.reshape(-1), k).square() / 2**k
    # Of uniform patterns one pair in 2^k differs in all k units, and none else was taken.
    return squares / 2**k if uniform else squares


def _share(
    squares: Float[Tensor, " pairs"],
    pairs: Int[Tensor, "pairs 2"],
    values: Float[Tensor, " rows"],
) -> Estimate:
    return Estimate.positive(*interaction(squares, pairs, values))
