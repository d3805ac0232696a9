"""The command `spectrum`: what it prints, what it draws, and how it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_line import refused, run

from actspec_bench.records.results import read_results

SMALL = "planted-parity[n=8,orders=(1,2,3),terms=3]"
SVG = "{http://www.w3.org/2000/svg}"


def words_in(picture: Path, least: int = 6) -> list[str]:
    """Text of an SVG that has something drawn in it."""
    root = ET.fromstring(picture.read_text())
    assert len(list(root.iter(f"{SVG}path"))) >= least
    return ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]


def test_a_planted_sum_is_told_drawn_and_traced(tmp_path: Path) -> None:
    done = run("spectrum", SMALL, "--trace", "--budget", "4000", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "results" / "spectrum" / SMALL
    assert sorted(f.name for f in folder.iterdir()) == [
        "spectrum.json",
        "spectrum.svg",
        "units.svg",
    ]
    told = json.loads((folder / "spectrum.json").read_text())
    assert set(told["by_order"]) == {"1", "2", "3"}
    assert told["found"]["value"] == pytest.approx(1)
    assert sum(told["rows_asked"].values()) <= 4000
    assert "not found  0.0" in done.stdout
    assert f"{len(told['units_90']['units'])} [" in done.stdout
    for one in told["subsets"]:
        assert f"{one['coefficient']['value']:+.3f}" in done.stdout
    largest = told["traces"][0]
    assert largest["units"] == told["subsets"][0]["units"]
    assert len(largest["table"]) == 2 ** len(largest["units"])
    spectrum = words_in(folder / "spectrum.svg")
    assert {"1", "2", "3", "coefficient", "share of the variance, %"} <= set(spectrum)
    for share in told["by_order"].values():
        assert f"{100 * share['value']:.1f}" in spectrum
    units = words_in(folder / "units.svg")
    for one in told["subsets"]:
        assert f"{one['coefficient']['value']:+.3f}" in units


def test_what_the_method_warns_of_is_shown(tmp_path: Path) -> None:
    task = "planted-parity[n=64,terms=20,order=3]"
    done = run("spectrum", task, "--budget", "600", "--runs", "1", "--out", "d", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (warning,) = json.loads((tmp_path / "d" / "spectrum.json").read_text())["warnings"]
    assert "of the variance unexplained on" in warning
    assert f"warning: {warning}" in done.stdout


def test_digits_are_traced_to_images(tmp_path: Path) -> None:
    done = run("spectrum", "digits-hidden", "--trace", "--seed", "1", "--out", "d", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    picture = tmp_path / "d" / "trace.svg"
    words = words_in(picture)
    told = json.loads((tmp_path / "d" / "spectrum.json").read_text())
    assert told["traces"]
    assert words.count("strongest") == words.count("difference") == len(told["traces"])
    images = list(ET.fromstring(picture.read_text()).iter(f"{SVG}image"))
    # Two means, their difference and six examples a side, for each subset.
    assert len(images) == 15 * len(told["traces"])
    for trace in told["traces"]:
        assert trace["of"] == "held-out inputs"
        assert sum(side["rows"] for side in trace["sides"]) == trace["rows"] == 450
        assert f"(reported {trace['coefficient']:+.3f})" in done.stdout


def test_json_is_what_is_written_and_the_seed_decides(tmp_path: Path) -> None:
    words = ("spectrum", SMALL, "-m", "exact-wht", "--json", "--budget", "256")
    printed = run(*words, "--out", "a", cwd=tmp_path).stdout
    assert json.loads(printed) == json.loads((tmp_path / "a" / "spectrum.json").read_text())
    assert run(*words, "--out", "b", cwd=tmp_path).stdout == printed
    for name in ("spectrum.svg", "units.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other = json.loads(run(*words, "--out", "c", "--seed", "1", cwd=tmp_path).stdout)
    assert other["instance"] == 1
    assert other["variance"] != json.loads(printed)["variance"]


def test_the_method_sees_the_same_as_in_a_run(tmp_path: Path) -> None:
    task, method = "planted-parity[n=8,noise=0.5,terms=2]", "actspec"
    words = ("-t", task, "-m", method, "--seeds", "2", "--budget", "900", "--out", "r")
    run("run", *words, cwd=tmp_path)
    told = json.loads(
        run("spectrum", task, "--seed", "1", "--budget", "900", "--json", cwd=tmp_path).stdout
    )
    (record,) = (r for r in read_results(tmp_path / "r").records if r.instance == 1)
    assert [s["units"] for s in told["subsets"]] == record.subsets
    assert [s["reported"] for s in told["subsets"]] == pytest.approx(record.coefficients)


def test_scores_of_units_are_drawn_as_units(tmp_path: Path) -> None:
    done = run("spectrum", SMALL, "-m", "feature-ablation", "--out", "u", cwd=tmp_path)
    assert done.returncode == 0
    assert "feature-ablation scores single units" in done.stdout
    told = json.loads((tmp_path / "u" / "spectrum.json").read_text())
    assert set(told["by_order"]) == {"1"}
    titles = words_in(tmp_path / "u" / "units.svg")
    assert "over all subsets" in titles
    assert not any(word.startswith(("+0.", "-0.")) for word in titles)


def test_several_runs_tell_what_one_would_not(tmp_path: Path) -> None:
    """A method that finds another unit with each seed, and tells things beside its subsets."""
    (tmp_path / "plug.py").write_text(
        "import torch\n"
        "from actspec_bench import Attribution, method\n"
        "@method('fickle', returns='subsets', family='f')\n"
        "def fickle(problem):\n    'Fickle.'\n"
        "    one = int(torch.randint(2, 8, (1,), generator=problem.generator))\n"
        "    info = {'stand_ins': [[[0, 2], [0, 3], [0, 4]], []], 'warnings': ['few inputs'],\n"
        "            'units_left_out': {'nearly constant': [5, 6]},\n"
        "            'unexplained': [0.2, 0.1, 0.3]}\n"
        "    return Attribution.from_subsets({(0, 1): 1.0, (one,): 0.5}, info=info)\n"
    )
    words = ("spectrum", "planted-parity[n=8,order=1,terms=8]", "-m", "fickle")
    done = run(*words, "--plugin", "plug.py", "--runs", "4", "--out", "r", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "r" / "spectrum.json").read_text())
    assert told["runs"] == len(told["by_order_of_run"]) == 4
    assert told["decomposition"] == "orthonormal characters"
    pair, single = told["subsets"]
    assert (pair["runs_exact"], pair["runs_alike"]) == (4, 4)
    assert single["runs_exact"] < 4
    assert pair["stand_ins"] == [[0, 2], [0, 3], [0, 4]]
    assert told["unexplained_by_method"] == [0.2, 0.1, 0.3]
    assert told["units_left_out"] == {"nearly constant": [5, 6]}
    assert pair["interaction"]["value"] == 0
    for said in (
        "means over 4 runs of the method with other seeds; intervals hold",
        "warning: few inputs",
        "warning: order 1 would change with the seed",
        "left out, nearly constant: 5, 6",
        "by the method's own account of its first run 20.0% [10.0, 30.0] is not explained",
        "0, 2 | 0, 3 and 1 more",
        "of which a sum of functions of single units has none",
    ):
        assert said in done.stdout
    assert "or 0, 2 and 2 more" in words_in(tmp_path / "r" / "units.svg")
    alone = run(*words, "--plugin", "plug.py", "--runs", "1", "--out", "o", cwd=tmp_path).stdout
    assert "one run of the method: how its search varies with its seed is not" in alone
    assert "found in" not in alone


def test_nothing_to_find_is_said_with_its_reason(tmp_path: Path) -> None:
    done = run("spectrum", "planted-nothing[n=8]", "--trace", "--out", "n", cwd=tmp_path)
    assert done.returncode == 0
    assert "is constant: all 16,384 fresh draws have the value 0" in done.stdout
    assert "no subset found" in words_in(tmp_path / "n" / "spectrum.svg", least=1)
    assert not (tmp_path / "n" / "units.svg").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["planted-party"], "no task 'planted-party'; did you mean 'planted-parity'"),
        ([SMALL, "-m", "actspek"], "no method 'actspek'; did you mean 'actspec'"),
        ([SMALL, "-m", "exact-wht", "--budget", "99"], "all 256 patterns are needed"),
        (["digits-hidden", "-m", "oracle"], "the task has no known truth"),
        ([], "Missing argument 'TASK'"),
        ([SMALL, "--seed", "-1"], "'--seed'"),
        ([SMALL, "--out", "file"], "file is a file; give another --out"),
        ([SMALL, "--plugin", "nowhere.py"], "no plug-in file 'nowhere.py'"),
    ],
)
def test_a_mistake_gets_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "file").write_text("mine")
    assert message in refused(run("spectrum", *words, cwd=tmp_path))
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


def test_data_that_is_not_there_is_a_skip_with_the_remedy(tmp_path: Path) -> None:
    nowhere = {**os.environ, "ACTSPEC_BENCH_DATA": str(tmp_path), "HOME": str(tmp_path)}
    nowhere["ACTSPEC_BENCH_CACHE"] = str(tmp_path / "cache")
    done = run("spectrum", "mnist-hidden", cwd=tmp_path, env=nowhere)
    assert done.returncode == 0
    assert done.stdout.startswith("skipped: ")
    assert "data fetch" in done.stdout


def test_a_method_that_fails_is_one_line_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(
        "from actspec_bench import method\n"
        "@method('broken', returns='units', family='f')\n"
        "def broken(problem):\n    'Broken.'\n    return 1 / 0\n"
        "@method('greedy', returns='units', family='f')\n"
        "def greedy(problem):\n    'Greedy.'\n"
        "    problem.value(problem.sample(problem.budget + 1))\n"
    )
    done = run("spectrum", SMALL, "-m", "broken", "--plugin", "plug.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: method 'broken' failed: ZeroDivisionError: division by zero\n"
    greedy = refused(run("spectrum", SMALL, "-m", "greedy", "--plugin", "plug.py", cwd=tmp_path))
    assert "went over the budget" in greedy


def test_help_and_list_do_not_import_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from actspec_bench.cli.group import cli; "
        "told = CliRunner().invoke(cli, ['spectrum', '--help']).output; "
        "assert 'TASK' in told and '--trace' in told, told; "
        "CliRunner().invoke(cli, ['list']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
