"""Subsets of few units that stand out, against all of them one by one."""

from __future__ import annotations

from itertools import combinations

import torch
from scoring import parity_sum, random_patterns

from actspec_bench.methods.actspec.loworder import further, low_order
from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.problems.views import restarted


def test_the_strongest_are_those_of_a_look_at_every_subset() -> None:
    pattern = random_patterns(300, 12, seed=1)
    values = torch.randn(300, generator=torch.Generator().manual_seed(1)) + pattern[
        :, [1, 4, 7]
    ].prod(1)
    units = [1, 2, 4, 7, 8, 11]
    found, looked_at = low_order(pattern, values, units, 9)
    order = max(map(len, found))
    subsets = [s for k in range(1, len(units) + 1) for s in combinations(units, k)]
    subsets = subsets[:looked_at]
    assert max(map(len, subsets)) >= order >= 3
    strength = {s: abs(float(values @ pattern[:, list(s)].prod(1))) for s in subsets}
    assert found == sorted(subsets, key=lambda s: -strength[s])[:9]
    assert found[0] == (1, 4, 7)


def test_one_unit_and_no_subset_beyond_it() -> None:
    pattern = random_patterns(20, 3)
    assert low_order(pattern, pattern[:, 1], [1], 5) == ([(1,)], 1)


def test_many_weak_subsets_are_found_and_hardly_any_that_is_none() -> None:
    pairs = list(combinations(range(20), 2))[::2]
    terms = {pair: 1.0 - 0.004 * i for i, pair in enumerate(pairs)}
    problem = restarted(parity_sum(terms, 32), budget=4000, seed=0)
    queries = Queries(problem)
    queries.ask_drawn(problem.sample(4000))
    found = further(queries, [pairs[0]], list(range(32)), 0.05)
    assert found[0] == pairs[0]
    assert len(set(pairs) & set(found)) >= 0.97 * len(pairs)  # 2% of the energy is not looked for
    assert len(found) <= len(pairs) * 1.1
    nothing = restarted(parity_sum(terms, 32), budget=4000, seed=0)
    queries = Queries(nothing)
    queries.ask_drawn(nothing.sample(4000))
    assert further(queries, pairs, list(range(32)), 0.05) == pairs
