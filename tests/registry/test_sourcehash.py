from __future__ import annotations

from pathlib import Path

from actspec_bench.registry.entries import methods, tasks
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


def test_a_plug_in_hangs_on_the_public_names_that_it_imports_and_no_others(tmp_path: Path) -> None:
    def closure(text: str) -> set[str]:
        seen: dict[str, Path] = {}
        _collect("plug", write(tmp_path, f"plug{len(text)}.py", text), seen)
        return set(seen)

    method = closure("from actspec_bench import Attribution, method\n")
    assert "actspec_bench.problems.attribution" in method
    assert "actspec_bench.registry.decorators" in method
    assert not any(name.startswith("actspec_bench.tasks") for name in method)
    assert "actspec_bench.tasks.kinds.hidden" in closure("from actspec_bench import hidden_task\n")
    assert "actspec_bench.problems.devices" in closure("from actspec_bench import devices\n")
    assert "actspec_bench.tasks.kinds.hidden" in closure("import actspec_bench as ab\n")


def test_two_networks_tasks_do_not_hang_on_each_other_s_code() -> None:
    for name, own, other in (("mnist-hidden", "mnist", "digits"), ("sst2-heads", "sst2", "mnist")):
        seen: dict[str, Path] = {}
        _collect(tasks[name].function.__module__, Path(tasks[name].origin), seen)
        assert f"actspec_bench.tasks.networks.{own}" in seen
        assert not any(
            module.startswith(f"actspec_bench.tasks.networks.{other}") for module in seen
        )
