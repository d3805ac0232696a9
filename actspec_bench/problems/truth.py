"""Task -> truth: the spectrum a task knows and a method must not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.fourier import Subset

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

__all__ = ["Truth"]


@dataclass(frozen=True)
class Truth:
    """The subsets a method ought to find, with their coefficients.

    Attributes
    ----------
    spectrum
        True subset -> its Fourier coefficient (for a correlated distribution, the planted one).
    n
        Number of units.
    exhaustive
        Whether the function is the sum of these characters and nothing else: only then is a
        reported subset outside ``spectrum`` a *false* discovery. (Under a distribution with twins
        or constant units another subset may have the same character; reporting it is false too,
        since the function does not use it.)
    minor
        Subsets with coefficients too small to be asked for: missing them costs nothing, and
        reporting them is not false.
    """

    spectrum: Mapping[Subset, float]
    n: int
    exhaustive: bool = True
    minor: frozenset[Subset] = frozenset()

    def __post_init__(self) -> None:
        if self.minor & self.spectrum.keys():
            raise ValueError("a subset is asked for and called minor")
        for subset, coefficient in self.spectrum.items():
            if list(subset) != sorted(set(subset)) or not subset:
                raise ValueError(f"true subset {subset} must be sorted, without repeats, not empty")
            if subset[0] < 0 or subset[-1] >= self.n:
                raise ValueError(f"true subset {subset} has units outside 0 to {self.n - 1}")
            if not np.isfinite(coefficient):
                raise ValueError(f"the coefficient of true subset {subset} is {coefficient}")

    @classmethod
    def from_coefficients(
        cls, coefficients: Float[ndarray, " patterns"], *, subsets: int = 10
    ) -> Truth:
        """Truth of an enumerated function: its ``subsets`` largest coefficients (and ties).

        Parameters
        ----------
        coefficients
            All 2^n Fourier coefficients; bit i of the position tells whether unit i is in.
        subsets
            How many count as the truth; subsets that tie with the last one count too.
        """
        n = len(coefficients).bit_length() - 1
        magnitude = np.abs(np.asarray(coefficients, dtype=float))
        magnitude[0] = 0.0
        cut = np.sort(magnitude)[-min(subsets, len(magnitude) - 1)]
        chosen = np.flatnonzero(magnitude >= max(cut, np.finfo(float).tiny))
        spectrum = {
            tuple(i for i in range(n) if position >> i & 1): float(coefficients[position])
            for position in chosen.tolist()
        }
        return cls(spectrum, n, exhaustive=False)

    def relevant(self) -> ndarray:
        """Boolean (n,): whether a unit is in some true subset, a minor one included."""
        mask = np.zeros(self.n, dtype=bool)
        for subset in (*self.spectrum, *self.minor):
            mask[list(subset)] = True
        return mask
