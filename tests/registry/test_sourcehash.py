from __future__ import annotations

from pathlib import Path

from actspec_bench.registry.entries import methods
from actspec_bench.registry.sourcehash import _collect, source_digest


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_an_edit_of_an_imported_helper_changes_the_digest(tmp_path: Path) -> None:
    plugin = write(tmp_path, "plug.py", "import helper\nimport numpy\n")
    write(tmp_path, "helper.py", "def f():\n    from deeper import g\n")
    write(tmp_path, "deeper.py", "g = 1\n")
    write(tmp_path, "unrelated.py", "h = 1\n")
    first = source_digest(plugin, "plug")
    write(tmp_path, "unrelated.py", "h = 2\n")
    assert source_digest(plugin, "plug") == first
    write(tmp_path, "deeper.py", "g = 2\n")
    assert source_digest(plugin, "plug") != first


def test_a_circular_import_ends(tmp_path: Path) -> None:
    plugin = write(tmp_path, "one.py", "import two\n")
    write(tmp_path, "two.py", "import one\n")
    assert source_digest(plugin, "one") == source_digest(plugin, "one")


def test_actspec_depends_on_its_search_and_the_harness_but_not_on_other_methods() -> None:
    entry = methods["actspec"]
    seen: dict[str, Path] = {}
    _collect(entry.function.__module__, Path(entry.origin), seen)
    assert {
        "actspec_bench.methods.actspec.tree",
        "actspec_bench.fourier.spectrum",
        "actspec_bench.problems.problem",
    } <= set(seen)
    assert "actspec_bench.methods.gradient" not in seen
    assert not any(name.startswith("actspec_bench.cli") for name in seen)
