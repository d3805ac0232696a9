"""Plug-in files and installed packages that offer something, or fail to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import refused, run

from actspec_bench.records.results import read_results


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


def test_a_plugin_that_registers_nothing_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text("x = 1\n")
    done = run("list", "methods", "--plugin", "plug.py", cwd=tmp_path)
    assert "plug-in plug.py registers nothing" in done.stderr


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
