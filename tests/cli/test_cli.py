"""The command line as a user meets it: one clear sentence and exit code 2 for every mistake."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from actspec_bench.cli.output import plain_text
from actspec_bench.data.catalogue import data_set
from actspec_bench.records.results import read_results

QUICK = ("-t", "planted-parity[n=6,terms=1]", "-m", "constant", "--seeds", "1")


def run(*words: object, cwd: Path | None = None, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actspec_bench", *map(str, words)],
        capture_output=True, text=True, cwd=cwd, timeout=120, **options,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Check for one line on standard error and exit code 2, and return the line."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nonexistent_package", "line 1 does not import: ModuleNotFoundError"),
        ("\n\ndef f(:\n", "line 3 does not import: SyntaxError"),
        ("1 / 0", "line 1 does not import: ZeroDivisionError"),
        ("import sys\nsys.exit(0)", "line 2 does not import: SystemExit"),
        (
            (
                "from actspec_bench import method\n"
                "@method('actspec', returns='units', family='f')\ndef f(problem):\n    'Mine.'\n"
            ),
            "method 'actspec' is already registered by",
        ),
        (
            (
                "from actspec_bench import method\n"
                "@method('mine', returns='pixels', family='f')\ndef f(problem):\n    'Mine.'\n"
            ),
            "field 'returns'",
        ),
        (
            (
                "from actspec_bench import task\n"
                "@task('mine', truth='none', main_metric='subset_f2')\ndef f(seed):\n    'Mine.'\n"
            ),
            "names 'subset_f2' as its main metric; did you mean 'subset_f1'",
        ),
    ],
)
def test_a_plugin_that_does_not_load_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plug.py").write_text(text)
    words = ["-t", "mine"] if "@task" in text else []
    assert message in refused(run("run", "--plugin", "plug.py", *words, cwd=tmp_path))
    assert [f.name for f in tmp_path.iterdir() if f.name != "__pycache__"] == ["plug.py"]


def test_an_output_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot write to file: it is a file" in refused(
        run("run", *QUICK, "--out", "file", cwd=tmp_path)
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told() -> None:
    """Nobody, not even root, makes folders in /proc (or, where there is none, in /)."""
    line = refused(run("run", *QUICK, "--out", "/proc/actspec-bench/x"))
    assert "cannot write to /proc/actspec-bench/x" in line
    assert "give another --out" in line


def test_a_full_disk_ends_the_run_in_one_line_and_keeps_what_was_finished(tmp_path: Path) -> None:
    """A limit on file sizes stands for a full disk: the store cannot grow beyond it."""
    limit = 120_000
    words = ("run", "-t", "planted-parity[n=40,terms=2]", "--seeds", "30", "--jobs", "1")
    done = run(
        *words, "-m", "constant", "--out", tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: cannot write to")
    assert "Traceback" not in done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "records.db")) as db:
        kept = db.execute("SELECT count(*) FROM cells WHERE record IS NOT NULL").fetchone()[0]
    assert 0 < kept < 30
    done = run(*words, "-m", "constant", "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["ran"] == 30 - kept


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "out"
    assert run("run", *QUICK, "--out", folder).returncode == 0
    return folder


def copy_of(folder: Path, target: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, target))


def test_a_damaged_store_is_told_and_fresh_sets_it_aside(finished: Path, tmp_path: Path) -> None:
    folder = copy_of(finished, tmp_path / "out")
    (folder / "records.db").write_bytes(b"not a database" * 1000)
    assert "records.db is damaged" in refused(run("run", *QUICK, "--out", folder))
    assert run("run", *QUICK, "--out", folder, "--fresh").returncode == 0
    aside = folder / "set-aside-1"
    assert (aside / "records.db").read_bytes().startswith(b"not a database")
    assert (aside / "records.jsonl").is_file()
    assert run("run", *QUICK, "--out", folder, "--fresh").returncode == 0
    assert (folder / "set-aside-2" / "records.db").is_file()


def test_a_store_of_another_schema_is_told(finished: Path, tmp_path: Path) -> None:
    folder = copy_of(finished, tmp_path / "out")
    with contextlib.closing(sqlite3.connect(folder / "records.db")) as db:
        db.execute("UPDATE meta SET value = '99'")
        db.commit()
    line = refused(run("run", *QUICK, "--out", folder))
    assert "schema version 99 and this program writes 2" in line
    assert "--fresh to set the old store aside" in line


def test_records_of_the_first_schema_are_told_with_the_remedy(
    finished: Path, tmp_path: Path
) -> None:
    text = (finished / "records.jsonl").read_text()
    old = text.replace('"schema_version":2', '"schema_version":1')
    (tmp_path / "records.jsonl").write_text(old)
    for words in (("leaderboard", tmp_path), ("run", *QUICK, "--out", tmp_path)):
        line = refused(run(*words))
        assert "has schema version 1 and this program reads 2" in line
        assert "--fresh or another --out" in line
    assert run("run", *QUICK, "--out", tmp_path, "--fresh").returncode == 0
    assert (tmp_path / "set-aside-1" / "records.jsonl").read_text() == old


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: text + text.splitlines()[1] + "\n", "records announced"),
        (lambda text: text.replace('"schema_version":2', '"schema_version":7'), "version 7"),
        (lambda _text: "", "is damaged"),
        (lambda text: text.replace('"status":"ok"', '"status":"fine"'), "is damaged"),
    ],
)
def test_damaged_records_are_told(finished: Path, tmp_path: Path, change, message: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(change((finished / "records.jsonl").read_text()))
    assert message in refused(run("leaderboard", tmp_path))


def test_a_folder_that_came_without_its_store_starts_from_its_records(
    finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "records.jsonl").write_bytes((finished / "records.jsonl").read_bytes())
    done = run("run", *QUICK, "--out", tmp_path, "--json")
    assert json.loads(done.stdout)["ran"] == 0
    assert (tmp_path / "records.jsonl").read_bytes() == (finished / "records.jsonl").read_bytes()
    (tmp_path / "records.db").unlink()
    done = run("run", *QUICK[:2], "-m", "random", "--seeds", "1", "--out", tmp_path)
    assert "also shows 1 cells of other commands" in done.stderr
    assert {r.method for r in read_results(tmp_path).records} == {"constant", "random"}
    (tmp_path / "records.db").unlink()
    (tmp_path / "records.jsonl").write_text("damaged")
    line = refused(run("run", *QUICK, "--out", tmp_path))
    assert "records.jsonl is damaged" in line
    assert "use another --out, or --fresh to set it aside" in line
    assert (tmp_path / "records.jsonl").read_text() == "damaged"
    assert run("run", *QUICK, "--out", tmp_path, "--fresh").returncode == 0
    assert (tmp_path / "set-aside-1" / "records.jsonl").read_text() == "damaged"


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


def test_a_suite_that_is_named_keeps_its_budget_and_instances_for_other_tasks() -> None:
    words = ("run", "--dry-run", "--json", "--suite", "smoke", "-m", "constant")
    (cell,) = json.loads(run(*words, "-t", "planted-nothing").stdout)
    assert (cell["budget"], cell["task"]) == (2000, "planted-nothing")


def test_a_plugin_that_registers_nothing_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text("x = 1\n")
    done = run("list", "methods", "--plugin", "plug.py", cwd=tmp_path)
    assert "plug-in plug.py registers nothing" in done.stderr


def test_two_runs_in_one_folder_at_once_are_refused(finished: Path) -> None:
    from filelock import FileLock

    with FileLock(finished / ".lock"):
        assert "another run is writing" in refused(run("run", *QUICK, "--out", finished))


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


def test_without_seeds_and_budget_there_are_five_instances_and_ten_thousand_rows() -> None:
    done = run("run", "--dry-run", "--json", "-t", "planted-nothing", "-m", "actspec")
    cells = json.loads(done.stdout)
    assert sorted(cell["instance"] for cell in cells) == [0, 1, 2, 3, 4]
    assert {cell["budget"] for cell in cells} == {10_000}


def test_options_without_a_command_run_the_default_suite(tmp_path: Path) -> None:
    """Without its data, and then with files of the size of MNIST's."""
    words = ("--dry-run", "--json", "--seeds", "1", "--data-dir", tmp_path)
    done = run(*words)
    planned = {cell["task"] for cell in json.loads(done.stdout)}
    assert len(planned) == 6
    (line,) = done.stderr.splitlines()
    assert line.startswith("left out, since their data is not here: mnist-hidden, mnist-patches,")
    assert line.endswith("`python -m actspec_bench data fetch` gets it")

    for file in data_set("mnist").files:
        with (tmp_path / file.forms[0].names[0]).open("wb") as handle:
            handle.truncate(file.forms[0].size)
    done = run(*words)
    more = {cell["task"] for cell in json.loads(done.stdout)} - planned
    assert more == {"mnist-hidden", "mnist-patches", "mnist-recoded"}
    assert "not here: sst2-tokens, sst2-recoded;" in done.stderr


def test_every_suite_can_be_planned() -> None:
    from actspec_bench.running.suites import SUITES

    for name in SUITES:
        assert json.loads(run("--dry-run", "--json", "--suite", name, "--seeds", "1").stdout)


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
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "actspec_bench", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "actspec_bench.cli.group" in imported
    assert not imported & {"torch", "captum", "sklearn"}


def test_a_run_works_from_any_folder_and_through_the_console_script(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "actspec-bench"
    done = subprocess.run(
        [script, "run", *QUICK, "--out", "here"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(read_results(tmp_path / "here").records) == 1


def test_records_name_their_machine_but_no_folder_or_user(finished: Path) -> None:
    (record,) = read_results(finished).records
    assert record.provenance["packages"]["torch"]
    assert record.provenance["threads"] == 1
    scored = {f"metric {name}" for name in (*record.scores, *record.missing)}
    assert set(record.sources) == {"task", "method"} | scored
    assert all(len(code) == 16 for code in record.sources.values())
    text = (finished / "records.jsonl").read_text()
    assert str(Path.home()) not in text
    assert str(finished) not in text


def test_an_installed_package_offers_its_own_and_a_broken_one_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "offered.py").write_text(
        "from actspec_bench import Attribution, method\n"
        "@method('offered', returns='units', family='f')\n"
        "def offered(problem):\n    'Ones.'\n    return Attribution.from_units([1.0] * problem.n)\n"
    )
    for name, module in (("good", "offered"), ("bad", "absent")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[actspec_bench.methods]\n{name} = {module}\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    words = ("-t", "planted-parity[n=6,terms=1]", "-m", "offered", "--seeds", "1")
    done = run("run", *words, "--out", tmp_path / "out", env=environment)
    assert done.returncode == 0, done.stderr
    assert "plug-in 'bad' of bad was left out: ModuleNotFoundError" in done.stderr
    assert read_results(tmp_path / "out").records[0].status == "ok"
