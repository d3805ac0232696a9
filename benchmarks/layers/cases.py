"""Seed -> case: an instance to explain and, for some, rows that nobody saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from actspec_bench import Problem
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.truth import Truth
from benchmarks.instances import instance_of

__all__ = ["Case", "shared_twins", "task_case", "twin_terms"]

PAIRS, SETS, ORDER = 16, 3, 3
AGREEMENT, NOISE = 0.8, 0.05
LOW, HIGH = 0.5, 1.5


@dataclass(frozen=True, eq=False)
class Case:
    """What is explained.

    Attributes
    ----------
    instance
        The problem, with its truth if there is one.
    fresh
        (rows, n) units of inputs that no method gets; None where there are none.
    """

    instance: Instance
    fresh: Tensor | None = None


def task_case(task: str, given_rows: int, seed: int) -> Case:
    """Case of a registered task, as on a command line; of ``given_rows`` draws alone if not 0."""
    return Case(instance_of(task, seed, given_rows))


def twin_terms(rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Three sets of three units, each after the first with a twin of one before it.

    Unit i and unit i + 16 are twins. A set's other units are of pairs that no set has yet.
    """
    pairs = rng.permutation(PAIRS).tolist()
    sets: list[tuple[int, ...]] = []
    for _ in range(SETS):
        shared = []
        if sets:
            free = [u for s in sets for u in s if not any(_twin(u) in other for other in sets)]
            shared = [_twin(int(rng.choice(free)))]
        fresh = [pairs.pop() + PAIRS * int(rng.integers(2)) for _ in range(ORDER - len(shared))]
        sets.append(tuple(sorted([*shared, *fresh])))
    return sets


def _twin(unit: int) -> int:
    return (unit + PAIRS) % (2 * PAIRS)


def shared_twins(rows: int, seed: int) -> Case:
    """Given rows of a sum of parities whose sets hold twins of each other's units.

    32 fair coins in 16 pairs that agree with probability 0.8; coefficients of fair sign in
    [0.5, 1.5], and noise of 5% of the signal's standard deviation.
    """
    rng = np.random.default_rng(seed)
    sets = twin_terms(rng)
    coefficients = rng.uniform(LOW, HIGH, SETS) * rng.choice([-1.0, 1.0], SETS)
    first = rng.choice([-1.0, 1.0], (rows, PAIRS))
    second = first * np.where(rng.random((rows, PAIRS)) < AGREEMENT, 1.0, -1.0)
    x = np.concatenate([first, second], axis=1)
    y = _parities(x, sets) @ coefficients
    y += NOISE * float(np.linalg.norm(coefficients)) * rng.standard_normal(rows)
    problem = Problem.from_samples(torch.from_numpy(x), torch.from_numpy(y), seed=seed)
    spectrum = dict(zip(sets, coefficients.tolist(), strict=True))
    return Case(Instance(problem, Truth(spectrum, 2 * PAIRS)))


def _parities(x: np.ndarray, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
    return np.stack([x[:, list(s)].prod(1) for s in sets], axis=1)
