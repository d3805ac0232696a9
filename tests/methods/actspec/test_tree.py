"""What the tree keeps level by level."""

from __future__ import annotations

import pytest
import torch
from scoring import parity_sum, planted

from actspec_bench import attribute
from actspec_bench.methods.actspec import tree
from actspec_bench.methods.actspec.queries import Queries
from actspec_bench.problems.views import restarted


def test_tau_comes_from_the_noise_of_the_weights_and_falls_with_the_budget() -> None:
    taus = []
    for budget in (3000, 12_000, 48_000):
        problem, _ = planted("planted-parity[n=16,noise=1.0]", 0, budget)
        taus.append(attribute("actspec", problem).info["tau"])
    assert taus[0] > taus[1] > taus[2] > 0.05
    assert taus[0] / taus[2] == pytest.approx(4, rel=0.35)  # the weights' noise falls as 1/rows


def test_a_level_keeps_at_most_max_branch_nodes() -> None:
    """Sixteen terms of one size, of which a walk that keeps three nodes can follow three."""
    terms = {(i, i + 16): 1.0 for i in range(16)}
    problem = restarted(parity_sum(terms, 32), budget=20_000, seed=0)
    queries = Queries(problem)
    levels = tree._levels(queries, list(range(32)), 16_000, 0)
    values = torch.cat(queries.values)
    few, _ = tree._walk(levels, list(range(32)), values, None, 3, None)
    many, _ = tree._walk(levels, list(range(32)), values, None, 128, None)
    assert 0 < len(few) <= 3
    assert set(terms) <= set(many)
    assert len(many) <= 128
