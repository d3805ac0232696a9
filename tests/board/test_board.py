from __future__ import annotations

import csv
import io
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from boards import CARDS, record, results
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from actspec_bench.board import check_board, render, stats, write_board
from actspec_bench.board.compare import compare
from actspec_bench.board.making import make_board
from actspec_bench.board.stats import bootstrap_interval
from actspec_bench.errors import UsageError
from actspec_bench.records.record import SCHEMA_VERSION
from actspec_bench.records.results import Results, read_results


def ranks(scores: dict[str, np.ndarray], *, higher_is_better: bool) -> dict[str, int]:
    """Ranks of methods that all have the same instances."""
    numbered = {method: dict(enumerate(values)) for method, values in scores.items()}
    return stats.ranks(numbered, higher_is_better=higher_is_better)


def rank_of(board, method: str) -> int | None:
    return board.groups["planted-parity", method, 100].rank


def test_the_interval_equals_the_exhaustive_bootstrap() -> None:
    """All 5^5 resamples, at the tails that Student's t gives for five values."""
    values = np.array([0.1, 0.9, 0.4, 0.4, 0.7])
    means = np.array([np.mean(c) for c in product(values, repeat=5)])
    tail = scipy_stats.norm.cdf(-np.sqrt(5 / 4) * scipy_stats.t.ppf(0.975, 4))
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.03)


def test_the_interval_equals_scipy_s_at_its_expanded_level() -> None:
    values = np.random.default_rng(0).standard_normal(30)
    tail = scipy_stats.norm.cdf(-np.sqrt(30 / 29) * scipy_stats.t.ppf(0.975, 29))
    theirs = scipy_stats.bootstrap(
        (values,),
        np.mean,
        method="percentile",
        n_resamples=9999,
        confidence_level=1 - 2 * tail,
        random_state=1,
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.03)


@pytest.mark.parametrize(
    ("scores", "k", "share"),
    [("normal", 5, 0.93), ("normal", 10, 0.95), ("normal", 30, 0.95), ("exponential", 5, 0.87)],
)
def test_the_interval_covers_as_often_as_the_readme_says(scores: str, k: int, share: float) -> None:
    generator = np.random.default_rng(k)
    covered, runs = 0, 1000
    for _ in range(runs):
        values = generator.standard_normal(k)
        if scores == "exponential":
            values = generator.exponential(size=k) - 1
        low, high = bootstrap_interval(values)
        covered += low <= 0 <= high
    assert abs(covered / runs - share) < 3 * (share * (1 - share) / runs) ** 0.5


def test_fewer_than_five_instances_have_neither_interval_nor_rank() -> None:
    assert bootstrap_interval(np.ones(4)) is None
    assert ranks({"a": np.ones(4), "b": np.zeros(4)}, higher_is_better=True) == {}


def test_ranks_are_shared_unless_the_paired_difference_is_clear() -> None:
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    scores = {
        "low": base,
        "high": base + 0.05,
        "unclear": base + np.array([0.3, -0.3, 0.25, -0.2, 0.05]),
    }
    up = ranks(scores, higher_is_better=True)
    assert up == {"high": 1, "unclear": 1, "low": 2}
    down = ranks(scores, higher_is_better=False)
    assert down == {"low": 1, "unclear": 1, "high": 2}
    shuffled = {name: values[[3, 1, 4, 0, 2]] for name, values in scores.items()}
    assert ranks(shuffled, higher_is_better=True) == up


def test_equal_methods_share_a_rank() -> None:
    same = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    assert ranks({"a": same, "b": same.copy()}, higher_is_better=True) == {"a": 1, "b": 1}


def test_no_method_ranks_below_one_whose_mean_is_worse() -> None:
    """The steady one is clearly below the best; the erratic one, worse on average, is not."""
    best = np.array([0.9, 0.9, 0.9, 0.9, 0.9])
    steady = best - np.array([0.1, 0.1, 0.1, 0.1, 0.1])
    erratic = best - np.array([1.2, -0.3, 1.2, -0.3, -0.2])
    assert steady.mean() > erratic.mean()
    scores = {"best": best, "steady": steady, "erratic": erratic}
    assert ranks(scores, higher_is_better=True) == {"best": 1, "steady": 1, "erratic": 1}
    assert ranks({"best": best, "steady": steady}, higher_is_better=True)["steady"] == 2


def test_a_method_that_failed_somewhere_is_never_ranked_above_one_that_finished() -> None:
    good = results({"finished": [0.2] * 5})
    failed = [record("failing", i, 1.0) for i in range(4)]
    failed.append(record("failing", 4, None, status="timeout", reason="too slow"))
    board = make_board(Results(good.records + failed, [], CARDS))
    assert rank_of(board, "finished") == 1
    assert rank_of(board, "failing") is None
    assert [s.method for s in board.standings[100]] == ["finished", "failing"]
    group = board.groups["planted-parity", "failing", 100]
    assert (group.ok, group.failed, group.planned, group.main.cells) == (4, 1, 5, 4)
    markdown = render(board)["leaderboard.md"]
    assert "1.000 (4/5)" in markdown
    assert "timeout: too slow" in markdown


def test_a_cell_that_was_planned_and_has_no_record_counts_against_coverage() -> None:
    made = results({"a": [0.5] * 5, "b": [0.9] * 4})
    pending = [{"task": "planted-parity", "method": "b", "instance": 4, "budget": 100}]
    board = make_board(Results(made.records, pending, CARDS))
    assert rank_of(board, "b") is None
    assert board.groups["planted-parity", "b", 100].statuses == {"not run": 1, "ok": 4}


def test_methods_with_other_numbers_of_instances_are_compared_on_those_they_share() -> None:
    """Beyond the fifth instance "all" gets worse; a stray run of one method hurts no other."""
    scores = {"all": [0.9] * 5 + [0.0] * 5, "some": [0.5] * 5, "stray": [1.0] * 2}
    board = make_board(results(scores))
    assert [rank_of(board, m) for m in scores] == [1, 2, None]
    assert board.instances == [2, 5, 10]


def test_a_method_with_fewer_instances_changes_nothing_between_its_rivals() -> None:
    """On the first five "a" and "b" cannot be told apart; on all twenty they can."""
    wave = 0.5 + 0.1 * np.tile([1.0, -1.0, 1.0, -1.0, 0.0], 4)
    a = wave + np.array([0.02, -0.02, 0.02, -0.02, 0.001] + [0.05] * 15)
    b = wave.tolist()
    alone = make_board(results({"a": a.tolist(), "b": b}))
    assert [rank_of(alone, m) for m in "ab"] == [1, 2]
    joined = make_board(results({"a": a.tolist(), "b": b, "few": (wave[:5] - 0.4).tolist()}))
    assert [rank_of(joined, m) for m in ("a", "b", "few")] == [1, 2, 3]
    early = make_board(results({"a": a[:5].tolist(), "b": b[:5]}))
    assert [rank_of(early, m) for m in "ab"] == [1, 1]


def test_methods_that_share_fewer_than_five_instances_cannot_be_told_apart() -> None:
    scores = {"a": dict.fromkeys(range(6), 1.0), "b": dict.fromkeys(range(2, 8), 0.0)}
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 1}
    scores["b"][1] = 0.0
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 2}
    scores["c"] = dict.fromkeys(range(4), 5.0)
    assert stats.ranks(scores, higher_is_better=True) == {"a": 1, "b": 2}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_on_instances_that_two_methods_share_none_ranks_below_a_worse_mean(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = {
        str(method): {
            int(i): float(method / 2 + generator.standard_t(2))
            for i in generator.choice(12, generator.integers(5, 13), replace=False)
        }
        for method in range(6)
    }
    found = stats.ranks(scores, higher_is_better=True)
    for one, other in product(scores, scores):
        shared = scores[one].keys() & scores[other].keys()
        if len(shared) < 5:
            continue
        means = [np.mean([scores[m][i] for i in shared]) for m in (one, other)]
        if means[0] >= means[1]:
            assert found[one] <= found[other]


def test_standings_put_methods_ranked_on_every_task_first() -> None:
    made = results({"everywhere": [0.1] * 5, "winner": [0.9] * 5})
    more = results({"everywhere": [0.1] * 5}, task="other-task")
    board = make_board(Results(made.records + more.records, [], CARDS))
    assert [(s.method, s.mean_rank) for s in board.standings[100]] == [
        ("everywhere", 1.5),
        ("winner", 1.0),
    ]


def test_budgets_are_ranked_apart() -> None:
    low = results({"a": [0.1] * 5, "b": [0.2] * 5})
    high = results({"a": [0.9] * 5, "b": [0.3] * 5}, budget=1000)
    board = make_board(Results(low.records + high.records, [], CARDS))
    assert {key[1:]: group.rank for key, group in board.groups.items()} == {
        ("a", 100): 2,
        ("b", 100): 1,
        ("a", 1000): 1,
        ("b", 1000): 2,
    }


def test_a_score_that_may_be_chance_has_a_dagger_and_is_never_bold() -> None:
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    noise = 0.2 * np.array([1, -1, 1, -1, 0.1])
    made = results({"lucky": (base + noise).tolist(), "good": (base + 2).tolist()})
    random = results({"random": base.tolist()}, control=True)
    oracle = results({"oracle": (base + 5).tolist()}, control=True, sees_truth=True)
    board = make_board(Results(made.records + random.records + oracle.records, [], CARDS))
    marks = {key[1]: group.above_chance for key, group in board.groups.items()}
    assert marks == {"lucky": False, "good": True, "random": None, "oracle": None}
    only = make_board(Results(made.records[:5] + random.records, [], CARDS))
    assert rank_of(only, "lucky") == 1
    markdown = render(only)["leaderboard.md"]
    assert "0.504 †<br>[" in markdown
    assert "**0.504" not in markdown


def test_undefined_scores_leave_a_method_unranked_and_say_why() -> None:
    made = results({"a": [0.5] * 5})
    odd = [record("b", i, None, missing={"subset_f1": "no truth here"}) for i in range(5)]
    board = make_board(Results(made.records + odd, [], CARDS))
    group = board.groups["planted-parity", "b", 100]
    assert group.main.mean is None
    assert group.main.why == "no truth here"
    assert group.rank is None


def test_a_better_control_takes_no_rank_away() -> None:
    made = results({"method": [0.5] * 5})
    oracle = results({"oracle": [1.0] * 5}, control=True)
    board = make_board(Results(made.records + oracle.records, [], CARDS))
    assert rank_of(board, "method") == 1
    assert rank_of(board, "oracle") is None
    assert board.standings[100][-1].method == "oracle"


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
    assert by_metric["unit_ap"]["mean"] == ""
    assert by_metric["unit_ap"]["missing_because"] == "the metric was not known when this cell ran"
    assert {
        "task",
        "method",
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
    assert content["groups"][0]["entries"]["subset_f1"]["mean"] == 0.25
    assert texts["leaderboard.tex"].count(r"\toprule") == 1
    assert r"b\_c" in texts["leaderboard.tex"]
    assert "<script src" not in texts["leaderboard.html"]
    assert "<svg" in texts["leaderboard.html"]


def test_a_wide_board_has_short_heads_and_a_legend_of_every_column() -> None:
    tasks = [f"planted-parity[n={n},orders=(1,2,3,4),readout=decision]" for n in range(10, 20)]
    many = [r for task in tasks for r in results({"a_b": [0.25] * 5}, task=task).records]
    texts = render(make_board(Results(many, [], CARDS)))
    section = texts["leaderboard.md"].partition("## Budget 100 rows\n\n")[2]
    table, legend, _ = section.split("\n\n", 2)
    heads = [head.strip() for head in table.splitlines()[0].strip("|").split("|")]
    assert heads == ["method", "overall", *(f"planted-parity [{i}]" for i in range(1, 11))]
    assert table.count("**0.250**<br>[0.250, 0.250]") == 10
    assert legend.replace("<br>", "").splitlines() == [
        f"[{i}] {task}: subset_f1 ↑" for i, task in enumerate(tasks, start=1)
    ]
    tabular, legend = texts["leaderboard.tex"].split(r"\end{tabular}")
    rows = [line for line in tabular.splitlines() if line.endswith(r" \\")]
    assert [row.count("&") for row in rows] == [11, 11, 11]
    assert [row.split(" & ")[0].strip() for row in rows] == ["method", r"a\_b", ""]
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


PUBLISHED = sorted((Path(__file__).parents[2] / "leaderboards").glob("*/records.jsonl"))


@pytest.mark.parametrize("folder", [p.parent for p in PUBLISHED], ids=lambda f: f.name)
def test_published_boards_are_what_their_records_give(folder: Path) -> None:
    assert check_board(folder) == []


@pytest.mark.parametrize("folder", [p.parent for p in PUBLISHED], ids=lambda f: f.name)
def test_published_records_were_made_by_code_that_was_committed(folder: Path) -> None:
    records = read_results(folder).records
    assert all(re.fullmatch("[0-9a-f]{40}", r.provenance["commit"]) for r in records)
    assert len({r.provenance["commit"] for r in records}) == 1


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


def test_compare_pairs_instances_and_names_a_winner_only_where_it_is_clear() -> None:
    made = results({"a": [0.2, 0.3, 0.4, 0.5, 0.6, 0.9], "b": [0.1, 0.2, 0.3, 0.4, 0.5]})
    (row,) = compare(made, "a", "b")
    assert row[5:] == ["+0.100", "[+0.100, +0.100]", "5", "A"]
    (row,) = compare(made, "b", "a")
    assert row[-1] == "B"
    (row,) = compare(results({"a": [0.0, 1, 0, 1, 0], "b": [1.0, 0, 1, 0, 0.9]}), "a", "b")
    assert row[-1] == "–"
    with pytest.raises(UsageError, match="no records of 'c'"):
        compare(made, "a", "c")
