"""What a metric is given."""

from __future__ import annotations

import numpy as np
import torch
from scoring import outcome, parity_sum

from actspec_bench import Attribution


def test_metrics_draw_apart_and_alike_for_all_methods() -> None:
    problem = parity_sum({(0,): 1.0}, 12)
    one = outcome(problem, Attribution.from_units(np.ones(12)))
    two = outcome(problem, Attribution.from_units(np.zeros(12)))
    assert torch.equal(one.view("a").sample(9), two.view("a").sample(9))
    assert not torch.equal(one.view("a").sample(9), one.view("b").sample(9))
