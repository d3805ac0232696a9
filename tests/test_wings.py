"""The structure: which wing may import which, and what of it, read from the imports."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from actspec_bench.registry.entries import methods, metrics, tasks
from actspec_bench.running.worker import preload

ROOT = Path(__file__).parent.parent
PACKAGE = "actspec_bench"
# From the ground up: a wing imports only wings that stand above it here, and these alone.
ALLOWED = {
    "ground": set(),
    "fourier": set(),
    "registry": {"ground"},
    "data": {"ground"},
    "problems": {"ground", "fourier"},
    "metrics": {"ground", "fourier", "registry", "problems"},
    "records": {"ground", "registry"},
    "board": {"ground", "registry", "records"},
    "spectra": {"ground", "fourier", "problems", "records"},
    "methods": {"ground", "fourier", "registry", "problems"},
    "tasks": {"ground", "fourier", "registry", "data", "problems"},
    "running": {"ground", "registry", "data", "problems", "metrics", "records", "board"},
    "api": {"ground", "registry", "problems"},
    "cli": {
        "ground", "registry", "data", "problems", "records", "board", "spectra", "running",
    },
    "front": {"ground", "registry", "problems", "spectra", "tasks", "api", "cli"},
    "benchmarks": {
        "ground", "fourier", "registry", "problems", "metrics", "records", "running", "front",
    },
}  # fmt: skip
TOP = {
    "account": "ground",
    "caching": "ground",
    "errors": "ground",
    "figures": "ground",
    "seeds": "ground",
    "version": "ground",
    "api": "api",
    "__init__": "front",
    "__main__": "front",
}
MOST_LINES = 300


def module_files() -> dict[str, Path]:
    """Dotted name below the package -> file, of the harness and all that stands beside it."""
    folders = {PACKAGE: "", "methods": "methods.", "tasks": "tasks.", "benchmarks": "benchmarks."}
    found = {}
    for folder, prefix in folders.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[prefix + ".".join(parts)] = file
    return found


def wing_of(module: str) -> str:
    first = module.partition(".")[0]
    return TOP.get(first, first)


@cache
def imports(module: str) -> tuple[tuple[str, str], ...]:
    """What a module imports of the project, wherever in it: (module or package, name or "").

    Without the package's own name, so that ``problems.meter`` is in the wing ``problems``.
    """
    found = []
    for node in ast.walk(ast.parse(module_files()[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            named = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            named = [(alias.name, "") for alias in node.names]
        else:
            continue
        found += [
            (whole.removeprefix(PACKAGE).removeprefix("."), name)
            for whole, name in named
            if whole.partition(".")[0] in (PACKAGE, "benchmarks")
        ]
    return tuple(found)


def targets(module: str) -> Iterator[str]:
    """Modules that a module imports; ``from wing import module`` is an import of the module."""
    files = module_files()
    for base, name in imports(module):
        inside = f"{base}.{name}" if base else name
        yield next(
            one
            for one in (inside, f"{inside}.__init__", base, f"{base}.__init__", "__init__")
            if one in files
        )


def exported(module: str) -> list[str]:
    """Names in the ``__all__`` of a module, as they are written."""
    for node in ast.parse(module_files()[module].read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def test_wings_import_the_wings_that_the_table_allows_and_no_others() -> None:
    arrows: dict[str, set[str]] = {wing: set() for wing in ALLOWED}
    for module in module_files():
        arrows[wing_of(module)] |= {wing_of(target) for target in targets(module)}
    assert {wing: found - {wing} for wing, found in arrows.items()} == ALLOWED


def test_the_table_stands_on_the_ground() -> None:
    below: set[str] = set()
    for wing, allowed in ALLOWED.items():
        assert allowed <= below, wing
        below.add(wing)


def test_methods_tasks_and_tests_are_not_imported_by_the_names_of_their_folders() -> None:
    for module, file in module_files().items():
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            assert not roots & {"methods", "tasks", "tests"}, module


def test_modules_named_in_texts_are_there() -> None:
    """Those that cards and the fork server have imported beforehand, passing over absent ones."""
    entries = [entry for registry in (tasks, methods, metrics) for entry in registry]
    named = {name for entry in entries for name in getattr(entry.card, "imports", ())}
    named |= set(preload([]))
    own = {name.removeprefix(f"{PACKAGE}.") for name in named if name.startswith(f"{PACKAGE}.")}
    assert len(own) > 15
    files = module_files()
    assert [name for name in own if name not in files and f"{name}.__init__" not in files] == []


def test_nothing_private_crosses_from_one_wing_to_another() -> None:
    for module in module_files():
        for base, name in imports(module):
            if wing_of(base or "__init__") != wing_of(module):
                parts = [*base.split("."), name]
                private = [p for p in parts if p.startswith("_") and not p.endswith("__")]
                assert not private, (module, base, name)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {m: {t for t in targets(m) if t != m} for m in module_files() if m != "__init__"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_front_pages_name_what_other_wings_take_and_nothing_else() -> None:
    taken: dict[str, set[str]] = {}
    for module in module_files():
        for base, name in imports(module):
            wing, _, inside = base.partition(".")
            if wing in ALLOWED and wing != wing_of(module) and wing not in {"tasks", "api"}:
                taken.setdefault(wing, set()).add(inside.partition(".")[0] or name)
    assert taken == {wing: set(exported(f"{wing}.__init__")) for wing in taken}


@pytest.mark.parametrize("module", [m for m in module_files() if m.endswith("__init__")])
def test_a_front_page_says_what_its_wing_is_and_names_what_is_there(module: str) -> None:
    text = module_files()[module].read_text()
    said = ast.get_docstring(ast.parse(text)) or ""
    assert said.partition("\n")[0].endswith((".", ":"))
    wing, _, below = module.rpartition(".__init__")[0].partition(".")
    if not below and wing in ALLOWED:
        assert "->" in said.partition("\n")[0]
        defined = {
            node.name if isinstance(node, ast.FunctionDef) else ast.unparse(node.targets[0])
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef | ast.Assign)
        }
        defined |= {name for _, name in imports(module)}
        inside = {m.split(".")[1] for m in module_files() if m.startswith(f"{wing}.")}
        assert set(exported(module)) <= defined | inside


def test_the_harness_leaves_methods_and_tasks_to_discovery() -> None:
    for module in module_files():
        if wing_of(module) not in {"methods", "tasks", "front", "benchmarks"}:
            wings = {wing_of(target) for target in targets(module)}
            assert not wings & {"methods", "tasks"}, module


def test_no_module_is_longer_than_one_screenful_of_ideas() -> None:
    files = [*module_files().values(), *(ROOT / "tests").rglob("*.py")]
    long = [str(f.relative_to(ROOT)) for f in files if f.read_text().count("\n") > MOST_LINES]
    assert long == []


def test_every_folder_of_the_package_is_in_the_wheel() -> None:
    assert all((file.parent / "__init__.py").is_file() for file in module_files().values())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        f"{PACKAGE}.{module.removesuffix('.__init__')}" if "." in module else PACKAGE
        for module in module_files()
        if module.endswith("__init__") and wing_of(module) != "benchmarks"
    }
    assert set(declared["packages"]) == folders
