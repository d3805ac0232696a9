"""Problem -> attribution by the paper's own rule: thinned in the order given, one unit a level.

Reing, Ver Steeg & Galstyan 2025 (arXiv:2501.15435).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from actspec_bench.errors import NotApplicable
from actspec_bench.fourier.energy import Z_95
from actspec_bench.fourier.spectrum import characters, goldreich_levin_weights, membership
from actspec_bench.methods.actspec.redundancy import (
    REDUNDANCY_DRAWS,
    distinct_units,
    predictability,
    varying_units,
)
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

    Nodes = Bool[Tensor, "nodes units"]
    Pattern = Float[Tensor, "draws n"]

LEAST_PAIRS = 30
MOST_DRAWS = 16_384
NEARLY_CONSTANT, LIKE_ONE_KEPT = "nearly constant", "like one that is kept"


@dataclass(frozen=True)
class Rule:
    """What the rule is told: see the method `actspec-paper`."""

    pairs: int
    tau: float
    gamma: float
    delta: float
    max_branch: int

    @property
    def bound(self) -> float:
        """Weight that a node must exceed."""
        return self.tau**2 / 2


def search_by_the_paper(problem: Problem, rule: Rule) -> Attribution:
    """Find the large coefficients of ``problem`` by the paper's rule; see `actspec-paper`."""
    rows = problem.rows
    pattern = problem.pattern(problem.sample(REDUNDANCY_DRAWS) if rows is None else rows)
    varying = varying_units(pattern, rule.gamma)
    units = distinct_units(pattern, varying, rule.gamma)
    info: dict[str, Any] = {
        "units_kept": units,
        "units_left_out": {
            NEARLY_CONSTANT: [u for u in range(problem.n) if u not in set(varying)],
            LIKE_ONE_KEPT: [u for u in varying if u not in set(units)],
        },
    }
    if not units:
        info["reason"] = "every unit is nearly constant under the problem's distribution"
        return Attribution.from_subsets({}, n=problem.n, info=info)
    info["pairs"] = pairs = _affordable(problem, len(units), rule.pairs)
    if pairs < rule.pairs:
        info["pairs_reason"] = (
            f"the budget of {problem.budget:,} rows has {pairs:,} pairs a level and not "
            f"{rule.pairs:,}, for which {_rows(len(units), rule.pairs):,} rows are needed"
        )
    # Evenly over a data set, which may be in some order.
    draws = pattern[:: -(-len(pattern) // REDUNDANCY_DRAWS)]
    subsets = _walk(problem, units, pairs, rule, draws, info)
    return _estimated(problem, subsets, info)


def _rows(levels: int, pairs: int) -> int:
    """Rows of all levels, two a pair, and of the estimate, which has as many or more."""
    return 2 * pairs * (levels + 1)


def _affordable(problem: Problem, levels: int, most: int) -> int:
    """Pairs a level that the budget has."""
    least = min(most, LEAST_PAIRS)
    pairs = min(most, problem.remaining // _rows(levels, 1))
    if pairs < least:
        raise NotApplicable(
            f"{levels} units are left after thinning and each has a level of its own: give a "
            f"budget of {_rows(levels, most):,} rows for {most:,} pairs a level, or of at least "
            f"{_rows(levels, least):,} for {least}; {problem.remaining:,} remain"
        )
    return pairs


def _walk(
    problem: Problem,
    units: list[int],
    pairs: int,
    rule: Rule,
    draws: Pattern,
    info: dict[str, Any],
) -> list[Subset]:
    """Subsets left when the last unit was decided, heaviest first; ``info`` is told the course."""
    nodes: Nodes = torch.zeros(1, 0, dtype=torch.bool)
    # A level's prefix ends where the next unit begins: a thinned unit goes with its place.
    ends = [*units[1:], problem.n]
    info.update(levels=0, nodes_redundant=0, nodes_beyond_width=0)
    for depth, end in enumerate(ends):
        values, pattern = _asked(problem, units[: depth + 1], end, pairs)
        without = torch.nn.functional.pad(nodes, (0, 1))
        extensions = torch.zeros(2, depth + 1, dtype=torch.bool)
        extensions[1, depth] = True
        weights, _ = goldreich_levin_weights(values, pattern, without, extensions)
        # Row-major over nodes and extensions: each node without the unit, then with it.
        grown = (without[:, None] | extensions).flatten(0, 1)
        heavy = weights.argsort(descending=True, stable=True)
        heavy = heavy[weights[heavy] > rule.bound]
        kept: list[int] = []
        for position, place in enumerate(heavy.tolist()):
            if len(kept) == rule.max_branch:
                info["nodes_beyond_width"] += len(heavy) - position
                break
            # Nodes without the unit were judged on the level that gave them their last unit.
            if grown[place, depth] and _redundant(draws, _subset(units, grown[place]), rule.delta):
                info["nodes_redundant"] += 1
            else:
                kept.append(place)
        nodes = grown[kept]
        info["levels"] = depth + 1
        if not len(nodes):
            break
    if not nodes.any():
        left = "only the empty set" if len(nodes) else "no node"
        info["reason"] = (
            f"{left} is left after level {info['levels']} of {len(units)}: the others weigh "
            f"tau^2/2 = {rule.bound:g} or less, by {pairs:,} pairs, or are redundant "
            f"({info['nodes_redundant']} of all levels)"
        )
    return [subset for node in nodes if (subset := _subset(units, node))]


def _asked(
    problem: Problem, decided: list[int], end: int, pairs: int
) -> tuple[Float[Tensor, "pairs two"], Float[Tensor, "pairs two units"]]:
    """Values of a level's queries, and the patterns of the units decided.

    The two rows of a pair have the units before ``end`` from draws of their own and the others
    from one that they share.
    """
    x = problem.sample(2 * pairs)
    x[:, end:] = problem.sample(pairs)[:, end:].repeat_interleave(2, dim=0)
    values = problem.value(x).reshape(pairs, 2)
    return values, problem.pattern(x)[:, decided].reshape(pairs, 2, len(decided))


def _redundant(draws: Pattern, subset: Subset, delta: float) -> bool:
    return len(subset) > 1 and predictability(draws, subset) > delta


def _subset(units: list[int], node: Bool[Tensor, " units"]) -> Subset:
    return tuple(units[i] for i in torch.nonzero(node)[:, 0].tolist())


def _estimated(problem: Problem, subsets: list[Subset], info: dict[str, Any]) -> Attribution:
    """Report ``subsets`` with the means of f chi_S over fresh draws of D, and their intervals."""
    if not subsets:
        return Attribution.from_subsets({}, n=problem.n, info=info)
    info["draws"] = min(problem.remaining, MOST_DRAWS)
    x = problem.sample(info["draws"])
    products = problem.value(x)[:, None] * characters(
        problem.pattern(x), membership(subsets, problem.n)
    )
    means = products.double().mean(0)
    halves = Z_95 * products.double().std(0) / len(x) ** 0.5
    found = Attribution.from_subsets(
        dict(zip(subsets, means.tolist(), strict=True)), n=problem.n, info=info
    )
    half = dict(zip(subsets, halves.tolist(), strict=True))
    info["intervals_95"] = [[c - half[s], c + half[s]] for s, c in found.as_dict().items()]
    return found
