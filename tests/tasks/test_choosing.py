"""Which inputs are enumerated, against margins whose share of changed patterns is counted out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.tasks.enumeration.choosing import (
    drawn_margins,
    enumerated_margins,
    in_turn,
    searched,
)
from actspec_bench.tasks.enumeration.truth import enumeration


def changing(count: int, n: int, rows: list[int] | None = None) -> Callable[[Tensor], Tensor]:
    """Margin that is negative in ``count`` of the 2^n patterns, scattered; notes rows asked."""

    def margin(x: Tensor) -> Tensor:
        if rows is not None:
            rows.append(len(x))
        number = (x < 0).long() @ 2 ** torch.arange(n)
        # Times an odd number is one to one modulo 2^n.
        return (number * 1_103_515_245 % 2**n - count).float() + 0.5

    return margin


@pytest.mark.parametrize(
    ("n", "count", "serves"),
    [
        (10, 102, False),
        (10, 103, True),
        (10, 921, True),
        (10, 922, False),
        # Above 1,024 patterns, where random ones are looked at first.
        (12, 409, False),
        (12, 410, True),
        (12, 3686, True),
        (12, 3687, False),
    ],
)
def test_a_tenth_of_the_patterns_must_change_the_decision_and_a_tenth_keep_it(
    n: int, count: int, serves: bool
) -> None:
    margin = changing(count, n)
    everything = margin(all_patterns(n))
    assert int((everything < 0).sum()) == count
    found = enumerated_margins(margin, n)
    if serves:
        assert found is not None
        assert torch.equal(found, everything)
    else:
        assert found is None


@pytest.mark.parametrize("share", [0.0, 0.02, 0.98, 1.0])
def test_an_input_far_from_a_tenth_is_not_enumerated(share: float) -> None:
    rows: list[int] = []
    assert enumerated_margins(changing(round(share * 2**14), 14, rows), 14) is None
    assert sum(rows) == 1024


def test_the_first_input_that_serves_is_taken_and_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    counts = {5: 0, 3: 20, 8: 64, 1: 128}
    tried: list[int] = []

    def margin_of(position: int) -> Callable[[Tensor], Tensor]:
        tried.append(position)
        return changing(counts[position], units(position))

    def units(position: int) -> int:
        return 9 if position == 8 else 8

    for _ in range(2):
        position, margins = searched("toy", lambda: list(counts), margin_of, units, {"about": 1})
        assert position == 8
        assert torch.equal(margins, changing(64, 9)(all_patterns(9)))
        assert tried == [5, 3, 8]
    assert searched("toy", lambda: [1, 8], margin_of, units, {"about": 2})[0] == 1
    with pytest.raises(RuntimeError, match="no input's decision changes in a tenth"):
        searched("toy", lambda: [5, 3], margin_of, units, {"about": 3})


@pytest.mark.parametrize(
    ("readout", "asked", "spectrum"),
    [
        ("margin", 1, {(0,): 1, (1,): 1, (3,): 1}),
        ("margin", 4, {(0,): 1, (1,): 1, (3,): 1, (2,): 0.5}),
        # The majority of three (O'Donnell 2014, chapter 2): the fourth unit never decides.
        ("decision", 2, {(0,): 0.5, (1,): 0.5, (3,): 0.5, (0, 1, 3): -0.5}),
    ],
)
def test_subsets_tied_with_the_last_one_asked_for_are_true_and_counted(
    readout: str, asked: int, spectrum: dict
) -> None:
    margins = all_patterns(4) @ torch.tensor([1, 1, 0.5, 1])
    found = enumeration(margins, readout=readout, subsets=asked)
    assert dict(found.truth.spectrum) == pytest.approx(spectrum)
    assert found.facts["true_subsets"] == len(spectrum)
    # Boards tell means of floats alone.
    assert isinstance(found.facts["true_subsets"], float)
    assert found.facts["decision_changes"] == 0.5
    assert found.facts["energy_by_order_decision"] == pytest.approx([0.75, 0, 0.25, 0])
    assert found.facts["energy_by_order_margin"] == pytest.approx([1, 0, 0, 0])


def test_margins_of_drawn_patterns_are_kept_if_enough_of_them_change_the_decision() -> None:
    weights = torch.linspace(-1, 1, 40)
    found = drawn_margins(lambda x: x @ weights, 40)
    assert found is not None
    assert len(found) == 256
    assert found.std().item() == pytest.approx(weights.norm().item(), rel=0.2)
    assert drawn_margins(lambda x: 8 + x @ weights, 40) is None
    assert drawn_margins(lambda x: -8 + x @ weights, 40) is None


def test_turns_start_apart_and_go_through_everything() -> None:
    inputs = list(range(100, 160))
    lists = [in_turn(inputs, turn) for turn in range(20)]
    assert all(sorted(one) == inputs for one in lists)
    assert len({one[0] for one in lists}) == 20
    start = [lists[0].index(one[0]) for one in lists[:5]]
    assert start == [int(60 * (turn * 0.6180339887 % 1)) for turn in range(5)]
