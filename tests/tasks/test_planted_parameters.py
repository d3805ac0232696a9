"""Parameters of planted functions: which go together, and what they say of the units."""

from __future__ import annotations

import pytest
import torch

from actspec_bench.errors import UsageError
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("planted-parity[n=sixty]", "'n' .* integer.* got 'sixty'"),
        ("planted-parity[n=4]", "n=4 units are too few, these parameters need 15"),
        ("planted-parity[overlap=3]", "overlap=3 must be below the smallest order"),
        ("planted-parity[low=3]", r"low=3.0 must not exceed high=1.5"),
        ("planted-parity[readout=decision,terms=20]", "at most 12 terms"),
        ("planted-parity[duplicates=40]", "duplicates=40 exceeds the 15"),
        ("planted-parity[orders=(0,)]", "'orders' .* greater than or equal to 1"),
        ("planted-parity[correlation=1]", "'correlation' .* less than 1"),
    ],
)
def test_parameters_that_do_not_fit_together_are_told_before_anything_runs(
    text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Spec.parse(text, tasks)


@pytest.mark.parametrize(
    ("text", "uniform"),
    [
        ({"n": 8}, True),
        ({"n": 8, "duplicates": 1, "terms": 1}, False),
        ({"n": 9, "correlation": 0.5, "terms": 1}, False),
    ],
)
def test_tasks_say_whether_their_units_are_fair_and_independent(text: dict, uniform: bool) -> None:
    problem = tasks["planted-parity"].function(0, **{"terms": 2} | text).problem
    assert problem.uniform == uniform
    correlations = torch.corrcoef(problem.sample(20_000).T).nan_to_num(1.0)
    largest = (correlations - torch.eye(problem.n)).abs().max()
    assert (largest < 0.05) == uniform
