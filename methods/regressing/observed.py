"""Problem -> patterns and values to regress on: draws of D, or the rows of its data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.distinct import first_rows, in_order_met
from actspec_bench.problems.explaining import On, explained

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["Observed", "fitted", "nothing", "observed", "weighed"]

LEAST_INPUTS = 20
INPUTS_A_COLUMN = 5
MOST_ROWS = 2**16
CONSTANT = "all {rows:,} values are the same"


@dataclass(frozen=True, eq=False)
class Observed:
    """Patterns with their values, and which of them say the same thing.

    Attributes
    ----------
    pattern, values
        (N, n) in single and (N,) in double precision.
    input
        (N,) number of each row's independent input, from 0.
    """

    pattern: Float[Tensor, "rows n"]
    values: Float[Tensor, " rows"]
    input: Int[Tensor, " rows"]

    @property
    def inputs(self) -> int:
        """Number of independent inputs."""
        return count_of(self.input)

    @property
    def most_columns(self) -> int:
        """Columns that so many inputs can tell apart: one for five of them."""
        return max(self.inputs // INPUTS_A_COLUMN, 1)

    @property
    def constant(self) -> bool:
        """Whether all values are the same."""
        return bool((self.values == self.values[0]).all())

    @property
    def told(self) -> dict[str, Any]:
        """What ``info`` says of the rows."""
        return {"rows": len(self.values), "inputs": self.inputs}

    def part(self, rows: Bool[Tensor, " rows"]) -> Observed:
        """Some of the rows, whole inputs of them."""
        return Observed(self.pattern[rows], self.values[rows], in_order_met(self.input[rows]))


def observed(problem: Problem, on: On) -> Observed:
    """Ask at as many draws of D as the budget allows, at most 65,536.

    Of a data set every input is asked at most once, in random order, and its copies take part as
    often as they are given; where a problem answers only at given rows, every row is asked, since
    each has its own value.

    Raises
    ------
    NotApplicable
        Fewer than 20 inputs can be asked.
    """
    rows, inputs = problem.rows, problem.input_of_row
    most = min(problem.remaining, MOST_ROWS)
    count = most if inputs is None else min(most, count_of(inputs))
    if count < LEAST_INPUTS:
        raise NotApplicable(
            f"a regression on {count:,} independent draws tells nothing: it takes {LEAST_INPUTS}"
        )
    if rows is None or inputs is None:
        x = problem.sample(most)
        y = explained(problem, on)(x)
        return Observed(problem.pattern(x), y.detach().double(), torch.arange(most))
    if not problem.any_pattern:
        numbers = torch.randperm(len(rows), generator=problem.generator)[:most]
        y = problem.value_of_rows(numbers)
        number = in_order_met(inputs[numbers])
        return Observed(problem.pattern(rows[numbers]), y.double(), number)
    asked = torch.randperm(count_of(inputs), generator=problem.generator)[:most]
    place = torch.full((count_of(inputs),), -1)
    place[asked] = torch.arange(len(asked))
    y = explained(problem, on)(rows[first_rows(inputs)[asked]]).detach().double()
    known = torch.nonzero(place[inputs] >= 0)[:, 0]
    number = place[inputs[known]]
    return Observed(problem.pattern(rows[known]), y[number], number)


def count_of(inputs: Int[Tensor, " rows"]) -> int:
    """Number of inputs that are numbered from 0."""
    return int(inputs.max()) + 1


def nothing(seen: Observed, info: dict[str, Any], reason: str, n: int) -> Attribution:
    """Report no subset, with the reason."""
    reason = CONSTANT.format(rows=len(seen.values)) if seen.constant else reason
    return Attribution.from_subsets({}, n=n, info={**seen.told, **info, "reason": reason})


def fitted(
    seen: Observed, subsets: list[Subset], means: Float[Tensor, " n"] | None = None
) -> Float[Tensor, " subsets"]:
    """Least-squares coefficients of the values on an intercept and the characters of ``subsets``.

    With ``means`` on the p-biased characters. Where columns depend on each other, the solution of
    least norm.
    """
    from actspec_bench.fourier.spectrum import biased_characters, membership

    columns = biased_characters(seen.pattern, membership(subsets, seen.pattern.shape[1]), means)
    columns = columns.double()
    columns = columns - columns.mean(0)
    values = seen.values - seen.values.mean()
    solution: Tensor = torch.linalg.lstsq(columns, values[:, None], driver="gelsd").solution
    return solution[:, 0]


def weighed(
    seen: Observed,
    importance: dict[Subset, float],
    info: dict[str, Any],
    n: int,
    means: Float[Tensor, " n"] | None = None,
) -> Attribution:
    """Report subsets with their coefficients in a least-squares refit, ranked by importance."""
    ranked = sorted(importance.items(), key=lambda item: -item[1])
    found = [subset for subset, _ in ranked]
    coefficients = dict(zip(found, fitted(seen, found, means).tolist(), strict=True))
    return Attribution.from_subsets(
        coefficients, n=n, importance=dict(ranked), info={**seen.told, **info}
    )
