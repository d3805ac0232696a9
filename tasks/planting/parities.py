"""Seed -> planted instance: the sets, the distribution and the exact spectrum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import binary, uniform_patterns
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.source import Readout, Sampler
from actspec_bench.problems.truth import Truth

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset

SMALLEST_COEFFICIENT = 1e-9


@dataclass(frozen=True)
class Terms:
    """Parities with coefficients, linearly independent over GF(2), and the units they use.

    Attributes
    ----------
    subsets, coefficients
        One of each a term.
    relevant, spare
        The units that some subset uses, and those that none does.
    """

    subsets: list[Subset]
    coefficients: np.ndarray
    relevant: np.ndarray
    spare: np.ndarray

    def truth(self, readout: Readout) -> Truth:
        """Exact spectrum of the sum of the terms, or of its sign, under uniform patterns."""
        spectrum = dict(zip(self.subsets, self.coefficients.tolist(), strict=True))
        if readout == "decision":
            spectrum = decision_spectrum(spectrum)
        return Truth(spectrum, len(self.relevant) + len(self.spare))


def draw_terms(
    rng: np.random.Generator,
    n: int,
    sizes: list[int],
    overlap: int,
    magnitudes: tuple[float, float],
) -> Terms:
    """Draw which of n units the terms use, and coefficients of fair sign and uniform size."""
    units = rng.permutation(n)
    subsets, used = _chained_subsets(rng, units, sizes, overlap)
    coefficients = rng.uniform(*magnitudes, len(sizes)) * rng.choice([-1.0, 1.0], len(sizes))
    return Terms(subsets, coefficients, units[:used], units[used:])


def plant(
    seed: int,
    *,
    n: int,
    sizes: list[int],
    overlap: int,
    noise: float,
    readout: Readout,
    duplicates: int,
    constants: int,
    correlation: float,
    magnitudes: tuple[float, float],
) -> Instance:
    """Build a planted-parity instance; see the task's docstring for the parameters."""
    rng = np.random.default_rng(seed)
    terms = draw_terms(rng, n, sizes, overlap, magnitudes)
    relevant, spare, used = terms.relevant, terms.spare, len(terms.relevant)

    copies = spare[:duplicates]
    fixed = spare[duplicates : duplicates + constants]
    partners = spare[duplicates + constants :][: used if correlation else 0]
    twins = np.concatenate([copies, partners])
    originals = np.concatenate([rng.choice(relevant, duplicates, replace=False), relevant])
    signs = np.ones(len(twins))
    signs[1 : len(copies) : 2] = -1.0
    agreement = np.concatenate([np.ones(len(copies)), np.full(len(partners), correlation)])
    sampler = _with_twins(n, fixed, twins, originals[: len(twins)], signs, agreement)

    mean = torch.zeros(n)
    mean[torch.from_numpy(fixed)] = 1.0
    source = binary(
        _sum_of_parities(terms.subsets, terms.coefficients),
        n,
        seed=seed,
        readout=readout,
        sampler=sampler if len(fixed) or len(twins) else None,
        mean=mean,
        noise=noise * float(np.sqrt(np.square(terms.coefficients).sum())),
    )
    return Instance(Problem(source), terms.truth(readout))


def nothing(seed: int, *, n: int, readout: Readout) -> Instance:
    """Build a planted-nothing instance: a zero margin under unit noise."""
    source = binary(lambda x: 0 * x.sum(1), n, seed=seed, readout=readout, noise=1.0)
    return Instance(Problem(source), Truth({}, n))


def decision_spectrum(margin: dict[Subset, float]) -> dict[Subset, float]:
    """Exact spectrum of the sign of a sum of parities that are independent over GF(2).

    The sign is a function g of the k parities, which are then uniform on {-1, +1}^k, so its
    coefficient on a product of parities is that of g; the product is the parity of the
    symmetric difference of their subsets.
    """
    subsets, coefficients = list(margin), torch.tensor(list(margin.values()), dtype=torch.float64)
    sums = all_patterns(len(subsets)).double() @ coefficients
    transformed = walsh_hadamard(torch.where(sums >= 0, 1.0, -1.0))
    spectrum: dict[Subset, float] = {}
    for position, value in enumerate(transformed.tolist()):
        if position and abs(value) > SMALLEST_COEFFICIENT:
            product: set[int] = set()
            for j, subset in enumerate(subsets):
                if position >> j & 1:
                    product ^= set(subset)
            spectrum[tuple(sorted(product))] = value
    return spectrum


def _chained_subsets(
    rng: np.random.Generator, units: np.ndarray, sizes: list[int], overlap: int
) -> tuple[list[Subset], int]:
    """Subsets that each share ``overlap`` units with the union before; and the units used.

    Each holds a fresh unit, so they are linearly independent over GF(2).
    """
    subsets: list[Subset] = []
    used = 0
    for size in sizes:
        shared = rng.choice(units[:used], overlap, replace=False) if used else units[:0]
        fresh = units[used : used + size - len(shared)]
        used += len(fresh)
        subsets.append(tuple(sorted(int(i) for i in (*shared, *fresh))))
    return subsets, used


def _sum_of_parities(subsets: list[Subset], coefficients: np.ndarray) -> Callable[[Tensor], Tensor]:
    columns = [torch.tensor(subset) for subset in subsets]
    weights = coefficients.tolist()

    def margin(x: Tensor) -> Tensor:
        total = torch.zeros(len(x))
        for units, weight in zip(columns, weights, strict=True):
            total = total + weight * x[:, units].prod(1)
        return total

    return margin


def _with_twins(
    n: int,
    fixed: np.ndarray,
    twins: np.ndarray,
    originals: np.ndarray,
    signs: np.ndarray,
    agreement: np.ndarray,
) -> Sampler:
    """Uniform patterns with constant units, and twins of given sign and correlation."""
    uniform = uniform_patterns(n)
    fixed_at, twins_at, originals_at = (torch.from_numpy(a) for a in (fixed, twins, originals))
    sign = torch.from_numpy(signs).float()
    flip_rate = torch.from_numpy((1 - agreement) / 2).float()

    def sample(k: int, generator: torch.Generator) -> Tensor:
        x = uniform(k, generator)
        x[:, fixed_at] = 1.0
        if len(twins_at):
            flips = torch.rand(k, len(flip_rate), generator=generator) < flip_rate
            x[:, twins_at] = torch.where(flips, -sign, sign) * x[:, originals_at]
        return x

    return sample
