"""The public names: those of the package itself, the same for readers, checkers and imports."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import actspec_bench

ROOT = Path(__file__).parent.parent
SOURCE = ast.parse((ROOT / "actspec_bench" / "__init__.py").read_text())


def test_every_public_name_is_there_and_documented() -> None:
    assert dir(actspec_bench) == sorted(actspec_bench.__all__)
    for name in set(actspec_bench.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(actspec_bench, name)), name
    with pytest.raises(AttributeError, match="no attribute 'atribute'"):
        _ = actspec_bench.atribute


def test_a_type_checker_sees_the_names_that_there_are_at_the_same_place() -> None:
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If)
                if ast.unparse(node.test) == "TYPE_CHECKING")  # fmt: skip
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    homes = {name: f"actspec_bench.{home}" for name, home in actspec_bench._HOMES.items()}
    modules = {
        name: f"actspec_bench.{home}".rpartition(".")[0]
        for name, home in actspec_bench._MODULES.items()
    }
    assert seen == homes | modules


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, actspec_bench; print(sorted({'torch', 'numpy', 'pydantic'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_readme_uses_no_deeper_path() -> None:
    readme = (ROOT / "README.md").read_text()
    code = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    imported = re.findall(r"(?:from|import) (actspec_bench\S*)", "\n".join(code))
    assert set(imported) == {"actspec_bench"}


def test_the_citation_is_of_this_release() -> None:
    cited = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {actspec_bench.__version__}\n" in cited
