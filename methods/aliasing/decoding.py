"""Signs of a bin under coded shifts -> the subset whose coefficient dominates it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.methods.aliasing.bins import Group, parities
from actspec_bench.methods.aliasing.linear import Span, solver

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8
    from numpy import ndarray

    from actspec_bench.methods.aliasing.code import BCH

    Batch = UInt8[ndarray, "batch shifts"]
    Found = tuple[Bool[ndarray, " batch"], UInt8[ndarray, "batch n"]]

BIN_LEVEL = 1e-4
# Standard deviation of a bin's size over shifts, as a share of its mean; of noise it is 0.76.
CLEAR_SPREAD = 0.5
# Signs flipped, the share of a bin's median size below which one is, and bins treated so.
FLIPS, UNSURE, CHASED = 4, 0.4, 32
# Square of an average in units of its noise; the test on fresh rows decides.
MATCHED = 12.0


def clear(bins: Float[ndarray, "shifts bins"]) -> Bool[ndarray, " bins"]:
    """Whether one coefficient seems to dominate a bin: nearly the same size under every shift."""
    size = np.abs(bins)
    return np.asarray(size.std(0) < CLEAR_SPREAD * size.mean(0))


@dataclass(eq=False)
class Coded:
    """A group whose shifts are the checks of a code, and the subsets found in it.

    Attributes
    ----------
    group, code
        Bins, and the code whose checks shift them from the first offset.
    stages
        Stages of the code asked so far; none while only the first checks are.
    complete
        Whether directions and checks together have rank n, so that any subset can be solved for.
    found
        Members (n,) of each subset found here.
    barren
        The subsets known, and the rows asked, when a reading last told nothing new.
    """

    group: Group
    code: BCH
    stages: int = 0
    complete: bool = False
    found: list[UInt8[ndarray, " n"]] = field(default_factory=list)
    barren: tuple[frozenset[bytes], int] | None = None

    @property
    def last_stage(self) -> int:
        """Last stage before completing the rank costs less than one more."""
        return max((self.code.n - 2) // self.code.degree, 1)

    @property
    def whole(self) -> bool:
        """Whether the group is the whole space, each bin one subset."""
        return len(self.group.directions) == self.code.n

    @property
    def checks(self) -> UInt8[ndarray, "checks n"]:
        """Unit sets whose parities within a subset the shifts tell."""
        return np.asarray(self.group.offsets[1:] ^ self.group.offsets[0])

    def further(self, stage: int) -> UInt8[ndarray, "checks n"]:
        """Checks up to ``stage``, or after the last stage those that complete the rank.

        The latter are single units, which a code of so large a distance does not undercut.
        """
        rows = [np.zeros((0, self.code.n), np.uint8)]
        if stage > self.last_stage:
            span = Span()
            for row in np.vstack([self.group.directions, self.checks]):
                span.add(row)
            rows += [unit[None] for unit in np.eye(self.code.n, dtype=np.uint8) if span.add(unit)]
        else:
            if not self.stages:
                rows.append(self.code.checks(1)[-1:])
            rows += [self.code.checks(s) for s in range(max(self.stages, 1) + 1, stage + 1)]
        return np.vstack(rows)

    def read(
        self, left: Float[ndarray, "shifts bins"], noise: float, real: Bool[ndarray, " bins"]
    ) -> UInt8[ndarray, "subsets n"]:
        """Subsets that dominate bins ``left``, of noise variance ``noise``, that are ``real``.

        The sign of a dominant coefficient is the bin's sign. Where these signs are no subset's,
        the least sure of them are flipped in all ways, as by Chase (1972, algorithm 2), and the
        subset that matches the bin best is taken.
        """
        if self.whole:
            return self._matched(left, noise)
        bins = np.flatnonzero(real)
        bins = bins[np.argsort(-np.square(left[:, bins]).mean(0), kind="stable")]
        left = left[:, bins].T
        negative = (left < 0).astype(np.uint8)
        found, subsets = self.solve(negative, left, bins)
        failed = np.flatnonzero(~found)
        weakest = np.argsort(np.abs(left[failed]), axis=1)[:, :FLIPS]
        size = np.take_along_axis(np.abs(left[failed]), weakest, 1)
        unsure = size < UNSURE * np.median(np.abs(left[failed]), axis=1)[:, None]
        usable = np.flatnonzero(unsure.any(1))[:CHASED]
        if not len(usable):
            return subsets[found]
        failed, weakest, unsure = failed[usable], weakest[usable], unsure[usable]
        width = weakest.shape[1]
        ways = (np.arange(1, 2**width)[:, None] >> np.arange(width) & 1).astype(np.uint8)
        flips = np.zeros((len(failed), len(ways), left.shape[1]), np.uint8)
        np.put_along_axis(
            flips,
            np.broadcast_to(weakest[:, None], (len(failed), len(ways), width)),
            ways[None] & unsure[:, None],
            axis=2,
        )
        trial = negative[failed][:, None] ^ flips
        holds, answers = self.solve(
            trial.reshape(-1, left.shape[1]),
            np.repeat(left[failed], len(ways), axis=0),
            np.repeat(bins[failed], len(ways)),
        )
        match = np.abs((left[failed][:, None] * (1.0 - 2.0 * trial)).sum(2))
        match = np.where(holds.reshape(match.shape), match, 0.0)
        best = match.argmax(1)
        rows = np.arange(len(failed))
        answers = answers.reshape(len(failed), len(ways), -1)[rows, best]
        return np.vstack([subsets[found], answers[match[rows, best] > 0]])

    def solve(
        self,
        negative: Batch,
        left: Float[ndarray, "batch shifts"],
        bins: Int[ndarray, " batch"],
    ) -> Found:
        """Find the subset that has the given signs and falls into the given bin, if any."""
        bits = negative[:, 1:] ^ negative[:, :1]
        found, subsets = self.code.decode(bits[:, : self.code.checks_of(self.stages)], self.stages)
        found &= self.group.bins_of(subsets) == bins
        directions = self.group.directions
        if len(directions) + bits.shape[1] < self.code.n or found.all():
            return found, subsets
        equations = np.vstack([self.checks, directions])
        inverse = solver(equations)
        if inverse is None:
            return found, subsets
        hashed = (bins[:, None] >> np.arange(len(directions)) & 1).astype(np.uint8)
        right = np.hstack([bits, hashed])
        answers = parities(right, inverse).astype(np.uint8)
        # With few equations to spare any signs have a solution, so the bin has to be clear too.
        holds = (parities(answers, equations) == right).all(1) & clear(left.T) & ~found
        return found | holds, np.where(holds[:, None], answers, subsets)

    def _matched(
        self, left: Float[ndarray, "shifts bins"], noise: float
    ) -> UInt8[ndarray, "subsets n"]:
        """Subsets whose bins are above the noise on average, where each bin is one subset."""
        inverse = solver(self.group.directions)
        assert inverse is not None  # directions are independent
        bits = (np.arange(self.group.size)[:, None] >> np.arange(self.code.n) & 1).astype(np.uint8)
        members = parities(bits, inverse).astype(np.uint8)
        mean = (left * self.group.signs(members)).mean(0)
        return np.asarray(members[np.square(mean) > MATCHED * noise / len(left)])


@lru_cache
def threshold(shifts: int, freedom: int) -> float:
    """Mean square of a bin of noise, in units of the noise, that one in 10,000 exceeds."""
    from scipy.stats import f

    return float(f.isf(BIN_LEVEL, shifts, freedom))
