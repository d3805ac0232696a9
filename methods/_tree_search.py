"""Problem -> attribution by the Goldreich-Levin branch and bound.

The budget goes to an influence screen, one batch a level of the tree that all its nodes share,
and fresh draws of D that test what is left. Every query is kept for the joint refit.
"""

from __future__ import annotations

from itertools import combinations
from math import comb, sqrt
from typing import TYPE_CHECKING, Any

import torch
from actspec_bench.methods._queries import Queries, refitted, tested
from actspec_bench.methods._redundancy import distinct_units, predictability, varying_units
from torch import Tensor

from actspec_bench.attribution import Attribution, Subset
from actspec_bench.errors import NotApplicable
from actspec_bench.spectrum import characters, goldreich_levin_weights, membership

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from actspec_bench.problem import Problem

SCREEN_SHARE = 0.15
TEST_SHARE = 0.25
SCREEN_FLIPS = (2, 64)
NOISE_REPEATS = 16
SCREEN_LEVEL = 0.05
SCREEN_ROUNDING = 1e-5
COMPLETIONS = 16
LEAST_RESTRICTIONS = 2
REDUNDANCY_DRAWS = 4096
SCAN_ORDER = 3
SCAN_SUBSETS = 100_000


def search(
    problem: Problem,
    *,
    tau: float | None,
    gamma: float,
    delta: float,
    max_branch: int,
    fdr: float,
) -> Attribution:
    """Find the large, non-redundant coefficients of ``problem``; see the method's docstring."""
    pool = problem.sample(REDUNDANCY_DRAWS)
    draws = problem.pattern(pool)
    units = varying_units(draws, gamma)
    info: dict[str, Any] = {"units_varying": len(units)}
    queries = Queries(problem)
    if not units:
        info["reason"] = "every unit is nearly constant under the problem's distribution"
        return Attribution.from_subsets({}, n=problem.n, info=info)
    if problem.any_pattern:
        budget = problem.remaining
        influence = _influence(queries, units, pool, int(SCREEN_SHARE * budget))
        units = sorted(influence, key=lambda unit: -influence[unit])
        info["units_influential"] = len(units)
        units = distinct_units(draws, units, gamma)
        rows = problem.remaining - int(TEST_SHARE * budget)
        affordable = rows // (COMPLETIONS * LEAST_RESTRICTIONS)
        info["units_beyond_budget"] = max(len(units) - affordable, 0)
        units = units[:affordable]
        info["units_searched"] = len(units)
        candidates, info["tau"] = _branch(queries, units, rows, tau, max_branch)
        fresh = problem.sample(problem.remaining)
    else:
        units = distinct_units(draws, units, gamma)
        info["units_searched"] = len(units)
        given = problem.foreground
        given = given[torch.randperm(len(given), generator=problem.generator)][: problem.remaining]
        first = given[: len(given) // 2]
        values = queries.ask(first, len(first)) if len(first) else torch.zeros(0)
        candidates = _scan(problem.pattern(first), values, units, max_branch)
        fresh = given[len(first) :]
    subsets = tested(queries, fresh, candidates, fdr)
    subsets = [s for s in subsets if len(s) < 2 or predictability(draws, s) <= delta]
    return refitted(queries, subsets, tau, info)


def _influence(queries: Queries, units: list[int], pool: Tensor, rows: int) -> dict[int, float]:
    """Mean squared change of the value when one unit's state is flipped, for units that matter.

    Base rows mix two draws of D unit by unit, as the tree's rows do, since on real rows alone
    a robust network's decision hardly ever hangs on one unit. The flipped unit takes its value
    from a row of ``pool`` that has it in the other state. Base rows asked twice tell the noise;
    a unit stays if its changes exceed the noise's by an F test.
    """
    from scipy.stats import f

    problem = queries.problem
    flips = max(min(rows // (len(units) + 1), SCREEN_FLIPS[1]), SCREEN_FLIPS[0])
    repeats = max(NOISE_REPEATS, flips)
    needed = flips * len(units) + 2 * repeats
    if needed > problem.remaining:
        raise NotApplicable(
            f"the influence screen of {len(units)} units needs at least {needed:,} rows and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    coin = torch.rand(repeats, problem.n, generator=problem.generator) < 0.5
    base = torch.where(coin, problem.sample(repeats), problem.sample(repeats))
    first = queries.next_group
    clean = queries.ask(base, repeats)
    noise = (queries.ask(base, repeats, first=first) - clean).square().mean()
    on = problem.pattern(pool)[:, units] > 0
    base, clean = base[:flips], clean[:flips]
    base_on = problem.pattern(base)[:, units] > 0
    flipped = base[:, None, :].repeat(1, len(units), 1)
    for column, unit in enumerate(units):
        for state in (False, True):
            rows_here = torch.nonzero(base_on[:, column] == state)[:, 0]
            donors = torch.nonzero(on[:, column] != state)[:, 0]
            pick = torch.randint(len(donors), (len(rows_here),), generator=problem.generator)
            flipped[rows_here, column, unit] = pool[donors[pick], unit]
    flipped = flipped.reshape(-1, problem.n)
    changed = queries.ask(flipped, flips, first=first).reshape(flips, len(units))
    influence = (changed - clean[:, None]).square().mean(0)
    # Batches of other sizes round in another way, which is no influence.
    rounding = SCREEN_ROUNDING**2 * float(clean.square().mean())
    threshold = max(float(noise) * f.isf(SCREEN_LEVEL, flips, repeats), rounding)
    return {
        unit: float(value)
        for unit, value in zip(units, influence, strict=True)
        if value > threshold
    }


def _branch(
    queries: Queries, units: list[int], rows: int, tau: float | None, max_branch: int
) -> tuple[list[Subset], float | None]:
    """Decide ``units`` one a level and return the nodes left, heaviest first, and tau used."""
    if not units:
        return [], tau
    problem = queries.problem
    restrictions = rows // (len(units) * COMPLETIONS)
    centre = torch.cat(queries.values).mean()
    nodes: Bool[Tensor, "nodes k"] = torch.zeros(1, 0, dtype=torch.bool)
    weights: Float[Tensor, " nodes"] = torch.ones(1)
    for depth in range(1, len(units) + 1):
        prefix = units[:depth]
        z = problem.sample(restrictions)
        x = z.repeat_interleave(COMPLETIONS, dim=0)
        x[:, prefix] = problem.sample(len(x))[:, prefix]
        values = queries.ask(x, restrictions).reshape(restrictions, COMPLETIONS) - centre
        pattern = problem.pattern(x)[:, prefix].reshape(restrictions, COMPLETIONS, depth)
        without = torch.cat([nodes, torch.zeros(len(nodes), 1, dtype=torch.bool)], dim=1)
        within = torch.cat([nodes, torch.ones(len(nodes), 1, dtype=torch.bool)], dim=1)
        nodes = torch.cat([without, within])
        weights, errors = goldreich_levin_weights(values, pattern, nodes)
        if tau is None:
            pairs = COMPLETIONS * (COMPLETIONS - 1) * restrictions
            bound = float(values.var()) * sqrt(2 / pairs)
        else:
            bound = tau**2 / 2
        heaviest = weights.argsort(descending=True)[:max_branch]
        kept = heaviest[(weights + errors)[heaviest] > bound]
        nodes, weights = nodes[kept], weights[kept]
        if not len(nodes):
            break
    found = [tuple(sorted(units[i] for i in torch.nonzero(node)[:, 0].tolist())) for node in nodes]
    return [subset for subset in found if subset], sqrt(2 * bound) if tau is None else tau


def _scan(
    pattern: Float[Tensor, "rows n"], values: Float[Tensor, " rows"], units: list[int], most: int
) -> list[Subset]:
    """Subsets of up to three units that correlate most with given values, strongest first.

    Serves given samples, where no restriction can be completed twice; the largest order is the
    one whose subsets number at most 100,000.
    """
    if not len(values):
        return []
    centred = values - values.mean()
    found: list[tuple[float, Subset]] = []
    total = 0
    for order in range(1, SCAN_ORDER + 1):
        total += comb(len(units), order)
        if total > SCAN_SUBSETS:
            break
        subsets = list(combinations(sorted(units), order))
        for start in range(0, len(subsets), 4096):
            part = subsets[start : start + 4096]
            chi = characters(pattern, membership(part, pattern.shape[1]))
            strength = (centred @ chi).abs() / len(values)
            found += zip(strength.tolist(), part, strict=True)
        found = sorted(found, key=lambda item: (-item[0], item[1]))[:most]
    return [subset for _, subset in found]
