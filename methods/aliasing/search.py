"""Problem -> attribution by a sparse Walsh-Hadamard transform that is told no order.

One group of bins after another: each is split until some of its energy lies in bins that one
coefficient dominates, and shifted by the checks of a growing code until those decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.actspec.queries import Queries, refitted, tested
from actspec_bench.methods.aliasing.bins import Group
from actspec_bench.methods.aliasing.code import BCH
from actspec_bench.methods.aliasing.decoding import Coded, threshold
from actspec_bench.methods.aliasing.known import NOISE_SHARE, REPEATS, Known
from actspec_bench.methods.aliasing.linear import Span

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.fourier.regression import Fit
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

# In one bin a decision looks like one coefficient, since it is +-1 under every shift.
FIRST_BITS, MOST_BITS = 2, 12
# Share of a group's energy that clear bins must hold before it is decoded.
CLEAR_SHARE = 0.2
# Bins this much above the noise, in a group this many times their number, need no more bins.
LOUD, ROOM = 10.0, 4
PASSES = 4
LEAST_SPLIT = 120
LEAST_TEST, TEST_PER_SUBSET, TEST_Z, TEST_SHARE = 16, 4, 5.0, 0.1
TINY = 1e-100
BUDGET_ENDED = "the budget ended before all energy was explained"


def search(problem: Problem, *, tau: float | None, fdr: float) -> Attribution:
    """Find the coefficients of ``problem``; see the method's docstring."""
    return _Search(problem, fdr).run(tau)


class _Search:
    """What to ask next, given what is known; one use."""

    def __init__(self, problem: Problem, fdr: float) -> None:
        self.problem, self.fdr, self.n = problem, fdr, problem.n
        self.queries = Queries(problem)
        seed = torch.randint(2**62, (1,), generator=problem.generator)
        self.rng = np.random.default_rng(int(seed))
        self.known = Known(self.queries)

    def run(self, tau: float | None) -> Attribution:
        """Ask groups until all is explained or the budget ends, then test and refit."""
        self._check_budget()
        bits, stage = min(FIRST_BITS, self.n), 1
        real: list[Subset] = []
        explained = changed = False
        while (coded := self._open(bits, stage)) is not None:
            before = self.known.count() - len(coded.found)
            stage = self._climb(coded)
            changed = True
            self.known.pool_noise(coded)
            if self.known.settled() and not self.known.pending():
                real, explained = self._verify()
                changed = False
                if explained:
                    break
            left = int(self.known.energies(coded.group)[1].sum())
            fewest = max(left - 1, 0).bit_length()
            again = len(coded.group.directions) + int(self.rng.integers(2))
            bits = fewest if self.known.count() > before else max(fewest, again)
            bits = min(bits, self.n, MOST_BITS)
        if changed and self.problem.remaining:
            real, explained = self._verify(last=True)
        if self.problem.remaining and not self.queries.held:
            self.queries.hold(self.problem.sample(self.problem.remaining))
        info: dict[str, Any] = {
            "noise": 0.0 if self.known.exact else self.known.noise**0.5,
            "bins": [c.group.size for c in self.known.coded],
            "shifts": [len(c.group.offsets) - 1 for c in self.known.coded],
        }
        if not explained:
            info["stopped"] = BUDGET_ENDED
        return refitted(self.queries, real, tau, info, self._fit(real))

    def _fit(self, subsets: list[Subset]) -> Fit | None:
        """Joint fit of draws alone where more is left than noise, since it may be in any bin."""
        if not subsets:
            return None
        fit = self.queries.fit(subsets)
        found = dict(zip(subsets, fit.coefficients.tolist(), strict=True))
        left = self.queries.told(found)["unexplained"]
        return fit if left and left[1] <= 0 else self.queries.fit(subsets, draws=True)

    # What is asked.

    def _check_budget(self) -> None:
        degree = max((self.n - 1).bit_length(), 1)
        least = 2 ** min(FIRST_BITS, self.n) * (1 + degree) + REPEATS[1] + LEAST_TEST
        if self.problem.remaining < least:
            raise NotApplicable(
                f"the aliased search of {self.n} units needs at least {least:,} rows and "
                f"{self.problem.remaining:,} of the budget of {self.problem.budget:,} remain"
            )

    def _test_rows(self) -> int:
        """Fresh rows that the test of the subsets found so far asks for."""
        found = [abs(c) for _, c in self.known.candidates()]
        rows = max(LEAST_TEST, TEST_PER_SUBSET * (len(found) + 1))
        most = int(TEST_SHARE * self.problem.budget)
        if found:
            powerful = TEST_Z**2 * self.known.left_over() / max(min(found), TINY) ** 2
            return max(rows, int(min(powerful, most)))
        return rows if self.known.noise_share() < NOISE_SHARE else max(rows, most)

    def _spare(self) -> int:
        """Rows that may be spent before the test."""
        return self.problem.remaining - self._test_rows()

    def _direction(self, span: Span) -> UInt8[ndarray, " n"]:
        while True:
            row = self.rng.integers(0, 2, self.n, dtype=np.uint8)
            if span.add(row):
                return row

    def _open(self, bits: int, stage: int) -> Coded | None:
        """Start a group and split it until enough of its energy is in clear bins."""
        span = Span()
        directions = [self._direction(span) for _ in range(bits)]
        group = Group(np.array(directions, np.uint8).reshape(bits, self.n))
        coded = Coded(group, BCH(self.n, self.rng))
        base = self.rng.integers(0, 2, (1, self.n), dtype=np.uint8)
        checks = coded.code.checks(1)[:-1]
        if self.known.coded and group.size * (1 + len(checks)) > self._spare():
            return None
        group.shift(self.queries, np.vstack([base, base ^ checks]))
        self.known.coded.append(coded)
        if len(self.known.coded) == 1:
            self.known.measure_noise()
        needed = 1 + coded.code.checks_of(max(stage, 2))
        while len(group.directions) < min(self.n, MOST_BITS) and not self._separated(group):
            if group.size * (2 * needed - len(group.offsets)) > self._spare():
                break
            group.split(self.queries, self._direction(span))
        self._extend(coded, min(stage, coded.last_stage))
        return coded

    def _separated(self, group: Group) -> bool:
        """Whether more bins are not worth their rows."""
        known = self.known
        energy, real, clean = known.energies(group)
        if not real.any():
            limit = known.noise / group.size * threshold(len(group.offsets), known.freedom)
            return known.settled() and (not known.pending() or limit < known.largest())
        if energy[clean].sum() >= CLEAR_SHARE * energy[real].sum():
            return True
        # Well above the noise and with room to spare, two coefficients share a bin by bad luck.
        loud = real & (energy > LOUD * known.noise / group.size)
        most = energy[loud].sum() >= 0.5 * energy[real].sum()
        return bool(most and group.size >= ROOM * loud.sum())

    def _extend(self, coded: Coded, stage: int) -> bool:
        """Ask for the checks up to ``stage`` if the budget allows."""
        rows = coded.further(stage)
        if coded.group.size * len(rows) > self._spare():
            return False
        if len(rows):
            coded.group.shift(self.queries, rows ^ coded.group.offsets[0])
        coded.complete = stage > coded.last_stage
        coded.stages = min(stage, coded.last_stage)
        return True

    def _average(self, coded: Coded) -> None:
        """Shift the whole space at random until its averages leave little room for noise."""
        group = coded.group
        while not self.known.settled():
            more = min(len(group.offsets), self._spare() // group.size)
            if more < 1:
                break
            offsets = self.rng.integers(0, 2, (more, self.n), dtype=np.uint8)
            group.shift(self.queries, offsets)

    def _climb(self, coded: Coded) -> int:
        """Ask for more shifts until every clear bin decodes, or another group would be cheaper.

        Returns the stage at which the next group is worth reading.
        """
        if coded.whole:
            self._average(coded)
        while True:
            coded.found = []
            self._read_all(coded)
            self.known.prune()
            waiting = int(self.known.energies(coded.group)[2].sum())
            if not waiting or coded.complete or coded.whole:
                break
            stage = coded.stages + 1
            shifts = coded.code.checks_of(stage)
            more = coded.group.size * (shifts - coded.code.checks_of(coded.stages))
            anew = 2 ** (waiting - 1).bit_length() * (1 + shifts)
            if coded.found and self.known.noise_share() < NOISE_SHARE and anew < more:
                return stage
            if not self._extend(coded, stage):
                break
        orders = sorted(int(s.sum()) for c in self.known.coded for s in c.found)
        return max(orders[len(orders) // 2], 1) if orders else 1

    def _read_all(self, first: Coded) -> None:
        """Decode what can be, in ``first`` and then in every group, until nothing is new."""
        others = [c for c in self.known.coded if c is not first]
        for _ in range(PASSES):
            if not sum(self._read(coded) for coded in (first, *others)):
                break

    def _read(self, coded: Coded) -> int:
        """Decode what dominates each bin, subtract it, and again; count what is new."""
        before = len(coded.found)
        for _ in range(PASSES if coded.stages else 0):
            known = {s.tobytes() for c in self.known.coded for s in c.found}
            asked = (frozenset(known), coded.group.values.size)
            if asked == coded.barren:
                break
            left, noise = self.known.residual(coded.group), self.known.noise / coded.group.size
            got = coded.read(left, noise, self.known.energies(coded.group)[1])
            new = {s.tobytes(): s for s in got if s.tobytes() not in known}
            coded.found += new.values()
            if not new:
                coded.barren = asked
                break
        return len(coded.found) - before

    def _verify(self, *, last: bool = False) -> tuple[list[Subset], bool]:
        """Test on fresh rows, and tell whether the subsets explain these up to the noise.

        If not, the rows join those that the search goes on with, and later ones are tested anew.
        The ``last`` time all that is left of the budget is asked.
        """
        candidates = self.known.candidates()
        subsets = [subset for subset, _ in candidates]
        left = self.problem.remaining
        rows = left // 2 if last and left >= LEAST_SPLIT else min(self._test_rows(), left)
        if left >= LEAST_SPLIT:
            rows = min(rows, left - left // 3)
        fresh = self.problem.sample(rows)
        real = tested(self.queries, fresh, subsets, self.fdr)
        explained = self._explains(fresh)
        self.queries.held.clear()
        more = min(int(TEST_SHARE * self.problem.budget), self.problem.remaining)
        if more and (explained or last):
            # Energy in few patterns is met by few rows: a share of the budget looks for it.
            if len(real) < len(subsets) and explained:
                fresh = self.problem.sample(more)
                real = tested(self.queries, fresh, subsets, self.fdr)
                explained = self._explains(fresh)
                more = min(more, self.problem.remaining)
            if more:
                fresh = self.problem.sample(more)
                self.queries.hold(fresh)
                explained = self._explains(fresh) and explained
        return real, explained

    def _explains(self, fresh: Tensor) -> bool:
        """Whether noise is all that the subsets leave of the rows asked last.

        These rows join those that the search goes on with.
        """
        known = self.known
        members, coefficients, _ = known.fitted()
        group = Group(np.zeros((0, self.n), np.uint8))
        group.offsets = (fresh < 0).numpy().astype(np.uint8)
        group.values = group.bins = self.queries.values[-1].double().numpy()[:, None]
        square = float(np.square(group.residual(members, coefficients)).mean())
        known.uncoded.append(group)
        bound = known.noise * threshold(len(fresh), known.freedom) * (1 + len(members) / len(fresh))
        return square <= bound
