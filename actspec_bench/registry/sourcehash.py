"""Module -> digest of its source and of every first-party module it imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

__all__ = ["source_digest"]

PACKAGE = "actspec_bench"


def source_digest(file: str | Path, module: str) -> str:
    """SHA-256 of a module's file and, in order of name, of what it imports from beside it.

    First-party means the module's own top-level package, the benchmark itself, and files in
    the module's folder: so an edit of a shared helper changes the digest of all who use it. Of
    the benchmark's public names those that a module imports count, and no others.
    Comments and layout count, for they cost only a rerun.

    Parameters
    ----------
    file
        The module's file.
    module
        Its import name, such as ``actspec_bench.methods.actspec``.
    """
    seen: dict[str, Path] = {}
    _collect(module, Path(file), seen)
    sha = hashlib.sha256()
    for name in sorted(seen):
        sha.update(name.encode() + b"\0" + hashlib.sha256(seen[name].read_bytes()).digest())
    return sha.hexdigest()


def _collect(module: str, file: Path, seen: dict[str, Path]) -> None:
    if module in seen:
        return
    seen[module] = file
    for name in _imports(module, file):
        found = _first_party(name, module, file)
        if found is not None:
            _collect(name, found, seen)


@cache
def _imports(module: str, file: Path) -> tuple[str, ...]:
    """Dotted names that a file imports anywhere in it; of ``from a import b`` both a and a.b."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(_without_front(module, ast.parse(file.read_bytes()))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
            if PACKAGE in names:
                names.update(home for homes in _homes().values() for home in homes)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if node.level:
                base = importlib.util.resolve_name(base, package)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
            if base == PACKAGE:
                for alias in node.names:
                    names.update(_homes().get(alias.name, ()))
    return tuple(sorted(names))


def _without_front(module: str, tree: ast.Module) -> ast.Module:
    """Leave out of the package's front the public names, which lead everywhere."""
    if module == PACKAGE:
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    return tree


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """Public name of the package -> what it may be, a module's name or a module, as told there."""
    front = _module_file(PACKAGE)
    tree = ast.parse(front.read_bytes()) if front is not None else ast.Module([], [])
    return {
        alias.name: (node.module or "", f"{node.module}.{alias.name}")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def _first_party(name: str, importer: str, file: Path) -> Path | None:
    beside = file.parent / f"{name}.py"
    if "." not in name and beside.is_file() and "." not in importer:
        return beside
    if name.partition(".")[0] in (PACKAGE, importer.partition(".")[0]):
        return _module_file(name)
    return None


def _module_file(name: str) -> Path | None:
    """Find a module's file without importing it or its parents, which would load torch."""
    parent, _, leaf = name.rpartition(".")
    if not parent:
        spec = importlib.util.find_spec(name)
        return Path(spec.origin) if spec is not None and spec.origin else None
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__:
        return Path(loaded.__file__)
    above = _module_file(parent)
    if above is None or above.name != "__init__.py":
        return None
    candidates = (above.parent / f"{leaf}.py", above.parent / leaf / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)
