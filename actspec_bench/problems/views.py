"""Problem -> problem: the harness's own ways to look at a problem again.

They are no methods of `Problem`, since a method of attribution has no business with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.problems.meter import UNMETERED
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import decision
from actspec_bench.problems.source import Empirical

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["ScoredRows", "ScoringView", "resampled", "restarted"]


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows to estimate on, independent of each other, and the function there.

    Attributes
    ----------
    rows, margins, values
        (N, n) and twice (N,): the function before and after any sign is taken.
    of
        What they are: ``"held-out inputs"``; ``"inputs"`` that methods saw, where none were kept
        aside; or ``"fresh draws"`` where there is no data set.
    """

    rows: Float[Tensor, "rows n"]
    margins: Float[Tensor, " rows"]
    values: Float[Tensor, " rows"]
    of: str


def restarted(problem: Problem, *, budget: int, seed: int) -> Problem:
    """Return the same problem with an unused meter and the given seed."""
    return Problem(problem._source, budget=budget, seed=seed)


def resampled(problem: Problem, seed: int) -> Problem:
    """Return the problem over another sample of its inputs; as it is where D is no data set.

    As many inputs as there are, drawn with replacement (bootstrap; Efron 1979, Annals of
    Statistics 7:1): what a search finds in several of them varies as over data sets. Copies of one
    input stay one input, so that there are about 63% as many. Held-out inputs stay what they are.
    """
    source = problem._source
    if not isinstance(source.sampler, Empirical):
        return problem
    rows, values, inputs = source.sampler.rows, source.sampler.values, source.sampler.number
    chosen = torch.randint(
        0, len(rows), (len(rows),), generator=torch.Generator().manual_seed(seed)
    )
    sample = Empirical(rows[chosen], None if values is None else values[chosen], inputs[chosen])
    return Problem(replace(source, sampler=sample), budget=problem.budget, seed=seed)


class ScoringView(Problem):
    """Noise-free view of a problem with an unbounded budget and draws of its own, for metrics."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(replace(problem._source, noise=0.0), budget=UNMETERED, seed=seed)

    def sample_heldout(self, k: int) -> Float[Tensor, "rows n"]:
        """Draw ``k`` rows that methods could not have seen; from D if the task keeps none."""
        return (self._source.heldout or self._source.sampler)(k, self._draws)

    def scored_rows(self, most: int) -> ScoredRows:
        """Rows to estimate on: held-out inputs, each once, or else independent draws of D.

        Parameters
        ----------
        most
            How many; of a data set with fewer inputs, all of them.
        """
        source = self._source
        sampler = source.heldout or source.sampler
        own = None
        if isinstance(sampler, Empirical):
            of = "inputs" if source.heldout is None else "held-out inputs"
            order = torch.randperm(len(sampler.rows), generator=self._draws)
            chosen = order[:most].sort().values
            x = sampler.rows[chosen]
            own = None if sampler.values is None else sampler.values[chosen]
        else:
            of = "fresh draws"
            x = sampler(most, self._draws)
        if own is not None:
            return ScoredRows(x, own, own, of)
        with torch.no_grad():
            margins = self.margin(x)
        return ScoredRows(x, margins, self.read(margins), of)

    def read(self, margins: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Return the values that margins have: themselves, or their signs."""
        return margins if self.readout == "margin" else decision(margins)
