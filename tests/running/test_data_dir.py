"""The folder of data that a run is told of is that of its cells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from command_line import run

from actspec_bench.records.results import read_results

PLUGIN = """
from actspec_bench import Instance, Problem, task
from actspec_bench.data import read_mnist
from actspec_bench.data.finding import data_dir

@task("where", truth="none", main_metric="surrogate_r2")
def where(seed):
    "Tells the folder of data."
    return Instance(Problem.from_function(lambda x: x[:, 0], 3), facts={"data": data_dir().name})

@task("reads", truth="none", main_metric="surrogate_r2")
def reads(seed):
    "Reads MNIST."
    read_mnist("train")
"""
TWICE = """
import sys
from pathlib import Path
from click.testing import CliRunner
from actspec_bench.cli.group import cli
for name in ("one", "two"):
    Path(name).mkdir()
    words = ["run", "--plugin", "plugin.py", "-t", "where", "-m", "constant", "--seeds", "1"]
    done = CliRunner().invoke(cli, [*words, "--data-dir", name, "--out", f"out-{name}"])
    assert done.exit_code == 0, done.output
"""


def test_the_folder_reaches_the_cells_of_every_run(tmp_path: Path) -> None:
    # Two runs in one process share a fork server, whose environment is that of its first start.
    (tmp_path / "plugin.py").write_text(PLUGIN)
    subprocess.run([sys.executable, "-c", TWICE], cwd=tmp_path, check=True, timeout=120)
    for name in ("one", "two"):
        (record,) = read_results(tmp_path / f"out-{name}").records
        assert (record.status, record.facts) == ("ok", {"data": name})


def test_without_data_a_task_is_skipped_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "empty").mkdir()
    done = run(
        "run", "--plugin", "plugin.py", "-t", "reads", "-t", "where", "-m", "constant",
        "--seeds", 1, "--data-dir", "empty", "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = {record.task: record for record in read_results(tmp_path / "out").records}
    assert records["where"].status == "ok"
    assert records["reads"].status == "skipped"
    assert "run `python -m actspec_bench data fetch mnist`" in records["reads"].reason
    assert "skipped: the data set 'mnist' is not on this machine" in done.stdout
