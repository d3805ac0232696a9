"""actspec_bench: a benchmark for methods that find which units of a network act jointly."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actspec_bench.version import __version__ as __version__

if TYPE_CHECKING:
    from actspec_bench.api import attribute as attribute
    from actspec_bench.caching import cached_tensors as cached_tensors
    from actspec_bench.errors import BudgetExceeded as BudgetExceeded
    from actspec_bench.errors import Missing as Missing
    from actspec_bench.errors import NotApplicable as NotApplicable
    from actspec_bench.errors import Undefined as Undefined
    from actspec_bench.problems import devices as devices
    from actspec_bench.problems.attribution import Attribution as Attribution
    from actspec_bench.problems.inputs import DataInputs as DataInputs
    from actspec_bench.problems.inputs import MaskedImage as MaskedImage
    from actspec_bench.problems.instance import Instance as Instance
    from actspec_bench.problems.problem import Problem as Problem
    from actspec_bench.problems.truth import Truth as Truth
    from actspec_bench.registry.decorators import method as method
    from actspec_bench.registry.decorators import metric as metric
    from actspec_bench.registry.decorators import task as task
    from actspec_bench.spectra.distributedness import distributedness as distributedness
    from actspec_bench.spectra.found import Distributedness as Distributedness
    from actspec_bench.tasks.enumeration.parts import Parts as Parts
    from actspec_bench.tasks.enumeration.patches import Patches as Patches
    from actspec_bench.tasks.enumeration.patches import patch_parts as patch_parts
    from actspec_bench.tasks.kinds.hidden import hidden_task as hidden_task
    from actspec_bench.tasks.kinds.masked import masked_task as masked_task
    from actspec_bench.tasks.kinds.recoded import recoded_task as recoded_task
    from actspec_bench.tasks.networks.bottleneck import Bottleneck as Bottleneck

# In a checkout that is not installed, methods/ and tasks/ lie beside this folder.
_here = Path(__file__).parent
if not (_here / "methods").is_dir() and (_here.parent / "methods").is_dir():
    __path__.append(str(_here.parent))

_HOMES = {
    "Attribution": "problems.attribution",
    "Bottleneck": "tasks.networks.bottleneck",
    "BudgetExceeded": "errors",
    "DataInputs": "problems.inputs",
    "Distributedness": "spectra.found",
    "Instance": "problems.instance",
    "MaskedImage": "problems.inputs",
    "Missing": "errors",
    "NotApplicable": "errors",
    "Parts": "tasks.enumeration.parts",
    "Patches": "tasks.enumeration.patches",
    "Problem": "problems.problem",
    "Truth": "problems.truth",
    "Undefined": "errors",
    "attribute": "api",
    "cached_tensors": "caching",
    "distributedness": "spectra.distributedness",
    "hidden_task": "tasks.kinds.hidden",
    "masked_task": "tasks.kinds.masked",
    "method": "registry.decorators",
    "metric": "registry.decorators",
    "patch_parts": "tasks.enumeration.patches",
    "recoded_task": "tasks.kinds.recoded",
    "task": "registry.decorators",
}
_MODULES = {"devices": "problems.devices"}
__all__ = ["__version__", *_HOMES, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package stays fast."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
