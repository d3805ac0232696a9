"""Problem over a data set -> its inputs, which of them were asked, and what each part is for.

The independent things are inputs (`Problem.input_of_row`): copies of one are one, and count
as often as they are given. They fall into five folds at random: four choose subsets, and the
fifth tests and measures what was chosen. Inputs that test are asked at random; of the others those
whose value is in doubt may be asked first, with chances that are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.problems.distinct import first_rows, in_order_met

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
        (N,) number of each row's input, in the order met.
    values
        (N,) of rows asked so far; NaN elsewhere.
    chance
        (N,) with which each row that chooses was asked; None where it was the same for all.
    fold
        Which of five folds of the inputs tests; None if all choose.
    """

    problem: Problem
    rows: Float[Tensor, "rows n"]
    pattern: Float[Tensor, "rows n"]
    input: Int[Tensor, " rows"]
    values: Float[Tensor, " rows"]
    _numbers: Int[Tensor, " rows"]
    chance: Float[Tensor, " rows"] | None = None
    fold: int | None = 0
    _by_doubt: Bool[Tensor, " rows"] | None = None

    @classmethod
    def of(cls, problem: Problem) -> Inputs:
        """All rows of the problem's data set, none of them asked.

        Their order is random by the problem's seed, or, where all can be asked, always the same.
        """
        rows, input_ = problem.rows, problem.input_of_row
        assert rows is not None
        assert input_ is not None
        every = len(rows) <= min(problem.remaining, MOST_ROWS)
        generator = torch.Generator().manual_seed(0) if every else problem.generator
        numbers = torch.randperm(len(rows), generator=generator)[:MOST_ROWS]
        rows = rows[numbers]
        values = torch.full((len(rows),), torch.nan)
        number = in_order_met(input_[numbers])
        return cls(problem, rows, problem.pattern(rows), number, values, numbers)

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
        return len(torch.unique(self.input[self.known]))

    @property
    def choosing(self) -> Bool[Tensor, " rows"]:
        """Rows that choose subsets, and rows that were not asked."""
        if self.fold is None:
            return torch.ones(len(self.rows), dtype=torch.bool)
        choosing = ~self.known | (self.input % FOLDS != self.fold)
        return choosing if self._by_doubt is None else choosing | self._by_doubt

    @property
    def searched(self) -> Bool[Tensor, " rows"]:
        """Known rows that choose subsets; the other known rows test them."""
        return self.known & self.choosing

    @property
    def weights(self) -> Float[Tensor, " rows"]:
        """For how many rows that may choose each row stands that does; 0 of the others."""
        searched = self.searched.float()
        if self.chance is None:
            return searched * (self.choosing.sum() / searched.sum().clamp(min=1))
        return searched / self.chance

    @property
    def tested(self) -> Bool[Tensor, " rows"]:
        """Known rows of inputs that choose nothing."""
        return self.known & ~self.searched

    def testing(self, fold: int | None) -> Inputs:
        """The same inputs with another fold to test."""
        return replace(self, fold=fold)

    def ask(self, rows: int, doubt: Float[Tensor, " rows"] | None = None) -> None:
        """Ask so many more rows, or all there are: inputs in their random order.

        With ``doubt`` (N,), the standard deviation of the value of each as far as is known, a fifth
        are asked so, to test, and the others by doubt (`_chances`), to choose. What is known before
        stands for itself then, and what is asked by doubt also for what is not asked.
        """
        rows = min(max(rows, 0), self.problem.remaining)
        if not self.problem.any_pattern:
            # Every row given was observed by itself.
            new = torch.nonzero(~self.known)[:, 0][:rows]
            self.values[new] = self.problem.value_of_rows(self._numbers[new])
            return
        # One row of an input tells what all of them answer.
        first = first_rows(self.input)
        first = first[~self.known[first]]
        if doubt is not None and 0 < rows < len(first):
            first = self._doubtful(first, rows, doubt)
        first = first[:rows]
        if len(first):
            found = torch.full((self.count,), torch.nan)
            found[self.input[first]] = self.problem.value_of_rows(self._numbers[first])
            self.values = torch.where(self.known, self.values, found[self.input])

    def _doubtful(self, first: Tensor, rows: int, doubt: Tensor) -> Tensor:
        """So many of the rows ``first``: some of the fold that tests, and others by doubt."""
        may_test = self.input[first] % FOLDS == self.fold
        testing = first[may_test][: rows // FOLDS]
        others = first[~torch.isin(first, testing)]
        tests = len(testing)
        self._by_doubt = torch.isin(self.input, self.input[others])
        chances = _chances(doubt[others], rows - tests)
        of_input = torch.ones(self.count)
        of_input[self.input[others]] = chances
        self.chance = of_input[self.input]
        start = torch.rand(1, generator=self.problem.generator, dtype=torch.float64)
        ends = chances.double().cumsum(0)
        points = (start + torch.arange(rows - tests)) * ends[-1] / (rows - tests)
        places = torch.searchsorted(ends, points).clamp(max=len(others) - 1)
        chosen = torch.zeros(len(others), dtype=torch.bool)
        chosen[places] = True
        return torch.cat([testing, others[chosen]])


def _chances(doubt: Tensor, rows: int) -> Tensor:
    r"""Chances of being asked that add up to ``rows``, for systematic sampling by size.

    In proportion to doubt is best for a mean of what is predicted and corrected (Zrnic & Candes
    2024, arXiv:2403.03208, section 3); an even half guards against a predictor that is too sure:

    .. math:: \min(1, c (1 + d_i / \bar d))
    """
    size = (1 + doubt / doubt.mean().clamp(min=torch.finfo(doubt.dtype).tiny)).double()
    sure = torch.zeros(len(size), dtype=torch.bool)
    while True:
        chances = size * (rows - int(sure.sum())) / size[~sure].sum()
        more = ~sure & (chances >= 1)
        if not more.any():
            return torch.where(sure, 1.0, chances).float()
        sure |= more
