"""What tests need to make problems and attributions and to score them."""

from __future__ import annotations

import numpy as np
import torch

from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.metrics.outcome import Costs, Outcome
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.truth import Truth
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.registry.entries import metrics, tasks
from actspec_bench.registry.specs import Spec

NO_COSTS = Costs(0, 0, 0.0, 0.0, None)
# A small function that methods find whole.
TERMS = {(0, 3): 1.0, (1,): -0.75, (2, 4, 5): 0.5}
LONG_TERMS = TERMS | {tuple(range(8)): 0.6}


def outcome(
    problem: Problem, attribution: Attribution, truth: Truth | None = None, seed: int = 0
) -> Outcome:
    return Outcome(attribution, problem, truth, NO_COSTS, seed)


def score(name: str, scored: Outcome) -> float:
    return float(metrics[name].function(scored))


def parity_sum(terms: dict[tuple[int, ...], float], n: int, *, readout: str = "margin") -> Problem:
    def margin(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(x))
        for subset, coefficient in terms.items():
            total = total + coefficient * x[:, list(subset)].prod(1)
        return total

    return Problem.from_function(margin, n, readout=readout)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def built(text: str, seed: int = 0) -> Instance:
    """Instance of a task, from a text such as ``"planted-parity[n=12]"``."""
    spec = Spec.parse(text, tasks)
    made: Instance = tasks[spec.name].function(seed, **spec.parameters)
    return made


def planted(text: str, seed: int, budget: int):
    instance = built(text, seed)
    return restarted(instance.problem, budget=budget, seed=seed), instance.truth


def random_patterns(rows: int, n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], (rows, n))).float()


def rows_of(subsets, n: int) -> np.ndarray:
    """Subsets as rows of zeros and ones."""
    out = np.zeros((len(subsets), n), np.uint8)
    for row, subset in zip(out, subsets, strict=True):
        row[list(subset)] = 1
    return out


def full_spectrum(instance) -> dict[tuple[int, ...], float]:
    """All coefficients above rounding, by enumeration of the noise-free function."""
    view = ScoringView(instance.problem, 0)
    coefficients = walsh_hadamard(view.value(all_patterns(view.n)))
    return {
        tuple(i for i in range(view.n) if position >> i & 1): value
        for position, value in enumerate(coefficients.tolist())
        if position and abs(value) > 1e-6
    }
