"""Problem over a data set -> its inputs, which of them were asked, and what each part is for.

The independent things are inputs: rows that are equal, and answer equally, are one input that
counts as often as it is given. They fall into five folds at random: four choose subsets, and the
fifth tests and measures what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.problems.distinct import first_rows, inputs_of, numbered

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from actspec_bench.problems.problem import Problem

__all__ = ["FOLDS", "Inputs"]

FOLDS = 5
MOST_ROWS = 2**16


@dataclass(eq=False)
class Inputs:
    """Inputs of a problem's data set, in random order; at most 65,536 rows of it.

    Attributes
    ----------
    rows, pattern
        (N, n) rows of the data set and their patterns.
    input
        (N,) number of each row's input: equal rows are one.
    values
        (N,) of rows asked so far; NaN elsewhere.
    fold
        Which of five folds of the inputs tests; None if all choose.
    """

    problem: Problem
    rows: Float[Tensor, "rows n"]
    pattern: Float[Tensor, "rows n"]
    input: Int[Tensor, " rows"]
    values: Float[Tensor, " rows"]
    _numbers: Int[Tensor, " rows"]
    fold: int | None = 0

    @classmethod
    def of(cls, problem: Problem) -> Inputs:
        """All rows of the problem's data set, none of them asked.

        Their order is random by the problem's seed, or, where all can be asked, always the same.
        """
        rows = problem.rows
        assert rows is not None
        every = len(rows) <= min(problem.remaining, MOST_ROWS)
        generator = torch.Generator().manual_seed(0) if every else problem.generator
        numbers = torch.randperm(len(rows), generator=generator)[:MOST_ROWS]
        rows = rows[numbers]
        values = torch.full((len(rows),), torch.nan)
        return cls(problem, rows, problem.pattern(rows), numbered(rows), values, numbers)

    @property
    def count(self) -> int:
        """Number of inputs."""
        return int(self.input.max()) + 1

    @property
    def known(self) -> Bool[Tensor, " rows"]:
        """Rows that have been asked."""
        return ~self.values.isnan()

    @property
    def asked(self) -> int:
        """Number of inputs that have been asked."""
        return int(self.input[self.known].max()) + 1 if self.known.any() else 0

    @property
    def searched(self) -> Bool[Tensor, " rows"]:
        """Rows that choose subsets; the other known rows test them."""
        return self.known if self.fold is None else self.known & (self.input % FOLDS != self.fold)

    @property
    def tested(self) -> Bool[Tensor, " rows"]:
        """Known rows of inputs that choose nothing."""
        return self.known & ~self.searched

    def testing(self, fold: int | None) -> Inputs:
        """The same inputs with another fold to test."""
        return replace(self, fold=fold)

    def ask(self, rows: int) -> None:
        """Ask so many more rows, or all there are; inputs in their random order."""
        rows = min(rows, self.problem.remaining)
        if not self.problem.any_pattern:
            # Every row given was observed by itself, and may be an input by itself.
            new = torch.nonzero(~self.known)[:, 0][:rows]
            self.values[new] = self.problem.value_of_rows(self._numbers[new])
            known = self.known
            found = inputs_of(self.rows[known], self.values[known])
            if len(torch.unique(found)) > len(torch.unique(self.input[known])):
                self.input = torch.arange(len(self.rows))
            return
        # One row of an input tells what all of them answer.
        first = first_rows(self.input)[self.asked :][:rows]
        if len(first):
            found = torch.full((self.count,), torch.nan)
            found[self.input[first]] = self.problem.value_of_rows(self._numbers[first])
            self.values = torch.where(self.known, self.values, found[self.input])
