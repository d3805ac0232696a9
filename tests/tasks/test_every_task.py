"""What holds for every task that is registered."""

from __future__ import annotations

import torch

from actspec_bench.errors import Missing
from actspec_bench.problems.views import ScoringView
from actspec_bench.registry.entries import tasks


def test_instances_differ_by_seed_and_repeat_with_it() -> None:
    for entry in tasks:
        try:
            one, same, other = (entry.function(seed, **entry.resolve({})) for seed in (0, 0, 1))
        except Missing:
            continue
        for k in (0, 1, 3):
            assert one.problem.sample(k).shape == (k, one.problem.n)
        rows = one.problem.foreground
        assert torch.equal(rows, same.problem.foreground)
        views = [ScoringView(i.problem, 0) for i in (one, same)]
        assert torch.equal(views[0].value(rows), views[1].value(rows))
        if one.truth is not None:
            assert one.truth == same.truth
        if entry.name != "planted-nothing":
            assert one.facts != other.facts or one.truth != other.truth
