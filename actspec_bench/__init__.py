"""actspec_bench: a benchmark for methods that find which units of a network act jointly."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actspec_bench.api import attribute as attribute
    from actspec_bench.errors import BudgetExceeded as BudgetExceeded
    from actspec_bench.errors import Missing as Missing
    from actspec_bench.errors import NotApplicable as NotApplicable
    from actspec_bench.errors import Undefined as Undefined
    from actspec_bench.problems.attribution import Attribution as Attribution
    from actspec_bench.problems.instance import Instance as Instance
    from actspec_bench.problems.problem import Problem as Problem
    from actspec_bench.problems.truth import Truth as Truth
    from actspec_bench.registry.decorators import method as method
    from actspec_bench.registry.decorators import metric as metric
    from actspec_bench.registry.decorators import task as task
    from actspec_bench.spectra.distributedness import Distributedness as Distributedness
    from actspec_bench.spectra.distributedness import distributedness as distributedness

__version__ = "0.1.0"

# In a checkout that is not installed, methods/ and tasks/ lie beside this folder.
_here = Path(__file__).parent
if not (_here / "methods").is_dir() and (_here.parent / "methods").is_dir():
    __path__.append(str(_here.parent))

_HOMES = {
    "Attribution": "problems.attribution",
    "BudgetExceeded": "errors",
    "Distributedness": "spectra.distributedness",
    "Instance": "problems.instance",
    "Missing": "errors",
    "NotApplicable": "errors",
    "Problem": "problems.problem",
    "Truth": "problems.truth",
    "Undefined": "errors",
    "attribute": "api",
    "distributedness": "spectra.distributedness",
    "method": "registry.decorators",
    "metric": "registry.decorators",
    "task": "registry.decorators",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
