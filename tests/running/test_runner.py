"""Whole runs in child processes: statuses, limits, resuming, and the same numbers always."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actspec_bench.records.record import Record
from actspec_bench.records.results import read_results

PLUGIN = Path(__file__).parents[1] / "plugins" / "misbehaving.py"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "actspec_bench", *map(str, words)]


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, cwd=cwd, timeout=300)


def by_method(folder: Path) -> dict[str, Record]:
    return {record.method: record for record in read_results(folder).records}


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """One run of every bad method; a memory limit that plain torch fits in."""
    folder = tmp_path_factory.mktemp("misbehaved")
    sys.path.insert(0, str(PLUGIN.parent))
    names = [
        line.removeprefix("def ").partition("(")[0].replace("_", "-")
        for block in PLUGIN.read_text().split("@register\n")[1:]
        for line in block.splitlines()[:1]
    ]
    words = [word for name in names for word in ("-m", name)]
    done = run(
        "run", "--plugin", PLUGIN, "-t", "tiny", *words, "--seeds", 1, "--budget", 50,
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
    assert str(PLUGIN.parent) not in (misbehaved[0] / "records.jsonl").read_text()


def test_what_a_cell_started_ends_with_it(misbehaved: tuple[Path, int, str]) -> None:
    import psutil

    record = by_method(misbehaved[0])["leaves-a-process"]
    assert record.status == "ok"
    with contextlib.suppress(psutil.NoSuchProcess):
        left = psutil.Process(record.info["pid"])
        assert left.status() == psutil.STATUS_ZOMBIE or "1234.5" not in left.cmdline()


LEAVING = """
import os, subprocess, sys, time
from pathlib import Path
from actspec_bench import Attribution, method

def detached(name):
    "Start a process, by way of another that ends, in a session of its own."
    code = "import subprocess, sys; from pathlib import Path; " \\
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True); " \\
        "Path(sys.argv[1]).write_text(str(child.pid))"
    file = Path(__file__).parent / name
    subprocess.run([sys.executable, "-c", code, file], start_new_session=True, check=True)
    return int(file.read_text())

@method("dies", returns="units", family="bad")
def dies(problem):
    "Leaves a process behind and ends its own."
    detached("dies.pid")
    os._exit(4)

@method("returns", returns="units", family="bad")
def returns(problem):
    "Leaves a process behind and says whose it is now."
    import psutil
    adopted = psutil.Process(detached("returns.pid")).ppid() == os.getpid()
    return Attribution.from_units([1.0] * problem.n, info={"adopted": adopted})

@method("bystander", returns="units", family="bad")
def bystander(problem):
    "Is at work while others end."
    time.sleep(6)
    return Attribution.from_units([1.0] * problem.n)

@method("waits", returns="units", family="bad")
def waits(problem):
    "Leaves a process behind and works on."
    detached("waits.pid")
    time.sleep(600)
"""


def ends_soon(pid: int, seconds: float = 10) -> bool:
    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE or "600" not in process.cmdline():
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_what_a_cell_detached_ends_though_the_cell_ended_first(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    done = run(
        "run", "--plugin", tmp_path / "leaving.py", "-t", "planted-nothing[n=4]", "-m", "dies",
        "-m", "returns", "-m", "bystander", "--seeds", 1, "--jobs", 2, "--out", tmp_path / "out",
    )  # fmt: skip
    records = by_method(tmp_path / "out")
    assert "exit code 4" in records["dies"].reason
    assert records["returns"].info == {"adopted": True}
    assert records["bystander"].status == "ok", records["bystander"].reason
    assert ends_soon(int((tmp_path / "dies.pid").read_text()))
    assert ends_soon(int((tmp_path / "returns.pid").read_text()))
    assert "unexpected pid" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_what_a_cell_detached_ends_though_the_run_is_killed(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    process = subprocess.Popen(
        command(
            "run", "--plugin", tmp_path / "leaving.py", "-t", "planted-nothing[n=4]", "-m",
            "waits", "--seeds", 1, "--out", tmp_path / "out",
        ),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    file = tmp_path / "waits.pid"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (file.is_file() and file.read_text()):
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert ends_soon(int(file.read_text()))


def test_a_process_s_own_children_are_no_orphans() -> None:
    from actspec_bench.running.family import end_orphans

    own = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        end_orphans(os.getpid(), living=())
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()


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
        "run", "--plugin", PLUGIN, "-t", "broken-task", "-m", "constant", "--seeds", 1,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    record = by_method(tmp_path / "out")["constant"]
    assert record.reason == "RuntimeError: no such thing"


ARGUMENTS = (
    "-t", "planted-parity[n=8,terms=2,noise=0.1]", "-t", "planted-nothing[n=6]",
    "--seeds", 2, "--budget", 600,
)  # fmt: skip
TIMED = ("seconds", "cpu_seconds", "peak_mib")


def numbers(folder: Path) -> list[dict]:
    """Records without what may differ between runs: times, memory and nothing else."""
    kept = []
    for record in read_results(folder).records:
        content = record.model_dump()
        content.pop("phases")
        content["scores"] = {k: v for k, v in record.scores.items() if k not in TIMED}
        kept.append(content)
    return kept


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "out"
    assert run("run", *ARGUMENTS, "--jobs", 1, "--out", folder).returncode == 0
    return folder


def test_numbers_do_not_depend_on_workers_or_order(reference: Path, tmp_path: Path) -> None:
    assert run("run", *ARGUMENTS, "--jobs", 3, "--out", tmp_path / "a").returncode == 0
    assert numbers(tmp_path / "a") == numbers(reference)
    first, second = ARGUMENTS[:2], ARGUMENTS[2:4]
    shuffled = (*second, *first, *ARGUMENTS[4:])
    methods = ["shapley-sampling", "actspec", "random"]
    words = [w for m in methods for w in ("-m", m)]
    assert run("run", *shuffled, *words, "--out", tmp_path / "b").returncode == 0
    assert numbers(tmp_path / "b") == [r for r in numbers(reference) if r["method"] in methods]


def test_numbers_are_those_of_the_same_process(reference: Path) -> None:
    """The engine adds nothing: a cell in this process gives the stored scores."""
    from actspec_bench.running.cell import execute
    from actspec_bench.running.plan import plan_cells
    from actspec_bench.running.suites import Suite

    suite = Suite(
        "one", "", (ARGUMENTS[1],), ("actspec", "shapley-sampling"), budgets=(600,), instances=2
    )
    stored = {record.cell: record for record in read_results(reference).records}
    for cell in plan_cells(suite):
        fields = execute(cell)
        record = stored[cell.id]
        assert fields["subsets"] == record.subsets
        assert fields["coefficients"] == record.coefficients
        for name, value in record.scores.items():
            if name not in TIMED:
                assert fields["scores"][name] == value, name


def test_running_again_runs_nothing_and_changes_nothing(reference: Path) -> None:
    before = (reference / "records.jsonl").read_bytes()
    done = run("run", *ARGUMENTS, "--out", reference, "--json")
    assert json.loads(done.stdout)["ran"] == 0
    assert (reference / "records.jsonl").read_bytes() == before


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("run", *ARGUMENTS, "-m", "actspec", "-m", "random", "--out", out).returncode == 0
    done = run("run", *ARGUMENTS, "--out", out, "--json")
    told = json.loads(done.stdout)
    assert told["ran"] == len(numbers(reference)) - 8
    assert numbers(out) == numbers(reference)


def test_edited_code_is_run_again_and_the_rest_is_not(tmp_path: Path) -> None:
    plugin = tmp_path / "plug.py"
    helper = tmp_path / "plug_helper.py"
    text = PLUGIN.read_text().partition("@task")[0]
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


def interrupt(folder: Path, how: int) -> tuple[int, str]:
    """Start a run that would take long and signal it once three cells have finished."""
    process = subprocess.Popen(
        command(
            "run", "--plugin", PLUGIN, "-t", "tiny", "-t", "planted-parity[n=8,terms=2]",
            "-m", "well-behaved", "-m", "loops", "--seeds", 40, "--timeout", 60, "--jobs", 2,
            "--out", folder,
        ),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{folder / 'records.db'}?mode=ro", uri=True)
            ) as db:
                query = "SELECT count(*) FROM cells WHERE record IS NOT NULL"
                if db.execute(query).fetchone()[0] >= 1:
                    break
        except sqlite3.Error:
            continue
    process.send_signal(how)
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def alive(folder: Path) -> list[int]:
    """Cells' processes that still hold the run's folder as an argument or hang about."""
    import psutil

    return [
        p.pid
        for p in psutil.process_iter(["cmdline", "cwd"])
        if str(folder) in " ".join(p.info["cmdline"] or [])
    ]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_every_finished_cell(tmp_path: Path, how: int) -> None:
    code, printed = interrupt(tmp_path / "out", how)
    assert code == 130
    assert "finished cells are kept" in printed
    records = read_results(tmp_path / "out")
    assert records.records
    assert all(record.status == "ok" for record in records.records)
    assert len(records.records) + len(records.pending) == 160
    assert "| not run" not in printed
    assert not alive(tmp_path)


def test_killing_the_run_leaves_no_cell_behind_and_loses_no_finished_one(tmp_path: Path) -> None:
    import psutil

    before = {p.pid for p in psutil.process_iter()}
    code, _ = interrupt(tmp_path / "out", signal.SIGKILL)
    assert code == -signal.SIGKILL
    deadline = time.monotonic() + 20
    left: list[psutil.Process] = []
    while time.monotonic() < deadline:
        left = [p for p in psutil.process_iter() if p.pid not in before and _is_cell(p)]
        if not left:
            break
        time.sleep(0.2)
    assert not left
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "records.db")) as db:
        query = "SELECT count(*) FROM cells WHERE record IS NOT NULL"
        assert db.execute(query).fetchone()[0] >= 1


def _is_cell(process) -> bool:
    import psutil

    try:
        return process.environ().get("PYTEST_XDIST_WORKER") == os.environ.get(
            "PYTEST_XDIST_WORKER"
        ) and "forkserver" in " ".join(process.cmdline())
    except psutil.Error:
        return False
