"""Groups of bins asked so far -> what they tell: coefficients, noise, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.methods.actspec.queries import ROUNDING
from actspec_bench.methods.aliasing.bins import Group, fitted
from actspec_bench.methods.aliasing.decoding import Coded, clear, threshold

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.queries import Queries

# Rows asked twice: at first, if the values then differ, and if noise is more than a small share.
REPEATS, NOISE_SHARE = (8, 16, 64), 0.05
# Share of the variance below which what the noise may hide is left alone.
EXPLAINED = 0.03


class Known:
    """What the groups asked so far tell, and what they leave unexplained.

    Subsets belong to the group that they were found in, and are found again after each of its
    stages: a subset of more units than the code tells apart may have looked like another.

    Attributes
    ----------
    coded, uncoded
        Groups whose shifts spell subsets, and rows asked to test what was found.
    noise, freedom, exact
        Variance of the noise of a value, the degrees of freedom of that estimate, and whether
        there is no more noise than rounding.
    """

    def __init__(self, queries: Queries) -> None:
        self.queries, self.n = queries, queries.problem.n
        self.coded: list[Coded] = []
        self.uncoded: list[Group] = []
        self.noise, self.freedom, self.exact = 0.0, REPEATS[-1], True
        self._state: Any = None
        self._fit: Any = None

    def count(self) -> int:
        """Subsets found so far, in all groups."""
        return sum(len(c.found) for c in self.coded)

    def groups(self) -> list[Group]:
        """All groups, coded or not."""
        return [c.group for c in self.coded] + self.uncoded

    def fitted(
        self,
    ) -> tuple[UInt8[ndarray, "subsets n"], Float[ndarray, " subsets"], Float[ndarray, " subsets"]]:
        """Subsets found, their coefficients, and the errors of these at unit noise."""
        rows = [s for c in self.coded for s in c.found]
        members = np.array(rows, np.uint8).reshape(len(rows), self.n)
        state = (members.tobytes(), sum(g.values.size for g in self.groups()))
        if state != self._state:
            self._state, self._fit = state, (members, *fitted(self.groups(), members))
        found: tuple[ndarray, ndarray, ndarray] = self._fit
        return found

    def residual(self, group: Group) -> Float[ndarray, "shifts bins"]:
        """What the subsets found leave of a group's bins."""
        members, coefficients, _ = self.fitted()
        return group.residual(members, coefficients)

    def energies(
        self, group: Group
    ) -> tuple[Float[ndarray, " bins"], Bool[ndarray, " bins"], Bool[ndarray, " bins"]]:
        """Unexplained energy of each bin, whether it is above the noise, and if so clear."""
        left = self.residual(group)
        noise = self.noise / group.size
        energy = np.square(left).mean(0)
        real = energy > noise * threshold(len(left), self.freedom)
        return energy - noise, real, real & clear(left)

    def candidates(self) -> list[tuple[Subset, float]]:
        """Subsets found with their coefficients, largest first; the empty one left out."""
        members, coefficients, _ = self.fitted()
        rows = [
            (tuple(np.flatnonzero(m).tolist()), float(c))
            for m, c in zip(members, coefficients, strict=True)
        ]
        return sorted((r for r in rows if r[0]), key=lambda r: (-abs(r[1]), r[0]))

    def noise_share(self) -> float:
        """Share of the noise in the variance of all values asked."""
        total = float(torch.cat(self.queries.values).double().var())
        return self.noise / total if total else 0.0

    def left_over(self) -> float:
        """Variance of the values that no subset explains, the noise's included."""
        groups = self.groups()
        left = sum(g.size * float(np.square(self.residual(g)).sum()) for g in groups)
        rows = sum(g.values.size for g in groups)
        return max(left / max(rows - self.count(), 1), self.noise)

    def pending(self) -> bool:
        """Whether any bin of any group holds energy that is not explained."""
        return any(self.energies(g)[1].any() for g in self.groups())

    def largest(self) -> float:
        """Largest energy of a bin that is not explained."""
        return max(float(self.energies(g)[0].max()) for g in self.groups())

    def settled(self) -> bool:
        """Whether three standard errors of the energy in all rows, made by noise, are small."""
        rows = sum(g.values.size for g in self.groups())
        return self.exact or 3 * self.noise_share() * (2 / rows) ** 0.5 <= EXPLAINED

    def measure_noise(self) -> None:
        """Noise variance from rows asked twice, more of them the more noise there is."""
        rows, values = self.queries.patterns[0], self.queries.values[0]
        done, squares = 0, 0.0
        scale = float(values.double().square().mean())
        for repeats in REPEATS:
            if repeats > REPEATS[1] and self.queries.problem.remaining < 10 * repeats:
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
        self.queries.noise, self.queries.noise_freedom = self.noise, self.freedom

    def pool_noise(self, coded: Coded) -> None:
        """Let a group in which nothing is above the noise add to what is known of it."""
        if self.exact or self.energies(coded.group)[1].any():
            return
        square = float(np.square(self.residual(coded.group)).sum()) * coded.group.size
        more = coded.group.values.size - len(coded.found)
        self.noise = (self.freedom * self.noise + square) / (self.freedom + more)
        self.freedom += more

    def prune(self) -> None:
        """Drop subsets whose coefficient the joint fit cannot tell from zero."""
        _, coefficients, errors = self.fitted()
        keep = iter(np.abs(coefficients) > 3 * self.left_over() ** 0.5 * errors)
        for coded in self.coded:
            coded.found = [subset for subset in coded.found if next(keep)]
