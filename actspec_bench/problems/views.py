"""Problem -> problem: the harness's own ways to look at a problem again.

They are no methods of `Problem`, since a method of attribution has no business with them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from actspec_bench.problems.meter import UNMETERED
from actspec_bench.problems.problem import Problem

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["ScoringView", "restarted"]


def restarted(problem: Problem, *, budget: int, seed: int) -> Problem:
    """Return the same problem with an unused meter and the given seed."""
    return Problem(problem._source, budget=budget, seed=seed)


class ScoringView(Problem):
    """Noise-free view of a problem with an unbounded budget and draws of its own, for metrics."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(replace(problem._source, noise=0.0), budget=UNMETERED, seed=seed)

    def sample_heldout(self, k: int) -> Float[Tensor, "rows n"]:
        """Draw ``k`` rows that methods could not have seen; from D if the task keeps none."""
        return (self._source.heldout or self._source.sampler)(k, self._draws)
