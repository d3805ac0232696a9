"""Problem -> pairs of rows between which units are patched, found without looking at the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from actspec_bench.problems.problem import Problem

__all__ = ["Pairs", "find_pairs", "paired"]

Function = Callable[[Tensor], Tensor]

# Differences below this share of the largest value are rounding.
ALIKE = 1e-6
# Rows of a pair, evaluated to find it, to see whether values are noisy, and again if they are.
ROWS_A_PAIR = 6
ONE_DECISION = (
    "all rows evaluated have the same decision: rows above the middle of their values are paired "
    "with rows below it"
)


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


def find_pairs(
    problem: Problem,
    function: Function,
    *,
    cost: int,
    share: float,
    alike_free: bool = True,
    most: int | None = None,
) -> Pairs:
    """Evaluate rows, split them into two classes and pair them.

    On a masked problem the one pair is the input and its blank. Elsewhere the rows are those of
    the foreground and then draws of D, each row of a data set once. The classes are the two
    decisions, f >= 0 and f < 0; if only one occurs, the rows above and below the middle between
    the largest and the smallest value. Rows are asked for until there are enough of both classes
    to spend the budget on, or ``share`` of it is spent.

    Parameters
    ----------
    problem
        Where rows come from.
    function
        The metered function to explain, (B, n) -> (B,).
    cost
        Rows that a pair will cost where all of its units differ.
    share
        Of the budget that may be spent on finding pairs.
    alike_free
        Whether units that are alike in both rows of a pair will cost nothing.
    most
        Pairs wanted; if not given, as many as the budget serves.

    Raises
    ------
    NotApplicable
        The budget does not serve one pair, or all values are alike.
    """
    least = cost + (2 if problem.kind == "masked" else ROWS_A_PAIR)
    if problem.remaining < least:
        raise NotApplicable(
            f"one pair and what is patched between its rows cost {least:,} rows and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    if problem.kind == "masked":
        rows = torch.cat([problem.foreground[:1], problem.baseline[None]])
        values = function(rows)
        _check_spread(values)
        info: dict[str, Any] = {"classes": "input and blank"}
        return Pairs(rows[:1], rows[1:], values[:1], values[1:], info=info)

    def wanted(rows: Tensor) -> int:
        differing = float((rows != rows.roll(1, 0)).float().mean()) if alike_free else 1.0
        served = int(problem.remaining / max(differing * cost, 1.0))
        return served if most is None else min(most, served)

    limit = max(2, min(int(share * problem.remaining), 2 + problem.remaining - least))
    rows, values = _evaluated(problem, function, limit, wanted)
    _check_spread(values)
    high, info = values >= 0, {"classes": "decisions", "rows_evaluated": len(rows)}
    if bool(high.all()) or not bool(high.any()):
        high = values > (values.max() + values.min()) / 2
        info |= {"classes": "high and low values", "warnings": [ONE_DECISION]}
    clean, corrupt = torch.nonzero(high)[:, 0], torch.nonzero(~high)[:, 0]
    i, j = paired(len(clean), len(corrupt), 2 * wanted(rows) + 2 if most is None else most)
    i, j = clean[i], corrupt[j]
    again = function(torch.stack([rows[i[0]], rows[j[0]]]))
    noise = (again - torch.stack([values[i[0]], values[j[0]]])).abs().max()
    noisy = float(noise) > ALIKE * float(values.abs().max())
    return Pairs(rows[i], rows[j], values[i], values[j], noisy, {**info, "noisy": noisy})


def paired(a: int, b: int, most: int) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """Return up to ``most`` distinct pairs of a and b things, each thing as often as can be.

    The members of the larger side take turns, and those of the smaller side beside them; each
    further round is shifted by one.
    """
    number = torch.arange(min(most, a * b))
    larger, smaller = max(a, b), min(a, b)
    one, other = number % larger, (number % larger + number // larger) % smaller
    return (one, other) if a >= b else (other, one)


def _evaluated(
    problem: Problem, function: Function, limit: int, wanted: Callable[[Tensor], int]
) -> tuple[Tensor, Tensor]:
    """Rows, at most ``limit``, and their values: enough of both decisions for the pairs wanted."""
    rows = problem.foreground[:limit]
    others = problem.rows
    if others is not None:
        others = others[torch.randperm(len(others), generator=problem.generator)]
        limit = min(limit, len(rows) + len(others))
    values = function(rows)
    met = len(rows)
    while len(rows) < limit:
        if min(int((values >= 0).sum()), int((values < 0).sum())) >= wanted(rows):
            break
        count = min(limit - len(rows), max(len(rows), 2))
        start = len(rows) - met
        more = problem.sample(count) if others is None else others[start : start + count]
        rows, values = torch.cat([rows, more]), torch.cat([values, function(more)])
    return rows, values


def _check_spread(values: Tensor) -> None:
    spread = float(values.max() - values.min())
    if spread <= ALIKE * float(values.abs().max()):
        raise NotApplicable(
            f"all {len(values):,} rows evaluated have the same value, and units are patched "
            "between rows whose values differ"
        )
