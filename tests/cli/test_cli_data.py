"""The commands of `data`: list, check and fetch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import imported, run
from marks import needs_data_folder
from mirror import DEAD, FASHION, IMAGES_GZ, PACKED, Mirror, is_whole, lay

from actspec_bench.cli.group import cli


def data(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["data", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "absent"),
        ({IMAGES_GZ: PACKED[IMAGES_GZ]}, "partly"),
        (PACKED, "present"),
        ({**PACKED, IMAGES_GZ: b"short"}, "wrong"),
    ],
)
def test_list_and_check_tell_the_state(
    small_data: Path, files: dict[str, bytes], state: str
) -> None:
    lay(small_data / "mnist", files)
    code, output = data("list", "mnist", "--json")
    (row,) = json.loads(output)
    assert code == 0
    assert row["state"] == state
    assert row["where"] == (str(small_data / "mnist") if files else None)
    assert row["size"] == sum(map(len, PACKED.values()))
    code, output = data("check", "mnist")
    assert code == (0 if state == "present" else 1)
    assert f"mnist   {state}" in data()[1]
    if state == "wrong":
        assert "looks like a broken transfer" in output


def test_check_finds_what_sizes_do_not_show(small_data: Path) -> None:
    lay(small_data / "mnist", {**PACKED, IMAGES_GZ: FASHION})
    assert json.loads(data("list", "mnist", "--json")[1])[0]["state"] == "present"
    code, output = data("check", "mnist")
    assert code == 1
    assert "it is Fashion-MNIST's file of the same name" in output


@needs_data_folder
def test_the_commands_see_the_real_data() -> None:
    assert data("check")[0] == 0
    code, output = data("fetch", "--json")
    assert code == 0
    assert json.loads(output) == {"mnist": "there", "sst2": "there"}


def test_the_commands_do_not_load_torch() -> None:
    modules = imported("data", "list")
    assert "actspec_bench.data.finding" in modules
    assert "torch" not in modules


SCRIPT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from mirror import small_mnist
from actspec_bench.cli.group import main
from actspec_bench.data.catalogue import CATALOGUE
CATALOGUE["mnist"] = small_mnist(sys.argv.pop(1))
main()
"""


def start(mirror: Mirror, folder: Path, *words: str) -> subprocess.Popen[str]:
    """Run the command line with a catalogue that names the mirror."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1]), mirror.url, "data", *words,
         "--data-dir", str(folder)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_an_interrupted_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    part = tmp_path / "mnist" / f"{IMAGES_GZ}.part"
    with Mirror(chunk=200, pause=0.2) as mirror:
        process = start(mirror, tmp_path, "fetch", "mnist")
        deadline = time.monotonic() + 30
        while not mirror.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output) == (130, "")
        assert errors.strip().splitlines()[-1] == "interrupted: the same command goes on from here"
        have = part.stat().st_size
        assert 0 < have < len(PACKED[IMAGES_GZ])
        mirror.chunk = 1 << 16
        again = start(mirror, tmp_path, "fetch", "mnist")
        output, errors = again.communicate(timeout=30)
        assert (again.returncode, output) == (0, f"mnist fetched into {tmp_path / 'mnist'}\n")
        assert mirror.asked[1] == (IMAGES_GZ, f"bytes={have}-")
        once_more = start(mirror, tmp_path, "fetch", "mnist")
        assert once_more.communicate(timeout=30) == ("mnist is there already\n", "")
    assert is_whole(tmp_path)
    check = start(mirror, tmp_path, "check", "mnist")
    check.communicate(timeout=30)
    assert check.returncode == 0


def test_a_command_without_a_network_ends_in_one_sentence(tmp_path: Path) -> None:
    offline = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    words = ("data", "fetch", "sst2", "--data-dir", ".")
    done = run(*words, cwd=tmp_path, env=offline | {"HTTPS_PROXY": DEAD})
    assert (done.returncode, done.stdout) == (1, "")
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "SST-2.zip of sst2 could not be fetched" in error
    assert "Traceback" not in done.stderr
