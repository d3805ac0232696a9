"""Who is compared with whom: subsets with subsets, units with units, lifts by their names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from boards import CARDS, record, results

from actspec_bench.board import render
from actspec_bench.board.compare import compare
from actspec_bench.board.making import make_board
from actspec_bench.board.markdown import summary_table
from actspec_bench.errors import UsageError
from actspec_bench.records.results import Results, read_results

TOLD, CLUSTERS = "scores + sizes told", "scores + clusters"


def mixed() -> Results:
    """A finder of subsets, a scorer of units with two lifts, two controls, five instances."""
    made = []
    for i in range(5):
        units = {"units_metric": "unit_auroc", "returns": "units", "on": "margin"}
        subsets = {"units_metric": "unit_auroc", "on": "value"}
        lifted = {
            "sizes told": {"scores": {"subset_f1": 1.0}, "told": True},
            "clusters": {"scores": {"subset_f1": 0.4 + i / 100}},
        }
        made += [
            record("finds", i, 0.8, **subsets, scores={"subset_f1": 0.8, "unit_auroc": 0.7}),
            record("misses", i, 0.1, **subsets, scores={"subset_f1": 0.1, "unit_auroc": 0.6}),
            record(
                "scores", i, None, **units, lifted=lifted,
                scores={"unit_auroc": 0.9, "queries": 7.0},
                missing={"subset_f1": "it scores units"},
            ),
            record(
                "flat", i, 0.2, **units | {"on": ""}, control=True,
                scores={"subset_f1": 0.2, "unit_auroc": 0.5},
            ),
        ]  # fmt: skip
    return Results(made, [], CARDS)


def tracks(found: Results):
    return {track.name: track for track in make_board(found).tracks}


def test_scorers_of_units_stand_among_subsets_by_their_lifts_alone() -> None:
    found = tracks(mixed())
    rows = {name: {key[1] for key in track.groups} for name, track in found.items()}
    assert rows["units"] == {"finds", "misses", "scores", "flat"}
    assert rows["subsets"] == {"finds", "misses", TOLD, CLUSTERS, "flat"}


def test_each_track_ranks_by_its_own_metric_and_what_is_told_is_not_ranked() -> None:
    found = tracks(mixed())
    ranks = {
        name: {key[1]: group.rank for key, group in track.groups.items()}
        for name, track in found.items()
    }
    assert ranks["units"] == {"scores": 1, "finds": 2, "misses": 3, "flat": None}
    assert ranks["subsets"] == {"finds": 1, CLUSTERS: 2, "misses": 3, TOLD: None, "flat": None}
    group = found["subsets"].groups["planted-parity", TOLD, 100]
    assert (group.main.mean, group.told, group.on) == (1.0, True, "margin")
    assert group.entries["queries"].mean == 7
    assert [s.method for s in found["subsets"].standings[100]][-2:] == [TOLD, "flat"]


def test_columns_of_a_track_answer_its_question() -> None:
    found = tracks(mixed())
    assert {"subset_f1", "surrogate_r2", "queries"} <= set(found["subsets"].columns)
    assert {"unit_auroc", "insertion_auc", "queries"} <= set(found["units"].columns)
    asked = {name: {c for c in track.columns if CARDS[c].track} for name, track in found.items()}
    assert not asked["subsets"] & asked["units"]


def test_where_one_row_alone_could_be_ranked_none_is() -> None:
    alone = make_board(results({"a": [0.5] * 5}))
    (track,) = alone.tracks
    assert track.groups["planted-parity", "a", 100].rank is None
    assert track.ranking == {100: []}
    assert track.standings[100][0].mean_rank is None
    assert "**" not in render(alone)["leaderboard.md"].partition("| a ")[2]


def test_a_failed_cell_of_a_scorer_counts_in_each_of_its_rows() -> None:
    made = mixed()
    last = max(i for i, r in enumerate(made.records) if r.method == "scores")
    fields = {"status": "timeout", "reason": "slow", "scores": {}, "lifted": {}}
    made.records[last] = made.records[last].model_copy(update=fields)
    found = tracks(made)
    for track, row in (("units", "scores"), ("subsets", TOLD), ("subsets", CLUSTERS)):
        group = found[track].groups["planted-parity", row, 100]
        assert (group.ok, group.failed, group.planned, group.rank) == (4, 1, 5, None)


def test_cells_that_are_due_count_in_each_row() -> None:
    made = mixed()
    due = {"task": "planted-parity", "instance": 5, "budget": 100, "scores_units": True}
    cells = [due | {"method": "scores"}, due | {"method": "new"}]
    found = tracks(Results(made.records, cells, CARDS))
    assert found["units"].groups["planted-parity", "scores", 100].planned == 6
    assert found["subsets"].groups["planted-parity", CLUSTERS, 100].planned == 6
    assert found["subsets"].groups["planted-parity", TOLD, 100].planned == 6
    rows = {key[1] for key in found["subsets"].groups}
    assert {"new + clusters", "new + sizes told"} <= rows
    assert not {"scores", "new"} & rows


def test_a_task_with_nothing_to_ask_of_units_is_not_on_that_track() -> None:
    found = tracks(results({"a": [0.5] * 5, "b": [0.4] * 5}))
    assert set(found) == {"subsets"}


def test_every_format_shows_both_tracks() -> None:
    board = make_board(mixed())
    texts = render(board)
    assert {"subsets.svg", "units.svg"} <= set(texts)
    for name in ("leaderboard.md", "leaderboard.html"):
        assert "which units act jointly" in texts[name], name
        assert "which single units matter" in texts[name], name
        assert "scores + clusters" in texts[name], name
        assert "told, not ranked" in texts[name], name
    assert texts["leaderboard.tex"].count(r"\toprule") == 2
    rows = list(csv.DictReader(io.StringIO(texts["leaderboard.csv"])))
    assert {(r["track"], r["method"], r["on"]) for r in rows if "scores" in r["method"]} == {
        ("units", "scores", "margin"),
        ("subsets", TOLD, "margin"),
        ("subsets", CLUSTERS, "margin"),
    }
    assert "scores + clusters" in summary_table(board, 100)


def test_rows_without_any_score_are_told_in_a_line_with_the_reason() -> None:
    made = mixed().records
    made += [
        record("absent", i, None, status="skipped", reason="not here", units_metric="unit_auroc")
        for i in range(5)
    ]
    texts = render(make_board(Results(made, [], CARDS)))
    line = "No score on any task: absent (skipped: not here)."
    for name in ("leaderboard.md", "leaderboard.html"):
        assert texts[name].count(line) == 2, name
    assert "| absent |" not in texts["leaderboard.md"].partition("## planted-parity")[0]


def test_rows_are_compared_on_the_tracks_that_they_share() -> None:
    made = mixed()
    assert [row[:1] + row[-1:] for row in compare(made, "finds", "misses")] == [
        ["subsets", "A"],
        ["units", "A"],
    ]
    (row,) = compare(made, "finds", CLUSTERS)
    assert (row[0], row[-1]) == ("subsets", "A")
    (row,) = compare(made, "finds", "scores")
    assert (row[0], row[-1]) == ("units", "B")
    with pytest.raises(UsageError, match="on no track together"):
        compare(made, "scores", CLUSTERS)


def test_a_run_scores_the_lifts_and_says_why_bare_units_have_no_score(tmp_path: Path) -> None:
    from command_line import run

    done = run(
        "run", "-t", "planted-parity[n=8,terms=2,order=2]", "-m", "integrated-gradients",
        "-m", "constant", "--seeds", "1", "--budget", "500", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    of = {record.method: record for record in read_results(tmp_path / "out").records}
    own = of["integrated-gradients"]
    assert own.lifted["sizes told"].scores["subset_f1"] == 1
    assert {"subset_f1", "false_discovery_rate"} <= set(own.lifted["clusters"].scores)
    assert "subset_f1" not in own.scores
    assert "through its lifts" in own.missing["subset_f1"]
    assert own.scores["unit_auroc"] == 1
    assert of["constant"].lifted == {}
    assert of["constant"].scores["subset_f1"] == 0
