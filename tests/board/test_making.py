"""Which methods a board ranks, and against which."""

from __future__ import annotations

import numpy as np
from boards import CARDS, record, results

from actspec_bench.board import render
from actspec_bench.board.making import make_board
from actspec_bench.records.results import Results


def rank_of(board, method: str) -> int | None:
    return board.tracks[0].groups["planted-parity", method, 100].rank


def test_a_method_that_failed_somewhere_is_never_ranked_above_one_that_finished() -> None:
    good = results({"finished": [0.2] * 5, "worse": [0.1] * 5})
    failed = [record("failing", i, 1.0) for i in range(4)]
    failed.append(record("failing", 4, None, status="timeout", reason="too slow"))
    board = make_board(Results(good.records + failed, [], CARDS))
    assert rank_of(board, "finished") == 1
    assert rank_of(board, "failing") is None
    assert [s.method for s in board.tracks[0].standings[100]] == ["finished", "worse", "failing"]
    group = board.tracks[0].groups["planted-parity", "failing", 100]
    assert (group.ok, group.failed, group.planned, group.main.cells) == (4, 1, 5, 4)
    markdown = render(board)["leaderboard.md"]
    assert "1.000 (4/5)" in markdown
    assert "timeout: too slow" in markdown


def test_a_cell_that_was_planned_and_has_no_record_counts_against_coverage() -> None:
    made = results({"a": [0.5] * 5, "b": [0.9] * 4})
    pending = [{"task": "planted-parity", "method": "b", "instance": 4, "budget": 100}]
    board = make_board(Results(made.records, pending, CARDS))
    assert rank_of(board, "b") is None
    assert board.tracks[0].groups["planted-parity", "b", 100].statuses == {"not run": 1, "ok": 4}


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


def test_standings_put_methods_ranked_on_every_task_first() -> None:
    made = results({"everywhere": [0.1] * 5, "winner": [0.9] * 5})
    more = results({"everywhere": [0.1] * 5, "third": [0.0] * 5}, task="other-task")
    board = make_board(Results(made.records + more.records, [], CARDS))
    assert [(s.method, s.mean_rank) for s in board.tracks[0].standings[100]] == [
        ("everywhere", 1.5),
        ("winner", 1.0),
        ("third", 2.0),
    ]


def test_budgets_are_ranked_apart() -> None:
    low = results({"a": [0.1] * 5, "b": [0.2] * 5})
    high = results({"a": [0.9] * 5, "b": [0.3] * 5}, budget=1000)
    board = make_board(Results(low.records + high.records, [], CARDS))
    assert {key[1:]: group.rank for key, group in board.tracks[0].groups.items()} == {
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
    marks = {key[1]: group.above_chance for key, group in board.tracks[0].groups.items()}
    assert marks == {"lucky": False, "good": True, "random": None, "oracle": None}
    worse = results({"worse": (base - 0.5).tolist()})
    only = make_board(Results(made.records[:5] + worse.records + random.records, [], CARDS))
    assert rank_of(only, "lucky") == 1
    markdown = render(only)["leaderboard.md"]
    assert "0.504 †<br>[" in markdown
    assert "**0.504" not in markdown


def test_undefined_scores_leave_a_method_unranked_and_say_why() -> None:
    made = results({"a": [0.5] * 5})
    odd = [record("b", i, None, missing={"subset_f1": "no truth here"}) for i in range(5)]
    board = make_board(Results(made.records + odd, [], CARDS))
    group = board.tracks[0].groups["planted-parity", "b", 100]
    assert group.main.mean is None
    assert group.main.why == "no truth here"
    assert group.rank is None


def test_a_better_control_takes_no_rank_away() -> None:
    made = results({"method": [0.5] * 5, "worse": [0.1] * 5})
    oracle = results({"oracle": [1.0] * 5}, control=True)
    board = make_board(Results(made.records + oracle.records, [], CARDS))
    assert rank_of(board, "method") == 1
    assert rank_of(board, "oracle") is None
    assert board.tracks[0].standings[100][-1].method == "oracle"
