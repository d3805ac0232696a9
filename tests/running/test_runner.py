"""Cells in child processes: statuses, limits, and failures that cost only themselves."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest
from command_line import MISBEHAVING, by_method, run


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """One run of every bad method; a memory limit that plain torch fits in."""
    folder = tmp_path_factory.mktemp("misbehaved")
    names = [
        line.removeprefix("def ").partition("(")[0].replace("_", "-")
        for block in MISBEHAVING.read_text().split("@register\n")[1:]
        for line in block.splitlines()[:1]
    ]
    words = [word for name in names for word in ("-m", name)]
    done = run(
        "run", "--plugin", MISBEHAVING, "-t", "tiny", *words, "--seeds", 1, "--budget", 50,
        "--timeout", 8, "--memory", 1500, "--out", folder,
    )  # fmt: skip
    return folder, done.returncode, done.stderr


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("well-behaved", "ok", ""),
        ("raises", "error", "KeyError: 'missing'"),
        ("returns-a-list", "error", "returned list; return Attribution.from_units"),
        ("returns-too-few", "error", "scored 3 units of 4"),
        ("returns-subsets", "error", "declares returns='units' and returned subsets"),
        ("returns-nan", "error", "score of unit 1 is nan"),
        ("returns-odd-info", "error", "info must be plain JSON"),
        ("exits", "error", "sys.exit(3) in the attribute phase"),
        ("exits-hard", "error", "exit code 4 in the attribute phase"),
        ("loops", "timeout", "attribute phase took more than 8 s"),
        ("eats-memory", "oom", "attribute phase used more than 1500 MiB"),
        ("asks-for-too-much-memory", "oom", "out of memory in the attribute phase"),
        ("writes-to-inputs", "ok", ""),
        ("changes-the-function", "error", "changed the function or the data"),
        ("overspends", "over-budget", "51 forward rows were asked for and 50"),
        ("overspends-and-carries-on", "ok", ""),
        ("reports-three", "ok", ""),
    ],
)
def test_every_way_to_go_wrong_is_a_record(
    misbehaved: tuple[Path, int, str], method: str, status: str, reason: str
) -> None:
    record = by_method(misbehaved[0])[method]
    assert record.status == status
    assert reason in record.reason
    assert "\n" not in record.reason


def test_failures_set_the_exit_code_and_are_named_and_on_the_board(
    misbehaved: tuple[Path, int, str],
) -> None:
    folder, code, printed = misbehaved
    assert code == 1
    assert "timeout: loops on tiny, instance 0" in printed
    board = (folder / "leaderboard.md").read_text()
    assert "timeout: the attribute phase took more than 8 s" in board


def test_a_failure_keeps_its_traceback_and_last_words_but_no_folder(
    misbehaved: tuple[Path, int, str],
) -> None:
    record = by_method(misbehaved[0])["raises"]
    assert "last words" in record.output
    assert "misbehaving.py:" in record.traceback
    assert str(MISBEHAVING.parent) not in (misbehaved[0] / "records.jsonl").read_text()


def test_what_a_cell_started_ends_with_it(misbehaved: tuple[Path, int, str]) -> None:
    record = by_method(misbehaved[0])["leaves-a-process"]
    assert record.status == "ok"
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(record.info["pid"])
        assert left.status() == psutil.STATUS_ZOMBIE or "1234.5" not in left.cmdline()


def test_a_refused_row_was_never_counted(misbehaved: tuple[Path, int, str]) -> None:
    record = by_method(misbehaved[0])["overspends-and-carries-on"]
    assert record.scores["queries"] == 0


def test_a_metric_that_fails_costs_only_itself(misbehaved: tuple[Path, int, str]) -> None:
    record = by_method(misbehaved[0])["reports-three"]
    assert "deletion_auc" in record.scores
    assert "the value is nan" in record.metric_errors["nan-metric"]
    assert record.missing["nan-metric"].startswith("the metric failed: ")
    assert "metric 'nan-metric' failed on reports-three" in misbehaved[2]


def test_a_task_that_fails_to_build_is_an_error(tmp_path: Path) -> None:
    done = run(
        "run", "--plugin", MISBEHAVING, "-t", "broken-task", "-m", "constant", "--seeds", 1,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    record = by_method(tmp_path / "out")["constant"]
    assert record.reason == "RuntimeError: no such thing"
