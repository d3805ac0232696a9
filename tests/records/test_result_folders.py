"""Result folders that cannot be written, are damaged, or come from elsewhere."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sqlite3
from pathlib import Path

import pytest
from command_line import QUICK, cells_kept, refused, run
from filelock import FileLock

from actspec_bench.records.results import read_results


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
    kept = cells_kept(tmp_path / "out")
    assert 0 < kept < 30
    done = run(*words, "-m", "constant", "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["ran"] == 30 - kept


def test_a_damaged_store_is_told_and_fresh_sets_it_aside(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "out"))
    (folder / "records.db").write_bytes(b"not a database" * 1000)
    assert "records.db is damaged" in refused(run("run", *QUICK, "--out", folder))
    assert run("run", *QUICK, "--out", folder, "--fresh").returncode == 0
    aside = folder / "set-aside-1"
    assert (aside / "records.db").read_bytes().startswith(b"not a database")
    assert (aside / "records.jsonl").is_file()
    assert run("run", *QUICK, "--out", folder, "--fresh").returncode == 0
    assert (folder / "set-aside-2" / "records.db").is_file()


def test_a_store_of_another_schema_is_told(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "out"))
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


def test_two_runs_in_one_folder_at_once_are_refused(finished: Path) -> None:
    with FileLock(finished / ".lock"):
        assert "another run is writing" in refused(run("run", *QUICK, "--out", finished))
