"""Two classes of rows -> pairs, between whose rows units are patched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

__all__ = ["Function", "Pairs", "paired"]

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows of two classes, two by two.

    Attributes
    ----------
    clean, corrupt
        (P, n) each: a row of the class of higher values, and one of the other.
    clean_values, corrupt_values
        (P,) the explained function there.
    noisy
        Whether two evaluations of a row differ.
    info
        How they were found.
    """

    clean: Float[Tensor, "pairs n"]
    corrupt: Float[Tensor, "pairs n"]
    clean_values: Float[Tensor, " pairs"]
    corrupt_values: Float[Tensor, " pairs"]
    noisy: bool = False
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def differing(self) -> Bool[Tensor, "pairs n"]:
        """Which units differ within each pair: patching the others changes nothing."""
        return self.clean != self.corrupt

    @property
    def full_difference(self) -> float:
        """The mean of f(clean) - f(corrupt), which effects are shares of."""
        return float((self.clean_values - self.corrupt_values).mean())

    @property
    def facts(self) -> dict[str, Any]:
        """What is told of them: how many, what lies between them, and how they were found."""
        return {"pairs": len(self), "full_difference": self.full_difference, **self.info}

    def part(self, start: int, stop: int) -> Pairs:
        """Return the pairs from number ``start`` to before ``stop``."""
        chosen = slice(start, stop)
        return replace(
            self,
            clean=self.clean[chosen],
            corrupt=self.corrupt[chosen],
            clean_values=self.clean_values[chosen],
            corrupt_values=self.corrupt_values[chosen],
        )

    def within(self, function: Function, price: Int[Tensor, " pairs"], rows: int) -> Pairs:
        """Return the first pairs whose prices add up to at most ``rows``, with values to rely on.

        Rows whose noise made them high or low are less so the next time, patched or not, which
        would look like an effect of every unit. So where values are noisy, those of the pairs
        returned are evaluated again, for 2 rows more a pair.

        Raises
        ------
        NotApplicable
            Evaluated again, the two classes do not differ.
        """
        price = price + (2 if self.noisy else 0)
        chosen = self.part(0, int((price.cumsum(0) <= rows).sum()))
        if not self.noisy:
            return chosen
        values = function(torch.cat([chosen.clean, chosen.corrupt]))
        chosen = replace(
            chosen, clean_values=values[: len(chosen)], corrupt_values=values[len(chosen) :]
        )
        differences = chosen.clean_values - chosen.corrupt_values
        error = float(differences.std()) / len(chosen) ** 0.5 if len(chosen) > 1 else 0.0
        if chosen.full_difference <= 3 * error:
            raise NotApplicable(
                "evaluated again, the rows of the two classes do not differ: noise told them apart"
            )
        return chosen


def paired(a: int, b: int, most: int) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """Return up to ``most`` distinct pairs of a and b things, each thing as often as can be.

    The members of the larger side take turns, and those of the smaller side beside them; each
    further round is shifted by one.
    """
    number = torch.arange(min(most, a * b))
    larger, smaller = max(a, b), min(a, b)
    one, other = number % larger, (number % larger + number // larger) % smaller
    return (one, other) if a >= b else (other, one)
