"""What runs again in a folder that has results already, and what its records hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

from command_line import MISBEHAVING, QUICK, by_method, run

from actspec_bench.records.results import read_results


def test_records_of_another_version_of_a_task_leave_the_board(tmp_path: Path) -> None:
    def plugin(version: int, order: str) -> None:
        (tmp_path / "plug.py").write_text(
            "from actspec_bench import Instance, Problem, Truth, task\n"
            f"@task('versioned', truth='planted', main_metric='subset_f1', version={version})\n"
            "def versioned(seed):\n    'Changes.'\n"
            f"    truth = Truth({{{order}: 1.0}}, 4)\n"
            "    return Instance(Problem.from_function(lambda x: x[:, 0], 4), truth)\n"
        )

    words = ("run", "--plugin", "plug.py", "-t", "versioned", "--seeds", "1", "--out", "out")
    plugin(1, "(0,)")
    assert run(*words, "-m", "constant", "-m", "random", cwd=tmp_path).returncode == 0
    plugin(2, "(0, 1)")
    done = run(*words, "-m", "constant", cwd=tmp_path)
    assert "2 cells there were made by another version" in done.stderr
    (record,) = read_results(tmp_path / "out").records
    assert (record.method, record.task_version) == ("constant", 2)


def metric_file(folder: Path, name: str, value: int) -> Path:
    file = folder / f"{name}.py"
    file.write_text(
        "from actspec_bench import metric\n"
        f"@metric('{name}', family='recovery', higher_is_better=True)\n"
        f"def {name}(outcome):\n    'Constant.'\n    return {value}\n"
    )
    return file


def test_a_changed_metric_takes_old_scores_off_the_board_and_a_new_one_does_not(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    run_cell = ("run", "--out", out, *QUICK[:2], "--seeds", "1", "--json", "-m")
    mine = ("--plugin", metric_file(tmp_path, "mine", 1))
    assert run(*run_cell, "constant", *mine).returncode == 0
    other = ("--plugin", metric_file(tmp_path, "other", 1))
    done = run(*run_cell, "random", *mine, *other)
    assert "were made by another version" not in done.stderr
    assert {r.method for r in read_results(out).records} == {"constant", "random"}
    told = json.loads(run(*run_cell, "constant", *mine).stdout)
    assert told["ran"] == 0
    told = json.loads(run(*run_cell, "constant", *mine, *other).stdout)
    assert told["ran"] == 1
    told = json.loads(run(*run_cell, "constant").stdout)
    assert told["ran"] == 0
    metric_file(tmp_path, "mine", 2)
    done = run(*run_cell, "constant", *mine)
    assert "1 cells there were made by another version" in done.stderr
    assert json.loads(done.stdout)["ran"] == 1
    (record,) = read_results(out).records
    assert (record.method, record.scores["mine"]) == ("constant", 2)


def test_a_cell_that_lacked_something_runs_again_and_other_skipped_ones_do_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "plug.py").write_text(
        "import os\n"
        "from actspec_bench import Missing, NotApplicable, Problem, task\n"
        "@task('fetched', truth='none', main_metric='surrogate_r2')\n"
        "def fetched(seed):\n    'Needs data.'\n"
        "    if 'DATA_IS_THERE' not in os.environ:\n"
        "        raise Missing('no data; fetch it', lacks='mnist')\n"
        "    return Problem.from_function(lambda x: x[:, 0], 4, seed=seed)\n"
        "@task('unfit', truth='none', main_metric='surrogate_r2')\n"
        "def unfit(seed):\n    'Never fits.'\n    raise NotApplicable('never')\n"
    )
    words = (
        "run", "--plugin", "plug.py", "-t", "fetched", "-t", "unfit", "-m", "constant",
        "--seeds", "1", "--out", "out", "--json",
    )  # fmt: skip
    assert json.loads(run(*words, cwd=tmp_path).stdout)["ran"] == 2
    records = {r.task: r for r in read_results(tmp_path / "out").records}
    assert (records["fetched"].status, records["fetched"].lacks) == ("skipped", ["mnist"])
    assert records["fetched"].reason == "no data; fetch it"
    assert (records["unfit"].status, records["unfit"].lacks) == ("skipped", [])
    told = json.loads(run(*words, cwd=tmp_path).stdout)
    assert (told["ran"], told["statuses"]) == (1, {"skipped": 2})
    there = os.environ | {"DATA_IS_THERE": "1"}
    told = json.loads(run(*words, cwd=tmp_path, env=there).stdout)
    assert (told["ran"], told["statuses"]) == (1, {"ok": 1, "skipped": 1})
    assert json.loads(run(*words, cwd=tmp_path).stdout)["ran"] == 0


def test_a_result_that_no_record_can_hold_is_an_error_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(
        "import os, signal\n"
        "from actspec_bench import Attribution, method\n"
        "import numpy as np\n"
        "@method('direct-nan', returns='units', family='f')\n"
        "def a(problem):\n    'NaN.'\n"
        "    return Attribution(((0,),), np.array([np.nan]), 'units', problem.n)\n"
        "@method('odd-text', returns='units', family='f')\n"
        "def b(problem):\n    'Odd.'\n"
        "    raise ValueError('half a pair \\udc80 in /srv/somebody/secret/file.bin')\n"
        "@method('odd-signal', returns='units', family='f')\n"
        "def c(problem):\n    'Signal.'\n    os.kill(os.getpid(), 40)\n"
    )
    words = [word for name in ("direct-nan", "odd-text", "odd-signal") for word in ("-m", name)]
    done = run(
        "run", "--plugin", "plug.py", *QUICK[:2], *words, "--seeds", "1", "--out", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    reasons = {r.method: r.reason for r in read_results(tmp_path / "out").records}
    assert "not a finite number" in reasons["direct-nan"]
    assert "half a pair" in reasons["odd-text"]
    assert "…/file.bin" in reasons["odd-text"]
    assert "secret" not in (tmp_path / "out" / "records.jsonl").read_text()
    assert "ended by signal 40" in reasons["odd-signal"]


def test_edited_code_is_run_again_and_the_rest_is_not(tmp_path: Path) -> None:
    plugin = tmp_path / "plug.py"
    helper = tmp_path / "plug_helper.py"
    text = MISBEHAVING.read_text().partition("@task")[0]
    plugin.write_text(
        text
        + "from plug_helper import SCORE\n"
        + "@method('mine', returns='units', family='f')\n"
        + "def mine(problem):\n    'Mine.'\n"
        + "    return Attribution.from_units(torch.full((problem.n,), SCORE))\n"
    )
    helper.write_text("SCORE = 1.0\n")
    words = (
        "run", "--plugin", plugin, "-t", "planted-parity[n=6,terms=1]", "-m", "mine",
        "-m", "constant", "--seeds", 1, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert json.loads(run(*words).stdout)["ran"] == 2
    assert json.loads(run(*words).stdout)["ran"] == 0
    helper.write_text("SCORE = 2.0\n")
    assert json.loads(run(*words).stdout)["ran"] == 1
    assert by_method(tmp_path / "out")["mine"].coefficients[0] == 2.0
