"""The README's code runs as it stands, and its board is the published one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)).splitlines()
FILES = {code.splitlines()[0].removeprefix("# "): code for code in PYTHON if code[0] == "#"}
COMMANDS = [line.partition("  #")[0] for line in SHELL if line.startswith("python -m")]
# The main job and the published suite are run whole by the continuous integration script.
QUICK = [line for line in COMMANDS if "run -t" in line or "run --plugin" in line or "smoke" in line]


@pytest.mark.parametrize("code", [code for code in PYTHON if code not in FILES.values()])
def test_example_code_runs_and_prints_what_it_says(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = re.search(r"print\(.*?\)  # (.*)", code)
    if said:
        numbers = re.compile(r"-?\d+\.\d+")
        assert numbers.sub("x", done.stdout.strip()) == numbers.sub("x", said[1])
        for printed, promised in zip(
            numbers.findall(done.stdout), numbers.findall(said[1]), strict=True
        ):
            assert float(printed) == pytest.approx(float(promised), abs=1e-3)


def test_the_commands_run_in_the_order_given(tmp_path: Path) -> None:
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    assert set(FILES) == {"my_method.py", "my_network.py", "my_task.py"}
    lines = [*QUICK, *(line for line in COMMANDS if " compare " in line or " list" in line)]
    assert len(lines) == 8
    for line in lines:
        words = [sys.executable, *shlex.split(line)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
    board = (tmp_path / "results" / "mine-too" / "leaderboard.md").read_text()
    assert "mean_order" in board
    assert re.search(r"exact-wht .*\*\*1\.000", board)


def test_every_command_in_the_readme_is_tested_or_the_main_job() -> None:
    elsewhere = {
        "python -m actspec_bench",
        "python -m actspec_bench show planted-parity",
        "python -m actspec_bench spectrum digits-hidden --trace",
        "python -m actspec_bench data fetch",
        "python -m actspec_bench data check",
        "python -m actspec_bench run --suite default --plugin my_method.py --out leaderboards/mine",
        "python -m actspec_bench leaderboard leaderboards/mine --check",
        "python -m actspec_bench run --suite paper",
        "python -m actspec_bench run --suite full",
        "python -m benchmarks.batching",
        "python -m benchmarks.tasks",
        "python -m benchmarks.search",
        "python -m benchmarks.search --quick --out results/search",
        "python -m benchmarks.layers",
        "python -m benchmarks.layers --quick --out results/layers",
    }
    tested = {line.strip() for line in COMMANDS if line in QUICK or "compare" in line}
    listed = {"python -m actspec_bench list", "python -m actspec_bench data list"}
    assert {line.strip() for line in COMMANDS} == tested | elsewhere | listed


def test_the_board_shown_is_the_published_one() -> None:
    published = (ROOT / "leaderboards" / "default" / "leaderboard.md").read_text()
    shown = re.search(r"<!-- board -->\n(.*?)\n<!-- /board -->", README, re.DOTALL)
    assert shown
    table = re.search(r"## Budget 10,000 rows\n\n(.*?)\n\n(?=## |!\[)", published, re.DOTALL)
    assert table
    assert shown[1] == table[1]
