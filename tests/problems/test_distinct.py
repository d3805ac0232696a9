"""Which rows are one input: copies are, rows of few values that coincide are not."""

from __future__ import annotations

import pytest
import torch

from actspec_bench import Problem, attribute
from actspec_bench.problems.distinct import in_order_met, inputs_of, numbered
from actspec_bench.problems.views import resampled


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("kind", "copies"),
    [("normal", True), ("sparse", True), ("signs", False), ("levels", False), ("wide", False)],
)
def test_equal_rows_are_one_input_unless_they_coincide(kind: str, copies: bool) -> None:
    rows = {
        "normal": torch.randn(60, 5, generator=_generator()),
        "sparse": torch.relu(torch.randn(60, 5, generator=_generator()) - 0.5),
        "signs": torch.randint(0, 2, (60, 3), generator=_generator()) * 2.0 - 1,
        "levels": torch.randint(0, 3, (60, 3), generator=_generator()) * 1.0,
        "wide": torch.randint(0, 2, (60, 12), generator=_generator()) * 0.7 - 0.2,
    }[kind].repeat(3, 1)
    number = inputs_of(rows)
    expected = numbered(rows) if copies else torch.arange(180)
    assert torch.equal(number, expected)


def test_numbers_are_made_anew_in_the_order_met() -> None:
    assert in_order_met(torch.tensor([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]
    assert in_order_met(torch.zeros(0, dtype=torch.long)).tolist() == []


def test_a_parity_of_coins_that_all_rows_repeat_is_found() -> None:
    x = torch.randint(0, 2, (4000, 4), generator=_generator()) * 2.0 - 1
    found = attribute("actspec", Problem.from_samples(x, x[:, 0] * x[:, 1]))
    assert found.as_dict() == {(0, 1): pytest.approx(1.0)}
    assert found.info["inputs"] == 3000


def test_units_that_are_seldom_on_are_searched_over_rows_that_repeat() -> None:
    x = torch.where(torch.rand(4000, 10, generator=_generator()) < 0.05, 1.0, -1.0)
    found = attribute("actspec", Problem.from_samples(x, x[:, 2] + x[:, 4] * x[:, 5]))
    assert (2,) in found.subsets
    assert found.info["unexplained"][0] < 0.05


def test_labels_tell_which_rows_are_copies() -> None:
    """Noise of 100 observations, each given ten times: nothing is there, and is found if told."""
    false, note = 0, ""
    for seed in range(12):
        x = torch.randint(0, 2, (100, 16), generator=_generator(seed)) * 2.0 - 1
        y = torch.randn(100, generator=_generator(100 + seed))
        label = torch.arange(100).repeat(10)
        problem = Problem.from_samples(x.repeat(10, 1), y.repeat(10), inputs=label)
        false += bool(attribute("actspec", problem).subsets)
        note = Problem.from_samples(x.repeat(10, 1), y.repeat(10)).notes[0]
    assert false <= 2
    assert "each counts as an input of its own: if some are copies" in note
    with pytest.raises(ValueError, match=r"inputs must have shape \(4,\), a label a row, not \(3"):
        Problem.from_samples(torch.ones(4, 2), torch.ones(4), inputs=[1, 2, 3])


def test_a_bootstrap_sample_of_inputs_shares_nothing_between_folds() -> None:
    """Noise over on/off rows: copies that a sample holds must not both choose and test."""
    false = 0
    for seed in range(12):
        x = torch.randint(0, 2, (900, 8), generator=_generator(seed)) * 2.0 - 1
        problem = Problem.from_samples(x, torch.randn(900, generator=_generator(seed + 50)))
        again = resampled(problem, seed)
        inputs = again.input_of_row
        assert inputs is not None
        assert 0.6 < len(set(inputs.tolist())) / len(inputs) < 0.67
        false += bool(attribute("actspec", again).subsets)
    assert false <= 2
