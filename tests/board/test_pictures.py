"""Pictures and facts of boards."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from boards import CARDS, record, results

from actspec_bench.board import render
from actspec_bench.board.facts import mean_facts
from actspec_bench.board.making import make_board
from actspec_bench.board.sweeps import Sweep, find_sweeps, scores_by_parameter
from actspec_bench.records.results import Results


@pytest.mark.parametrize("asked", [(1000, 1000), (1000, 1001), (1000, 2000)])
def test_points_that_share_their_rows_are_drawn_inside_the_panel(asked: tuple[int, int]) -> None:
    """A log axis as narrow as rounding errors would be drawn with warnings and no point."""
    made = [
        record("a", 0, 0.5, budget=budget, cell=f"{budget}", scores={"subset_f1": y, "queries": x})
        for budget, x, y in zip((1000, 2000), map(float, asked), (0.25, 0.75), strict=True)
    ]
    made.append(record("random", 0, 0.1, budget=2000, control=True, scores={"subset_f1": 0.1}))
    svg = "{http://www.w3.org/2000/svg}"
    picture = ET.fromstring(render(make_board(Results(made, [], CARDS)))["subsets.svg"])
    (panel,) = picture.findall(f".//{svg}clipPath/{svg}rect")
    left, top, width, height = (float(panel.get(name)) for name in ("x", "y", "width", "height"))
    drawn = [g for g in picture.iter(f"{svg}g") if "clip-path" in g.attrib and len(g) == 2]
    places = {(float(use.get("x")), float(use.get("y"))) for g in drawn for use in g}
    assert len(places) == 2
    for x, y in places:
        assert left < x < left + width
        assert top < y < top + height
    (one, _), (other, _) = places
    assert (abs(one - other) < 0.01 * width) == (asked != (1000, 2000))


def test_at_one_budget_methods_stand_line_by_line_and_controls_across() -> None:
    scores = {"good": [0.9, 0.8, 0.9, 0.8, 0.9], "bad": [0.1, 0.2, 0.1, 0.2, 0.1]}
    made = results(scores).records + results({"random": [0.0] * 5}, control=True).records
    picture = render(make_board(Results(made, [], CARDS)))["subsets.svg"]
    shown = re.findall(r">([^<>]+)</text>", picture)
    assert {"good", "bad", "random", "shares first place", "does not"} <= set(shown)
    assert "rows asked" not in picture


def swept(values: dict[str, dict[str, object]]) -> Results:
    made = [
        record(m, i, 0.5 + i / 10, task=task, task_parameters=parameters, cell=f"{task}{m}{i}")
        for task, parameters in values.items()
        for m in ("a", "b")
        for i in range(5)
    ]
    return Results(made, [], CARDS)


def test_a_sweep_is_three_variants_that_differ_in_one_number() -> None:
    board = make_board(
        swept(
            {
                "t[k=5]": {"k": 5, "readout": "margin"},
                "t": {"k": 3, "readout": "margin"},
                "t[k=1]": {"k": 1, "readout": "margin"},
                "t[readout=decision]": {"k": 3, "readout": "decision"},
                "t[k=2,readout=decision]": {"k": 2, "readout": "decision"},
            }
        )
    )
    (found,) = find_sweeps(board)
    assert found == Sweep("planted-parity", "k", (1, 3, 5), ("t[k=1]", "t", "t[k=5]"))
    picture = scores_by_parameter(board)
    assert picture is not None
    shown = set(re.findall(r">([^<>]+)</text>", picture))
    assert {"a", "b", "k", "subset_f1 ↑"} <= shown
    assert "sweeps.svg" in render(board)
    assert "](sweeps.svg)" in render(board)["leaderboard.md"]


def test_two_variants_are_no_sweep() -> None:
    board = make_board(swept({"t": {"k": 1, "on": True}, "t[k=2]": {"k": 2, "on": True}}))
    assert find_sweeps(board) == []
    assert scores_by_parameter(board) is None
    assert "sweeps.svg" not in render(board)


def test_facts_are_means_over_instances_and_whole_numbers_are_names() -> None:
    facts = [
        {"accuracy": 0.5, "digit": 3, "energy_by_order": [0.5, 0.5]},
        {"accuracy": 1.0, "digit": 4, "energy_by_order": [0.0, 1.0, 7.0], "only": 2.0, "x": ["a"]},
    ]
    made = [record(m, i, 0.1, facts=f, cell=f"{m}{i}") for m in "ab" for i, f in enumerate(facts)]
    made.append(record("c", 0, None, status="error", reason="no", facts={}))
    assert mean_facts(made) == {
        "planted-parity": {"accuracy": 0.75, "energy_by_order": [0.25, 0.75], "only": 2.0}
    }
    page = render(make_board(Results(made, [], CARDS)))
    line = "Means over instances: accuracy 75.0 %; energy by order 25.0 / 75.0 %; only 2."
    assert line in page["leaderboard.md"]
    assert line in page["leaderboard.html"]
    assert json.loads(page["leaderboard.json"])["facts"] == mean_facts(made)


@pytest.mark.parametrize(
    ("name", "fact", "text"),
    [
        (
            "energy_by_order_decision",
            [0.467, 0.191, 0.0451, 0.06, 0.0416, 0.01],
            "energy by order decision 46.7 / 19.1 / 4.5 / 6.0 / 4.2 ... %",
        ),
        ("energy_by_number_of_codes", [0.999, 0.001], "energy by number of codes 99.9 / 0.1 %"),
        ("decision_changes", 0.1234, "decision changes 12.3 %"),
        ("share_of_patterns", 0.98765, "share of patterns 98.8 %"),
        ("test_accuracy", 0.978, "test accuracy 97.8 %"),
        ("accuracy_interval_95", [0.991, 0.995], "accuracy interval 95 99.1 / 99.5 %"),
        ("largest_output_difference", 1.234567e-6, "largest output difference 1.235e-06"),
        ("true_subsets", 10.4, "true subsets 10.4"),
        ("sizes", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "sizes 1 / 2 / 3 / 4 / 5 ..."),
    ],
)
def test_shares_are_told_in_percent_and_a_sentence_has_one_full_stop(name, fact, text) -> None:
    page = render(make_board(results({"a": [0.5] * 5}, facts={name: fact})))
    (line,) = re.findall("Means over instances: (.*)", page["leaderboard.md"])
    assert line.removesuffix("." if text[-1] != "." else "") == text
    assert line.endswith(".")
