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
from actspec_bench.methods.aliasing.bins import Group, fitted
from actspec_bench.methods.aliasing.code import BCH
from actspec_bench.methods.aliasing.decoding import Coded, clear, threshold
from actspec_bench.methods.aliasing.linear import Span

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from numpy import ndarray
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

# In one bin a decision looks like one coefficient, since it is +-1 under every shift.
FIRST_BITS, MOST_BITS = 2, 12
# Share of a group's energy that clear bins must hold before it is decoded.
CLEAR_SHARE = 0.2
# Bins this much above the noise, in a group this many times their number, need no more bins.
LOUD, ROOM = 10.0, 4
# Rows asked twice: at first, if the values then differ, and if noise is more than a small share.
REPEATS, NOISE_SHARE = (8, 16, 64), 0.05
ROUNDING = 2e-6
# Share of the variance below which what the noise may hide is left alone.
EXPLAINED = 0.03
PASSES = 4
LEAST_SPLIT = 120
LEAST_TEST, TEST_PER_SUBSET, TEST_Z, TEST_SHARE = 16, 4, 5.0, 0.1
TINY = 1e-100
BUDGET_ENDED = "the budget ended before all energy was explained"


def search(problem: Problem, *, tau: float | None, fdr: float) -> Attribution:
    """Find the coefficients of ``problem``; see the method's docstring."""
    if not problem.any_pattern or problem.kind == "interchange":
        raise NotApplicable(
            "the aliased search asks for patterns of its own choice, which real activations and "
            "given rows cannot answer: use actspec"
        )
    if not problem.uniform:
        raise NotApplicable(
            "the aliased search finds coefficients under the uniform distribution, which is not "
            "known to be this problem's: use actspec"
        )
    return _Search(problem, fdr).run(tau)


class _Search:
    """The groups asked so far and what they tell; one use.

    Subsets belong to the group that they were found in, and are found again after each of its
    stages: a subset of more units than the code tells apart may have looked like another.
    """

    def __init__(self, problem: Problem, fdr: float) -> None:
        self.problem, self.fdr, self.n = problem, fdr, problem.n
        self.queries = Queries(problem)
        seed = torch.randint(2**62, (1,), generator=problem.generator)
        self.rng = np.random.default_rng(int(seed))
        self.coded: list[Coded] = []
        self.uncoded: list[Group] = []
        self.noise, self.freedom, self.exact = 0.0, REPEATS[-1], True
        self.unexplained: float | None = None
        self._state: Any = None
        self._fit: Any = None

    def run(self, tau: float | None) -> Attribution:
        """Ask groups until all is explained or the budget ends, then test and refit."""
        self._check_budget()
        bits, stage = min(FIRST_BITS, self.n), 1
        real: list[Subset] = []
        explained = changed = False
        while (coded := self._open(bits, stage)) is not None:
            before = self._count() - len(coded.found)
            stage = self._climb(coded)
            changed = True
            self._pool_noise(coded)
            if self._settled() and not self._pending():
                real, explained = self._verify()
                changed = False
                if explained:
                    break
            left = int(self._energies(coded.group)[1].sum())
            fewest = max(left - 1, 0).bit_length()
            again = len(coded.group.directions) + int(self.rng.integers(2))
            bits = fewest if self._count() > before else max(fewest, again)
            bits = min(bits, self.n, MOST_BITS)
        if changed and self.problem.remaining:
            real, explained = self._verify(last=True)
        info: dict[str, Any] = {
            "unexplained_energy": self.unexplained,
            "noise": 0.0 if self.exact else self.noise**0.5,
            "bins": [c.group.size for c in self.coded],
            "shifts": [len(c.group.offsets) - 1 for c in self.coded],
        }
        if not explained:
            info["stopped"] = BUDGET_ENDED
        return refitted(self.queries, real, tau, info)

    # What is known.

    def _count(self) -> int:
        return sum(len(c.found) for c in self.coded)

    def _groups(self) -> list[Group]:
        return [c.group for c in self.coded] + self.uncoded

    def _fitted(
        self,
    ) -> tuple[UInt8[ndarray, "subsets n"], Float[ndarray, " subsets"], Float[ndarray, " subsets"]]:
        """Subsets found, their coefficients, and the errors of these at unit noise."""
        rows = [s for c in self.coded for s in c.found]
        members = np.array(rows, np.uint8).reshape(len(rows), self.n)
        state = (members.tobytes(), sum(g.values.size for g in self._groups()))
        if state != self._state:
            self._state, self._fit = state, (members, *fitted(self._groups(), members))
        found: tuple[ndarray, ndarray, ndarray] = self._fit
        return found

    def _residual(self, group: Group) -> Float[ndarray, "shifts bins"]:
        members, coefficients, _ = self._fitted()
        return group.residual(members, coefficients)

    def _energies(
        self, group: Group
    ) -> tuple[Float[ndarray, " bins"], Bool[ndarray, " bins"], Bool[ndarray, " bins"]]:
        """Unexplained energy of each bin, whether it is above the noise, and if so clear."""
        left = self._residual(group)
        noise = self.noise / group.size
        energy = np.square(left).mean(0)
        real = energy > noise * threshold(len(left), self.freedom)
        return energy - noise, real, real & clear(left)

    def _candidates(self) -> list[tuple[Subset, float]]:
        """Subsets found with their coefficients, largest first; the empty one left out."""
        members, coefficients, _ = self._fitted()
        rows = [
            (tuple(np.flatnonzero(m).tolist()), float(c))
            for m, c in zip(members, coefficients, strict=True)
        ]
        return sorted((r for r in rows if r[0]), key=lambda r: (-abs(r[1]), r[0]))

    def _noise_share(self) -> float:
        total = float(torch.cat(self.queries.values).double().var())
        return self.noise / total if total else 0.0

    def _left_over(self) -> float:
        """Variance of the values that no subset explains, the noise's included."""
        groups = self._groups()
        left = sum(g.size * float(np.square(self._residual(g)).sum()) for g in groups)
        rows = sum(g.values.size for g in groups)
        return max(left / max(rows - self._count(), 1), self.noise)

    def _pending(self) -> bool:
        """Whether any bin of any group holds energy that is not explained."""
        return any(self._energies(g)[1].any() for g in self._groups())

    def _largest(self) -> float:
        """Largest energy of a bin that is not explained."""
        return max(float(self._energies(g)[0].max()) for g in self._groups())

    def _settled(self) -> bool:
        """Whether three standard errors of the energy in all rows, made by noise, are small."""
        rows = sum(g.values.size for g in self._groups())
        return self.exact or 3 * self._noise_share() * (2 / rows) ** 0.5 <= EXPLAINED

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
        found = [abs(c) for _, c in self._candidates()]
        rows = max(LEAST_TEST, TEST_PER_SUBSET * (len(found) + 1))
        most = int(TEST_SHARE * self.problem.budget)
        if found:
            powerful = TEST_Z**2 * self._left_over() / max(min(found), TINY) ** 2
            return max(rows, int(min(powerful, most)))
        return rows if self._noise_share() < NOISE_SHARE else max(rows, most)

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
        if self.coded and group.size * (1 + len(checks)) > self._spare():
            return None
        group.shift(self.queries, np.vstack([base, base ^ checks]))
        self.coded.append(coded)
        if len(self.coded) == 1:
            self._measure_noise()
        needed = 1 + coded.code.checks_of(max(stage, 2))
        while len(group.directions) < min(self.n, MOST_BITS) and not self._separated(group):
            if group.size * (2 * needed - len(group.offsets)) > self._spare():
                break
            group.split(self.queries, self._direction(span))
        self._extend(coded, min(stage, coded.last_stage))
        return coded

    def _separated(self, group: Group) -> bool:
        """Whether more bins are not worth their rows."""
        energy, real, clean = self._energies(group)
        if not real.any():
            limit = self.noise / group.size * threshold(len(group.offsets), self.freedom)
            return self._settled() and (not self._pending() or limit < self._largest())
        if energy[clean].sum() >= CLEAR_SHARE * energy[real].sum():
            return True
        # Well above the noise and with room to spare, two coefficients share a bin by bad luck.
        loud = real & (energy > LOUD * self.noise / group.size)
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
        while not self._settled():
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
            self._prune()
            waiting = int(self._energies(coded.group)[2].sum())
            if not waiting or coded.complete or coded.whole:
                break
            stage = coded.stages + 1
            shifts = coded.code.checks_of(stage)
            more = coded.group.size * (shifts - coded.code.checks_of(coded.stages))
            anew = 2 ** (waiting - 1).bit_length() * (1 + shifts)
            if coded.found and self._noise_share() < NOISE_SHARE and anew < more:
                return stage
            if not self._extend(coded, stage):
                break
        orders = sorted(int(s.sum()) for c in self.coded for s in c.found)
        return max(orders[len(orders) // 2], 1) if orders else 1

    def _read_all(self, first: Coded) -> None:
        """Decode what can be, in ``first`` and then in every group, until nothing is new."""
        others = [c for c in self.coded if c is not first]
        for _ in range(PASSES):
            if not sum(self._read(coded) for coded in (first, *others)):
                break

    def _read(self, coded: Coded) -> int:
        """Decode what dominates each bin, subtract it, and again; count what is new."""
        before = len(coded.found)
        for _ in range(PASSES if coded.stages else 0):
            known = {s.tobytes() for c in self.coded for s in c.found}
            asked = (frozenset(known), coded.group.values.size)
            if asked == coded.barren:
                break
            left, noise = self._residual(coded.group), self.noise / coded.group.size
            got = coded.read(left, noise, self._energies(coded.group)[1])
            new = {s.tobytes(): s for s in got if s.tobytes() not in known}
            coded.found += new.values()
            if not new:
                coded.barren = asked
                break
        return len(coded.found) - before

    # Noise, pruning, testing.

    def _measure_noise(self) -> None:
        """Noise variance from rows asked twice, more of them the more noise there is."""
        rows, values = self.queries.patterns[0], self.queries.values[0]
        done, squares = 0, 0.0
        scale = float(values.double().square().mean())
        for repeats in REPEATS:
            if repeats > REPEATS[1] and self.problem.remaining < 10 * repeats:
                break
            at = torch.arange(done, repeats) % len(rows)
            again = self.queries.ask(rows[at], len(at))
            squares += float((again - values[at]).double().square().sum())
            done = repeats
            self.noise = squares / done / 2
            self.exact = self.noise <= ROUNDING**2 * scale
            if self.exact or (done == REPEATS[1] and self.noise < NOISE_SHARE * scale):
                break
        if self.exact:
            self.noise, done = ROUNDING**2 * scale, REPEATS[-1]
        self.freedom = done

    def _pool_noise(self, coded: Coded) -> None:
        """Let a group in which nothing is above the noise add to what is known of it."""
        if self.exact or self._energies(coded.group)[1].any():
            return
        square = float(np.square(self._residual(coded.group)).sum()) * coded.group.size
        more = coded.group.values.size - len(coded.found)
        self.noise = (self.freedom * self.noise + square) / (self.freedom + more)
        self.freedom += more

    def _prune(self) -> None:
        """Drop subsets whose coefficient the joint fit cannot tell from zero."""
        _, coefficients, errors = self._fitted()
        keep = iter(np.abs(coefficients) > 3 * self._left_over() ** 0.5 * errors)
        for coded in self.coded:
            coded.found = [subset for subset in coded.found if next(keep)]

    def _verify(self, *, last: bool = False) -> tuple[list[Subset], bool]:
        """Test on fresh rows, and tell whether the subsets explain these up to the noise.

        If not, the rows join those that the search goes on with, and later ones are tested anew.
        The ``last`` time all that is left of the budget is asked.
        """
        candidates = self._candidates()
        subsets = [subset for subset, _ in candidates]
        left = self.problem.remaining
        rows = left // 2 if last and left >= LEAST_SPLIT else min(self._test_rows(), left)
        fresh = self.problem.sample(rows)
        real = tested(self.queries, fresh, subsets, self.fdr)
        square, explained = self._left_in(fresh)
        self.queries.held.clear()
        more = min(int(TEST_SHARE * self.problem.budget), self.problem.remaining)
        if more and (explained or last):
            # Energy in few patterns is met by few rows: a share of the budget looks for it.
            fresh = self.problem.sample(more)
            if len(real) < len(subsets) and explained:
                real = tested(self.queries, fresh, subsets, self.fdr)
            else:
                self.queries.hold(fresh)
            square, also = self._left_in(fresh)
            explained = explained and also
        constant = self.exact and not candidates and square <= self.noise
        if not constant:
            rest = self._left_over()
            self.unexplained = (rest - self.noise) / (sum(c**2 for _, c in candidates) + rest)
        return real, explained

    def _left_in(self, fresh: Tensor) -> tuple[float, bool]:
        """Mean square that the subsets leave of the rows asked last, and whether noise explains it.

        These rows join those that the search goes on with.
        """
        members, coefficients, _ = self._fitted()
        group = Group(np.zeros((0, self.n), np.uint8))
        group.offsets = (fresh < 0).numpy().astype(np.uint8)
        group.values = group.bins = self.queries.values[-1].double().numpy()[:, None]
        square = float(np.square(group.residual(members, coefficients)).mean())
        self.uncoded.append(group)
        bound = self.noise * threshold(len(fresh), self.freedom) * (1 + len(members) / len(fresh))
        return square, square <= bound
