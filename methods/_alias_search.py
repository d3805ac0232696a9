"""Problem -> attribution by a sparse Walsh-Hadamard transform that is told no order.

One group of bins after another: each is split until most of its energy lies in bins that one
coefficient dominates, and shifted by the checks of a growing code until those decode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from actspec_bench.methods._alias_groups import Group, fitted, parities
from actspec_bench.methods._bch import BCH
from actspec_bench.methods._linear import Span, solver
from actspec_bench.methods._queries import Queries, refitted, tested

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from numpy import ndarray

    from actspec_bench.attribution import Attribution, Subset
    from actspec_bench.problem import Problem

FIRST_BITS = 2
MOST_BITS = 12
CLEAR_SHARE = 0.2
CLEAR_SPREAD = 0.5
LOUD, ROOM = 10.0, 4
REPEATS = (8, 16, 64)
NOISE_SHARE = 0.05
ROUNDING = 1e-5
BIN_LEVEL = 1e-4
EXPLAINED = 0.03
PASSES = 4
TINY = 1e-100
FLIPS = 4
UNSURE = 0.4
CHASED = 32
LEAST_TEST, TEST_PER_SUBSET, TEST_Z, TEST_SHARE = 16, 4, 5.0, 0.25


@dataclass(eq=False)
class Coded:
    """A group of bins whose shifts are the checks of ``code``, the first ``stages`` of them."""

    group: Group
    code: BCH
    stages: int = 0
    complete: bool = False
    found: list[UInt8[ndarray, " n"]] = field(default_factory=list)


@lru_cache
def threshold(shifts: int, freedom: int) -> float:
    """Mean square of a bin of noise, in units of the noise, that one in 10,000 exceeds."""
    from scipy.stats import f

    return float(f.isf(BIN_LEVEL, shifts, freedom))


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
            "this problem's: use actspec"
        )
    return _Search(problem, fdr).run(tau)


class _Search:
    def __init__(self, problem: Problem, fdr: float) -> None:
        self.problem, self.fdr, self.n = problem, fdr, problem.n
        self.queries = Queries(problem)
        seed = torch.randint(2**62, (1,), generator=problem.generator)
        self.rng = np.random.default_rng(int(seed))
        self.coded: list[Coded] = []
        self.loose: list[Group] = []
        self.noise, self.freedom = 0.0, REPEATS[-1]
        self.stopped: str | None = None
        self.unexplained: float | None = None
        self._state: Any = None
        self._fit: Any = None

    # -- what is known --------------------------------------------------------------------

    @property
    def groups(self) -> list[Group]:
        return [c.group for c in self.coded] + self.loose

    def members(self) -> UInt8[ndarray, "subsets n"]:
        rows = [s for c in self.coded for s in c.found]
        return np.array(rows, np.uint8).reshape(len(rows), self.n)

    def fit(self) -> tuple[UInt8[ndarray, "subsets n"], ndarray, ndarray]:
        """Subsets found, their coefficients, and the errors of these at unit noise."""
        members = self.members()
        state = (members.tobytes(), sum(g.values.size for g in self.groups))
        if state != self._state:
            self._state, self._fit = state, (members, *fitted(self.groups, members))
        return self._fit

    def residual(self, group: Group) -> Float[ndarray, "shifts bins"]:
        return group.residual(*self.fit()[:2])

    def energies(
        self, left: Float[ndarray, "shifts bins"]
    ) -> tuple[Float[ndarray, " bins"], Bool[ndarray, " bins"], Bool[ndarray, " bins"]]:
        """Energy of each bin less the noise's, whether it is above the noise, and if so clear."""
        noise = self.noise / left.shape[1]
        energy = np.square(left).mean(0)
        real = energy > noise * threshold(len(left), self.freedom)
        size = np.abs(left)
        clear = real & (size.std(0) < CLEAR_SPREAD * size.mean(0))
        return energy - noise, real, clear

    def subsets(self) -> list[tuple[Subset, float]]:
        """Subsets found with their coefficients, largest first; the empty one left out."""
        members, coefficients, _ = self.fit()
        rows = [
            (tuple(np.flatnonzero(m).tolist()), float(c))
            for m, c in zip(members, coefficients, strict=True)
        ]
        return sorted((r for r in rows if r[0]), key=lambda r: (-abs(r[1]), r[0]))

    def test_rows(self) -> int:
        """Fresh rows that the test of the subsets found so far asks for."""
        found = [abs(c) for _, c in self.subsets()]
        rows = max(LEAST_TEST, TEST_PER_SUBSET * (len(found) + 1))
        if found:
            powerful = TEST_Z**2 * self.noise / max(min(found), TINY) ** 2
            return max(rows, int(min(powerful, self.most_test())))
        return rows if self.noise_share() < NOISE_SHARE else max(rows, self.most_test())

    def most_test(self) -> int:
        return int(TEST_SHARE * self.problem.budget)

    def noise_share(self) -> float:
        total = float(torch.cat(self.queries.values).var()) if self.queries.values else 0.0
        return self.noise / total if total else 0.0

    def spare(self) -> int:
        """Rows that may be spent before the test."""
        return self.problem.remaining - self.test_rows()

    def settled(self) -> bool:
        """Whether what energy may hide in the noise is small."""
        rows = sum(g.values.size for g in self.groups)
        return 3 * self.noise_share() * (2 / rows) ** 0.5 <= EXPLAINED

    # -- queries --------------------------------------------------------------------------

    def run(self, tau: float | None) -> Attribution:
        self._check_budget()
        bits, stage = min(FIRST_BITS, self.n), 1
        info: dict[str, Any] = {}
        real: list[Subset] = []
        verified = False
        while True:
            before = len(self.members())
            coded = self.open(bits, stage)
            if coded is None:
                self.stopped = "the budget ended before all energy was explained"
                break
            stage = self.climb(coded)
            self.prune()
            if self.quiet():
                real, verified = self.verify()
                if verified or self.problem.remaining < LEAST_TEST:
                    break
            left = int(self.energies(self.residual(coded.group))[1].sum())
            fewest = max(left - 1, 0).bit_length()
            more = len(self.members()) > before
            bits = len(coded.group.directions) + int(self.rng.integers(2))
            bits = fewest if more else max(fewest, bits)
            bits = min(bits, self.n, MOST_BITS)
        if not verified and self.problem.remaining:
            real, verified = self.verify()
        info["unexplained_energy"] = self.unexplained
        info["noise"] = self.noise**0.5
        info["bins"] = [c.group.size for c in self.coded]
        info["shifts"] = [len(c.group.offsets) - 1 for c in self.coded]
        if self.stopped and not verified:
            info["stopped"] = self.stopped
        return refitted(self.queries, real, tau, info)

    def _check_budget(self) -> None:
        degree = max((self.n - 1).bit_length(), 1)
        least = 2 ** min(FIRST_BITS, self.n) * (1 + degree) + REPEATS[1] + LEAST_TEST
        if self.problem.remaining < least:
            raise NotApplicable(
                f"the aliased search of {self.n} units needs at least {least:,} rows and "
                f"{self.problem.remaining:,} of the budget of {self.problem.budget:,} remain"
            )

    def direction(self, span: Span) -> UInt8[ndarray, " n"]:
        while True:
            row = self.rng.integers(0, 2, self.n, dtype=np.uint8)
            if span.add(row):
                return row

    def open(self, bits: int, stage: int) -> Coded | None:
        """Start a group and split it until most of its energy is in clear bins."""
        span = Span()
        rows = [self.direction(span) for _ in range(bits)]
        group = Group(np.array(rows, np.uint8).reshape(bits, self.n))
        coded = Coded(group, BCH(self.n, self.rng))
        base = self.rng.integers(0, 2, (1, self.n), dtype=np.uint8)
        checks = coded.code.checks(1)[:-1]
        if group.size * (1 + len(checks)) > self.spare():
            return None
        group.shift(self.queries, np.vstack([base, base ^ checks]))
        self.coded.append(coded)
        if len(self.coded) == 1:
            self._measure_noise()
        needed = 1 + coded.code.checks_of(max(stage, 2))
        while True:
            energy, real, clear = self.energies(self.residual(group))
            if real.any():
                if energy[clear].sum() >= CLEAR_SHARE * energy[real].sum():
                    break
                loud = energy[real].min() > LOUD * self.noise / group.size
                if loud and group.size >= ROOM * real.sum():
                    break
            elif self.settled() and not self.pending():
                break
            bits = len(group.directions)
            if bits >= min(self.n, MOST_BITS):
                break
            if group.size * (2 * needed - len(group.offsets)) > self.spare():
                break
            group.split(self.queries, self.direction(span))
        self.extend(coded, min(stage, self.last_stage(coded)))
        return coded

    def last_stage(self, coded: Coded) -> int:
        """Stages of the code before the rank is completed instead."""
        return max((self.n - 2) // coded.code.degree, 1)

    def extend(self, coded: Coded, stage: int) -> bool:
        """Ask for the checks up to ``stage``, or what completes the rank after the last stage."""
        group, code = coded.group, coded.code
        if coded.stages == 0:
            more = [code.checks(1)[-1:]] + [code.checks(s) for s in range(2, stage + 1)]
        elif stage <= self.last_stage(coded):
            more = [code.checks(s) for s in range(coded.stages + 1, stage + 1)]
        else:
            span = Span()
            for row in np.vstack([group.directions, group.offsets[1:] ^ group.offsets[0]]):
                span.add(row)
            units = np.eye(self.n, dtype=np.uint8)
            more = [unit[None] for unit in units if span.add(unit)]
            coded.complete = True
        rows = np.vstack(more) if more else np.zeros((0, self.n), np.uint8)
        if group.size * len(rows) > self.spare():
            coded.complete = False
            return False
        if len(rows):
            group.shift(self.queries, rows ^ group.offsets[0])
        coded.stages = min(stage, self.last_stage(coded))
        return True

    def climb(self, coded: Coded) -> int:
        """More shifts until every clear bin decodes, or another group would do it cheaper."""
        while True:
            coded.found = []
            self.read_all(coded)
            _, _, clear = self.energies(self.residual(coded.group))
            waiting = int(clear.sum())
            if not waiting or coded.complete:
                break
            stage = coded.stages + 1
            shifts = coded.code.checks_of(stage)
            more = coded.group.size * (shifts - coded.code.checks_of(coded.stages))
            anew = 2 ** (waiting - 1).bit_length() * (1 + shifts)
            if coded.found and self.noise_share() < NOISE_SHARE and anew < more:
                return stage
            if not self.extend(coded, stage):
                break
        return max([1, *(int(s.sum()) for c in self.coded for s in c.found)])

    # -- decoding -------------------------------------------------------------------------

    def read_all(self, first: Coded) -> None:
        """Decode what can be, in ``first`` and then in every group, until nothing is new."""
        for _ in range(PASSES):
            new = self.read(first)
            for coded in self.coded:
                if coded is not first and coded.stages:
                    new += self.read(coded)
            if not new:
                break

    def read(self, coded: Coded) -> int:
        """Decode the dominant coefficient of each bin, subtract, and again."""
        group, total = coded.group, 0
        if not coded.stages:
            return 0
        for _ in range(PASSES):
            left = self.residual(group)
            _, real, _ = self.energies(left)
            known = {m.tobytes() for m in self.members()}
            bins = np.flatnonzero(real)
            got = self.decode(coded, left[:, bins], bins)
            new = 0
            for subset in got:
                if subset.tobytes() not in known:
                    known.add(subset.tobytes())
                    coded.found.append(subset)
                    new += 1
            total += new
            if not new:
                break
        return total

    def decode(
        self, coded: Coded, left: Float[ndarray, "shifts bins"], bins: ndarray
    ) -> list[UInt8[ndarray, " n"]]:
        if not len(bins):
            return []
        negative = (left < 0).astype(np.uint8).T
        found, subsets = self.solve(coded, negative, left.T, bins)
        out = list(subsets[found])
        failed = np.flatnonzero(~found)
        if not len(failed):
            return out
        size = np.abs(left[:, failed]).T
        weakest = np.argsort(size, axis=1)[:, :FLIPS]
        unsure = np.take_along_axis(size, weakest, 1) < UNSURE * np.median(size, axis=1)[:, None]
        usable = np.flatnonzero(unsure.any(1))
        usable = usable[np.argsort(-np.square(size[usable]).mean(1), kind="stable")][:CHASED]
        if not len(usable):
            return out
        failed, weakest, unsure = failed[usable], weakest[usable], unsure[usable]
        patterns = (np.arange(1, 2**FLIPS)[:, None] >> np.arange(FLIPS) & 1).astype(np.uint8)
        trial = np.repeat(negative[failed][:, None], len(patterns), axis=1)
        for k in range(FLIPS):
            flip = patterns[None, :, k] & unsure[:, k, None]
            trial[np.arange(len(failed))[:, None], np.arange(len(patterns)), weakest[:, k, None]] ^= flip
        found, subsets = self.solve(
            coded,
            trial.reshape(-1, trial.shape[2]),
            np.repeat(left[:, failed].T, len(patterns), axis=0),
            np.repeat(bins[failed], len(patterns)),
        )
        match = np.abs((left[:, failed].T[:, None] * (1.0 - 2.0 * trial)).sum(2))
        match = np.where(found.reshape(match.shape), match, -1.0)
        best = match.argmax(1)
        for k, pick in enumerate(best):
            if match[k, pick] > 0:
                out.append(subsets[k * len(patterns) + pick])
        return out

    def solve(
        self,
        coded: Coded,
        negative: UInt8[ndarray, "batch shifts"],
        left: Float[ndarray, "batch shifts"],
        bins: ndarray,
    ) -> tuple[Bool[ndarray, " batch"], UInt8[ndarray, "batch n"]]:
        group, code = coded.group, coded.code
        bits = negative[:, 1:] ^ negative[:, :1]
        found, subsets = code.decode(bits[:, : code.checks_of(coded.stages)], coded.stages)
        found &= group.bins_of(subsets) == bins
        rank = len(group.directions) + bits.shape[1]
        if rank >= self.n and not found.all():
            equations = np.vstack([group.offsets[1:] ^ group.offsets[0], group.directions])
            inverse = solver(equations)
            if inverse is not None:
                hashed = (bins[:, None] >> np.arange(len(group.directions)) & 1).astype(np.uint8)
                right = np.hstack([bits, hashed])
                answer = parities(right, inverse).astype(np.uint8)
                holds = (parities(answer, equations) == right).all(1)
                size = np.abs(left)
                clear = size.std(1) < CLEAR_SPREAD * size.mean(1)
                use = ~found & holds & clear
                subsets = np.where(use[:, None], answer, subsets)
                found |= use
        return found, subsets

    # -- noise, stopping, testing ----------------------------------------------------------

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
            if self.noise <= ROUNDING**2 * scale:
                self.noise, done = ROUNDING**2 * scale, REPEATS[-1]
                break
            if done == REPEATS[1] and self.noise < NOISE_SHARE * scale:
                break
        self.freedom = done

    def pending(self) -> bool:
        """Whether any bin of any group holds energy that is not explained."""
        return any(self.energies(self.residual(g))[1].any() for g in self.groups)

    def quiet(self) -> bool:
        return self.settled() and not self.pending()

    def prune(self) -> None:
        """Drop subsets whose coefficient the joint fit cannot tell from zero."""
        members, coefficients, errors = self.fit()
        if not len(members):
            return
        left = sum(
            g.size * float(np.square(g.residual(members, coefficients)).sum()) for g in self.groups
        )
        rows = sum(g.values.size for g in self.groups)
        scale = max(left / max(rows - len(members), 1), self.noise) ** 0.5
        keep = np.abs(coefficients) > 3 * scale * errors
        start = 0
        for coded in self.coded:
            stop = start + len(coded.found)
            coded.found = [s for s, k in zip(coded.found, keep[start:stop], strict=True) if k]
            start = stop

    def verify(self) -> tuple[list[Subset], bool]:
        """Test on fresh rows, and tell whether the subsets explain these up to the noise."""
        members, coefficients, _ = self.fit()
        candidates = [s for s, _ in self.subsets()]
        rows = min(self.test_rows(), self.problem.remaining)
        fresh = self.problem.sample(rows)
        real = tested(self.queries, fresh, candidates, self.fdr)
        group = Group(np.zeros((0, self.n), np.uint8))
        group.offsets = (fresh < 0).numpy().astype(np.uint8)
        group.values = group.bins = self.queries.values[-1].double().numpy()[:, None]
        square = float(np.square(group.residual(members, coefficients)).mean())
        explained = square <= self.noise * threshold(rows, self.freedom) * (1 + len(members) / rows)
        total = sum(c**2 for _, c in self.subsets()) + max(square, self.noise)
        self.unexplained = max(square - self.noise, 0.0) / total if total else None
        self.loose.append(group)
        return real, explained
