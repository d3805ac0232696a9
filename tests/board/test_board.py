"""Every format of a board, and whether its files are what its records give."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from boards import CARDS, results

from actspec_bench.board import check_board, render, write_board
from actspec_bench.board.making import make_board
from actspec_bench.records.record import SCHEMA_VERSION
from actspec_bench.records.results import Results


def test_bold_is_for_all_who_share_first_place() -> None:
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    made = {"a": (base + 0.01 * np.array([1, -2, 1, 0, 0])).tolist(), "b": base.tolist()}
    made["c"] = (base - 0.05).tolist()
    markdown = render(make_board(results(made)))["leaderboard.md"]
    assert len(re.findall(r"\*\*0\.5", markdown)) == 2
    assert "**0.450" not in markdown


def test_the_csv_is_tidy_and_holds_every_mean() -> None:
    board = make_board(results({"a": [0.1, 0.2, 0.3, 0.4, 0.5]}))
    rows = list(csv.DictReader(io.StringIO(render(board)["leaderboard.csv"])))
    by_metric = {row["metric"]: row for row in rows}
    assert float(by_metric["subset_f1"]["mean"]) == pytest.approx(0.3)
    assert float(by_metric["queries"]["mean"]) == 50
    assert by_metric["redundancy"]["mean"] == ""
    assert (
        by_metric["redundancy"]["missing_because"] == "the metric was not known when this cell ran"
    )
    assert {
        "track",
        "task",
        "method",
        "on",
        "budget",
        "metric",
        "mean",
        "ci_low",
        "ci_high",
        "cells",
        "failed",
    } <= (set(rows[0]))


def test_every_format_shows_the_same_mean_and_parses() -> None:
    board = make_board(results({"a": [0.25] * 5, "b_c": [0.5] * 5}))
    texts = render(board)
    for name in ("leaderboard.md", "leaderboard.html", "leaderboard.tex"):
        assert "0.250" in texts[name], name
    content = json.loads(texts["leaderboard.json"])
    assert content["tracks"][0]["groups"][0]["entries"]["subset_f1"]["mean"] == 0.25
    assert texts["leaderboard.tex"].count(r"\toprule") == 1
    assert r"b\_c" in texts["leaderboard.tex"]
    assert "<script src" not in texts["leaderboard.html"]
    assert "<svg" in texts["leaderboard.html"]


def test_a_wide_board_has_short_heads_and_a_legend_of_every_column() -> None:
    tasks = [f"planted-parity[n={n},orders=(1,2,3,4),readout=decision]" for n in range(10, 20)]
    many = [
        r for task in tasks for r in results({"a_b": [0.25] * 5, "c": [0.0] * 5}, task=task).records
    ]
    texts = render(make_board(Results(many, [], CARDS)))
    section = texts["leaderboard.md"].partition("### Subsets: which units act jointly\n\n")[2]
    table, legend, _ = section.split("\n\n", 2)
    heads = [head.strip() for head in table.splitlines()[0].strip("|").split("|")]
    assert heads == ["method", "on", "overall", *(f"planted-parity [{i}]" for i in range(1, 11))]
    assert table.count("**0.250**<br>[0.250, 0.250]") == 10
    assert legend.replace("<br>", "").splitlines() == [
        f"[{i}] {task}: subset_f1 ↑" for i, task in enumerate(tasks, start=1)
    ]
    tabular, legend = texts["leaderboard.tex"].split(r"\end{tabular}")
    rows = [line for line in tabular.splitlines() if line.endswith(r" \\")]
    assert [row.count("&") for row in rows] == [12] * 5
    assert [row.split(" & ")[0].strip() for row in rows] == ["method", r"a\_b", "", "c", ""]
    assert rows[1].count(r"\textbf{0.250}") == rows[2].count("[0.250, 0.250]") == 10
    assert max(map(len, rows[0].split(" & "))) < 10
    for i, task in enumerate(tasks, start=1):
        assert rf"[{i}] {task}: subset\_f1 $\uparrow$" in legend


def test_a_board_without_intervals_has_one_line_a_method_in_latex() -> None:
    text = render(make_board(results({"a": [0.25] * 4})))["leaderboard.tex"]
    assert text.count(r" \\" + "\n") == 2


def test_the_page_shows_hostile_names_as_text() -> None:
    board = make_board(results({"a": [0.25] * 5}, task="<script>x</script>"))
    assert "<script>x</script>" not in render(board)["leaderboard.html"]


def test_the_board_is_a_pure_function_of_the_records() -> None:
    made = results({"a": [0.1, 0.2, 0.3, 0.4, 0.5], "b": [0.3] * 5})
    backwards = Results(made.records[::-1], [], CARDS)
    assert render(make_board(made)) == render(make_board(backwards))


def test_check_names_the_files_that_differ(tmp_path: Path) -> None:
    made = results({"a": [0.1, 0.2, 0.3, 0.4, 0.5], "b": [0.3] * 5})
    head = {
        "schema_version": SCHEMA_VERSION,
        "records": len(made.records),
        "pending": [],
        "metrics": {name: card.model_dump() for name, card in made.metrics.items()},
    }
    lines = [json.dumps(head), *(record.model_dump_json() for record in made.records)]
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    write_board(tmp_path)
    assert check_board(tmp_path) == []
    with (tmp_path / "leaderboard.md").open("a") as file:
        file.write("x")
    (tmp_path / "leaderboard.tex").unlink()
    assert check_board(tmp_path) == ["leaderboard.md", "leaderboard.tex"]


def test_boards_show_what_methods_say_of_their_own_answers() -> None:
    info = {
        "stand_ins": [[[4]], [], [], [[5], [6], [0, 7], [8]]],
        "unexplained": [0.25, 0.2, 0.3],
        "warnings": ["the 4 subsets <b>leave</b> 25%"],
    }
    subsets = [[1, 2], [0], [3], [9]]
    open_ = results({"open": [0.5] * 5}, info=info, subsets=subsets, reported=4)
    quiet = results({"quiet": [0.5] * 5}, subsets=subsets, reported=4)
    calm = results({"calm": [0.5] * 5}, info={"unexplained": [0.0, 0.0, 0.1]}, budget=50)
    board = make_board(
        Results([*open_.records, *quiet.records, *calm.records], [], CARDS),
    )
    texts = render(board)
    rows = [line for line in texts["leaderboard.md"].splitlines() if "{1, 2}" in line]
    assert [cell.strip() for cell in rows[0].strip("|").split("|")] == [
        "open",
        "100",
        "{1, 2} or {4}; {0}; {3}",
        "25 %",
        "5/5",
        "the 4 subsets &lt;b>leave&lt;/b> 25%",
    ]
    assert len(rows) == 1
    assert "{1, 2} or {4}; {0}; {3}" in texts["leaderboard.html"]
    assert "<b>leave" not in texts["leaderboard.html"]
    told = json.loads(texts["leaderboard.json"])["accounts"]["planted-parity"]
    assert [(one["method"], one["budget"]) for one in told] == [("open", 100), ("calm", 50)]
    assert [(one["unexplained"], one["warned"], one["cells"]) for one in told] == [
        (0.25, 5, 5),
        (0.0, 0, 5),
    ]
