"""What a cell started ends, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import by_method, command, run

from actspec_bench.running.family import end_orphans

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
    own = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        end_orphans(os.getpid(), living=())
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()
