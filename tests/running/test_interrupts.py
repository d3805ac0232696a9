"""Runs that are interrupted or killed keep what was finished and leave nothing behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from command_line import MISBEHAVING, cells_kept, command

from actspec_bench.records.results import read_results


def interrupt(folder: Path, how: int) -> tuple[int, str]:
    """Start a run that would take long and signal it once a cell has finished."""
    process = subprocess.Popen(
        command(
            "run", "--plugin", MISBEHAVING, "-t", "tiny", "-t", "planted-parity[n=8,terms=2]",
            "-m", "well-behaved", "-m", "loops", "--seeds", 40, "--timeout", 60, "--jobs", 2,
            "--out", folder,
        ),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            if cells_kept(folder) >= 1:
                break
        except sqlite3.Error:
            continue
    process.send_signal(how)
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def alive(folder: Path) -> list[int]:
    """Cells' processes that still hold the run's folder as an argument or hang about."""
    return [
        p.pid
        for p in psutil.process_iter(["cmdline", "cwd"])
        if str(folder) in " ".join(p.info["cmdline"] or [])
    ]


def is_cell(process: psutil.Process) -> bool:
    try:
        return process.environ().get("PYTEST_XDIST_WORKER") == os.environ.get(
            "PYTEST_XDIST_WORKER"
        ) and "forkserver" in " ".join(process.cmdline())
    except psutil.Error:
        return False


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
    before = {p.pid for p in psutil.process_iter()}
    code, _ = interrupt(tmp_path / "out", signal.SIGKILL)
    assert code == -signal.SIGKILL
    deadline = time.monotonic() + 20
    left: list[psutil.Process] = []
    while time.monotonic() < deadline:
        left = [p for p in psutil.process_iter() if p.pid not in before and is_cell(p)]
        if not left:
            break
        time.sleep(0.2)
    assert not left
    assert cells_kept(tmp_path / "out") >= 1
