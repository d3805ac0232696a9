"""The command line as a user meets it: one clear sentence and exit code 2 for every mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import QUICK, imported, refused, run

from actspec_bench.cli.output import plain_text
from actspec_bench.data.catalogue import data_set
from actspec_bench.records.results import read_results


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum"], "no command 'rum'; did you mean 'run'"),
        (["run", "-t", "planted-party"], "no task 'planted-party'; did you mean 'planted-parity'"),
        (["run", "-m", "actspek"], "no method 'actspek'; did you mean 'actspec'"),
        (["run", "--suite", "defualt"], "no suite 'defualt'; did you mean 'default'"),
        (["run", "--sedes", "3"], "No such option"),
        (["run", "-t", "planted-parity[m=3]"], "no parameter 'm'"),
        (["run", "-t", "planted-parity[n=sixty]"], "'n' of task 'planted-parity'"),
        (["run", "-m", "actspec[tau=-1]"], "'tau' of method 'actspec'"),
        (["run", "--seeds", "0"], "'--seeds'"),
        (["run", "--budget", "many"], "'--budget'"),
        (["run", "--budget", "9", "--budget", "9"], "budget is given twice"),
        (["run", "--timeout", "0"], "'--timeout'"),
        (["run", "-m", "actspec", "-m", "actspec"], "method 'actspec' is named twice"),
        (["run", "--plugin", "nowhere.py"], "no plug-in file 'nowhere.py'"),
        (["list", "taks"], "nothing called 'taks' to list; did you mean 'tasks'"),
        (["run", "-m", "actspec[tau=1e999]"], "'tau' of method 'actspec'"),
        (["show", "actspek"], "nothing called 'actspek'; did you mean 'actspec'"),
        (["leaderboard", "nowhere"], "no records.jsonl in nowhere"),
        (["leaderboard", "x", "--format", "pdf"], "no format 'pdf'"),
        (["compare", "nowhere", "a", "b"], "no records.jsonl in nowhere"),
        (["compare", "x"], "Missing argument"),
        (["data", "fetsh"], "data has no command 'fetsh'; did you mean 'fetch'"),
        (["data", "fetch", "mnits"], "no data set 'mnits'; did you mean 'mnist'"),
        (["run", "--data-dir", "nowhere"], "Directory 'nowhere' does not exist"),
    ],
)
def test_a_mistake_gets_one_line_and_nothing_is_written(
    tmp_path: Path, words: list[str], message: str
) -> None:
    assert message in refused(run(*words, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_published_board_can_be_written_checked_and_printed(finished: Path) -> None:
    assert run("leaderboard", finished, "--check").returncode == 0
    (finished / "leaderboard.csv").write_text("changed")
    done = run("leaderboard", finished, "--check")
    assert done.returncode == 1
    assert "leaderboard.csv" in done.stderr
    assert run("leaderboard", finished).returncode == 0
    printed = run("leaderboard", finished, "--format", "csv").stdout
    assert printed == (finished / "leaderboard.csv").read_text()


def test_a_dry_run_lists_cells_and_writes_nothing(tmp_path: Path) -> None:
    done = run("run", "--dry-run", "--json", *QUICK, cwd=tmp_path)
    (cell,) = json.loads(done.stdout)
    assert cell["method"] == "constant"
    assert cell["budget"] == 10_000
    assert list(tmp_path.iterdir()) == []


def test_options_without_a_command_run_the_default_suite(tmp_path: Path) -> None:
    """Without its data, and then with files of the size of MNIST's."""
    words = ("--dry-run", "--json", "--seeds", "1", "--data-dir", tmp_path)
    done = run(*words)
    planned = {cell["task"] for cell in json.loads(done.stdout)}
    assert len(planned) == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("left out, since their data is not here: mnist-hidden, sst2-recoded;")
    assert line.endswith("`python -m actspec_bench data fetch` gets it")

    for file in data_set("mnist").files:
        with (tmp_path / file.forms[0].names[0]).open("wb") as handle:
            handle.truncate(file.forms[0].size)
    done = run(*words)
    more = {cell["task"] for cell in json.loads(done.stdout)} - planned
    assert more == {"mnist-hidden"}
    assert "not here: sst2-recoded;" in done.stderr


def test_list_and_show_tell_what_there_is() -> None:
    cards = json.loads(run("list", "--json").stdout)
    assert {"actspec", "oracle", "exact-wht"} <= {card["name"] for card in cards["methods"]}
    shown = run("show", "planted-parity").stdout
    assert "main_metric: subset_f1" in shown
    assert "parameter: n = 64" in shown
    assert r"The margin is \sum_j c_j \prod_{i \in S_j} x_i. The subsets" in shown
    assert "margin, or decision: the margin's sign" in shown
    assert "needs:" not in shown
    assert not re.search(r"``|:math:|\(\)", shown)
    assert "needs: mnist\n" in run("show", "mnist-hidden").stdout
    assert "Goldreich-Levin" in run("show", "actspec").stdout
    assert json.loads(run("show", "default").stdout)["name"] == "default"


def test_a_role_over_two_lines_is_told_without_its_markup() -> None:
    assert plain_text("so :math:`a +\nb` is ``x`` of `y`") == "so a +\nb is x of `y`"


@pytest.mark.parametrize(
    "words",
    [["list"], ["--help"], ["run", "--help"], ["leaderboard", "FOLDER"], ["show", "actspec"]],
)
def test_light_commands_do_not_import_torch(finished: Path, words: list[str]) -> None:
    words = [str(finished) if word == "FOLDER" else word for word in words]
    modules = imported(*words)
    assert "actspec_bench.cli.group" in modules
    assert not modules & {"torch", "captum", "sklearn"}


def test_a_run_works_from_any_folder_and_through_the_console_script(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "actspec-bench"
    done = subprocess.run(
        [script, "run", *QUICK, "--out", "here"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(read_results(tmp_path / "here").records) == 1


def test_cuda_where_there_is_none_is_wrong_usage(tmp_path: Path) -> None:
    out = tmp_path / "out"
    no_devices = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    for words in (("--device", "cuda"), ("--device", "gpu"), ("--device", "cuda", "--dry-run")):
        done = run("run", "--suite", "smoke", "--out", out, *words, env=no_devices)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert not out.exists()
