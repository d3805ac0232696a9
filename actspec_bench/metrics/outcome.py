"""Attribution -> metrics: what a metric is given to score one cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.errors import Undefined
from actspec_bench.seeds import seed_from

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem
    from actspec_bench.problems.truth import Truth
    from actspec_bench.problems.views import ScoringView

__all__ = ["Costs", "Outcome"]


@dataclass(frozen=True)
class Costs:
    """What a method spent: rows, seconds of wall and CPU time, MiB above its start (or None)."""

    queries: int
    backward_queries: int
    seconds: float
    cpu_seconds: float
    peak_mib: float | None


@dataclass(frozen=True)
class Outcome:
    """One finished attribution with everything that scores need.

    Attributes
    ----------
    problem
        The problem that was explained. Metrics use `view`, never this.
    seed
        Depends on the task's instance only, so that all methods are scored on the same draws.
    """

    attribution: Attribution
    problem: Problem
    truth: Truth | None
    costs: Costs
    seed: int

    def view(self, stream: str) -> ScoringView:
        """Noise-free, unmetered view of the problem with draws of its own for ``stream``."""
        from actspec_bench.problems.views import ScoringView

        return ScoringView(self.problem, seed_from(self.seed, stream))

    def generator(self, stream: str) -> np.random.Generator:
        """Random numbers for ``stream``, the same for every method on this instance."""
        return np.random.default_rng(seed_from(self.seed, stream))

    def known_truth(self) -> Truth:
        """Return the truth, or raise `Undefined` if the task has none."""
        if self.truth is None:
            raise Undefined("the task has no known truth")
        return self.truth
