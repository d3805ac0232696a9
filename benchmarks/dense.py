"""Functions whose energy is in many subsets: what searches find of it, and whether intervals cover.

``python -m benchmarks.dense`` runs methods on functions of 64 units whose every coefficient is
known: conjunctions, majorities, real juntas, decision trees and sums of many parities.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from tabulate import tabulate

from actspec_bench import Problem, attribute
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard

if TYPE_CHECKING:
    from torch import Tensor

    from actspec_bench.fourier import Subset

N = 64
FIRST_SEED = 300
# Rounding of shares.
SLACK = 1e-9
METHODS = ("actspec", "actspec-alias")
HEADER = (
    "method",
    "function",
    "rows",
    "reported",
    "energy",
    "covered",
    "of",
    "said unexplained",
    "share covered",
    "warned",
    "seconds",
)


@dataclass(frozen=True)
class Known:
    """A function of N units with its spectrum.

    Attributes
    ----------
    value
        (B, N) patterns -> (B,) values.
    spectrum
        Subset -> coefficient; all others are 0, and the empty one is left out.
    """

    value: Callable[[Tensor], Tensor]
    spectrum: dict[Subset, float]

    @property
    def variance(self) -> float:
        """By Parseval."""
        return sum(c**2 for c in self.spectrum.values())


def of_table(table: Tensor, units: list[int]) -> Known:
    """Junta: the value at pattern p of ``units``, which are ascending, is the table's."""
    weights = 2 ** torch.arange(len(units))
    coefficients = walsh_hadamard(table)
    spectrum = {
        tuple(u for i, u in enumerate(units) if place >> i & 1): c
        for place, c in enumerate(coefficients.tolist())
        if place and abs(c) > 1e-9
    }
    return Known(lambda x: table[((x[:, units] < 0) * weights).sum(1)].float(), spectrum)


def of_leaves(leaves: list[tuple[dict[int, int], float]]) -> Known:
    """Decision tree: each leaf has the state of every unit on its path, and a value."""
    spectrum: dict[Subset, float] = {}
    for path, value in leaves:
        units = sorted(path)
        for held in product((False, True), repeat=len(units)):
            subset = tuple(u for u, h in zip(units, held, strict=True) if h)
            sign = int(np.prod([path[u] for u in subset]))
            spectrum[subset] = spectrum.get(subset, 0.0) + value * sign / 2 ** len(units)
    spectrum.pop((), None)

    def value(x: Tensor) -> Tensor:
        total = torch.zeros(len(x))
        for path, at in leaves:
            units = list(path)
            total += at * (x[:, units] == torch.tensor([*path.values()])).all(1)
        return total

    return Known(value, {s: c for s, c in spectrum.items() if abs(c) > 1e-12})


def _units(rng: np.random.Generator, count: int) -> list[int]:
    return sorted(rng.choice(N, count, replace=False).tolist())


def conjunction(rng: np.random.Generator, count: int) -> Known:
    """AND of literals: +1 at one pattern of 2^count, else -1; the OR is the same, negated."""
    table = -torch.ones(2**count)
    table[int(rng.integers(2**count))] = 1.0
    return of_table(table, _units(rng, count))


def majority(rng: np.random.Generator, count: int) -> Known:
    """Sign of the sum of an odd number of units."""
    return of_table(all_patterns(count).sum(1).sign(), _units(rng, count))


def junta(rng: np.random.Generator, count: int) -> Known:
    """Independent normal values, one a pattern."""
    return of_table(torch.from_numpy(rng.standard_normal(2**count)), _units(rng, count))


def tree(rng: np.random.Generator, depth: int) -> Known:
    """Full decision tree, a unit new to its path at every node, leaves of +1 and -1."""
    paths: list[dict[int, int]] = [{}]
    for _ in range(depth):
        grown = []
        for path in paths:
            unit = int(rng.choice([u for u in range(N) if u not in path]))
            grown += [path | {unit: 1}, path | {unit: -1}]
        paths = grown
    return of_leaves([(path, float(rng.choice([-1.0, 1.0]))) for path in paths])


def parities(rng: np.random.Generator, terms: int) -> Known:
    """Parities of one to four units with signed coefficients of size 0.5 to 1.5."""
    spectrum: dict[Subset, float] = {}
    while len(spectrum) < terms:
        subset = tuple(_units(rng, int(rng.integers(1, 5))))
        spectrum[subset] = float(rng.uniform(0.5, 1.5) * rng.choice([-1, 1]))
    members = torch.zeros(terms, N)
    for row, subset in zip(members, spectrum, strict=True):
        row[list(subset)] = 1
    coefficients = torch.tensor([*spectrum.values()])
    return Known(
        lambda x: (1 - 2 * torch.remainder((x < 0).float() @ members.T, 2)) @ coefficients,
        spectrum,
    )


FUNCTIONS: dict[str, Callable[[np.random.Generator], Known]] = {
    "and 7": partial(conjunction, count=7),
    "and 8": partial(conjunction, count=8),
    "and 10": partial(conjunction, count=10),
    "majority 9": partial(majority, count=9),
    "majority 15": partial(majority, count=15),
    "junta 6": partial(junta, count=6),
    "junta 8": partial(junta, count=8),
    "junta 12": partial(junta, count=12),
    "tree 4": partial(tree, depth=4),
    "tree 6": partial(tree, depth=6),
    "tree 8": partial(tree, depth=8),
    "parities 50": partial(parities, terms=50),
    "parities 200": partial(parities, terms=200),
}


@dataclass(frozen=True)
class Told:
    """What one run told, against what is true.

    Attributes
    ----------
    reported
        Number of subsets.
    energy
        Share of the variance that the reported coefficients explain.
    covered
        Of each reported subset, whether its interval holds its coefficient.
    unexplained, warns
        The share that the method says it did not explain, with its interval, and whether it warns.
    seconds
        Of the call.
    """

    reported: int
    energy: float
    covered: list[bool]
    unexplained: list[float] | None
    warns: bool
    seconds: float


def run(method: str, name: str, budget: int, seed: int, noise: float = 0.0) -> Told:
    """One run on the function ``name``, with noise of so many of its standard deviations."""
    known = FUNCTIONS[name](np.random.default_rng(seed))
    source = Problem.from_function(known.value, N, seed=seed)._source
    source = replace(source, noise=noise * known.variance**0.5)
    problem = Problem(source, budget=budget, seed=seed)
    began = time.perf_counter()
    found = attribute(method, problem)
    seconds = time.perf_counter() - began
    missed = sum((known.spectrum.get(s, 0.0) - c) ** 2 for s, c in found.as_dict().items())
    held = sum(known.spectrum.get(s, 0.0) ** 2 for s in found.subsets)
    intervals = found.info.get("intervals_95", [])
    return Told(
        len(found.subsets),
        (held - missed) / known.variance,
        [
            low <= known.spectrum.get(s, 0.0) <= high
            for s, (low, high) in zip(found.subsets, intervals, strict=True)
        ],
        found.info.get("unexplained"),
        bool(found.info.get("warnings")),
        seconds,
    )


def row(method: str, name: str, budget: int, runs: list[Told]) -> list[str]:
    """What the runs of one method on one function tell, as a row under `HEADER`."""
    covered = [held for told in runs for held in told.covered]
    shares = [(told.unexplained, 1 - told.energy) for told in runs if told.unexplained]
    holds = [low - SLACK <= left <= high + SLACK for (_, low, high), left in shares]
    said = np.mean([share[0] for share, _ in shares]) if shares else np.nan
    return [
        method,
        name,
        f"{budget:,}",
        f"{np.mean([told.reported for told in runs]):.1f}",
        f"{np.mean([told.energy for told in runs]):.3f}",
        f"{np.mean(covered):.3f}" if covered else "-",
        f"{len(covered):,}",
        f"{said:.3f}",
        f"{np.mean(holds):.2f}" if holds else "-",
        f"{np.mean([told.warns for told in runs]):.2f}",
        f"{np.mean([told.seconds for told in runs]):.2f}",
    ]


@click.command()
@click.option("--methods", "-m", multiple=True, default=METHODS, show_default=True)
@click.option(
    "--functions",
    "-f",
    multiple=True,
    default=tuple(FUNCTIONS),
    type=click.Choice(tuple(FUNCTIONS)),
    help="All if not given.",
)
@click.option("--budgets", "-b", multiple=True, type=int, default=(10_000,), show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--noise", type=click.FloatRange(0), default=0.0, help="In standard deviations.")
def main(
    methods: tuple[str, ...],
    functions: tuple[str, ...],
    budgets: tuple[int, ...],
    seeds: int,
    noise: float,
) -> None:
    """Tell the energy found, the share of intervals that cover, and what is said unexplained."""
    torch.set_num_threads(1)
    span = range(FIRST_SEED, FIRST_SEED + seeds)
    rows = [
        row(method, name, budget, [run(method, name, budget, seed, noise) for seed in span])
        for method, name, budget in product(methods, functions, budgets)
    ]
    click.echo(tabulate(rows, HEADER, disable_numparse=True))


if __name__ == "__main__":
    main()
