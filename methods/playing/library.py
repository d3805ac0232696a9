"""Name -> class of the optional library, or a sentence with the remedy; and how it is run.

Importing this module imports shapiq where it is installed, so that a card can name it to have
that done before the clock starts.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from actspec_bench.errors import Missing

__all__ = ["approximator", "coefficients", "need", "one_job", "one_thread", "versions"]

REMEDY = "pip install 'actspec-bench[shapiq]'"
# Import name -> name to install, where these differ.
DISTRIBUTIONS = {"sparse_transform": "sparse-transform"}
# Relative to the largest: what is smaller is rounding, of weights of up to 1e8 in regressions.
ROUNDING = 1e-9

with contextlib.suppress(ImportError):
    importlib.import_module("shapiq.approximator")


def need(*packages: str) -> None:
    """Raise Missing, with the remedy, unless shapiq and all of these packages are installed."""
    for package in ("shapiq", *packages):
        if find_spec(package) is None:
            name = DISTRIBUTIONS.get(package, package)
            raise Missing(f"{name} is not installed: {REMEDY}", lacks=name)


def approximator(name: str) -> Any:
    """Return the class ``name`` of ``shapiq.approximator``.

    Raises
    ------
    Missing
        This version of the library has none of that name.
    """
    found = getattr(importlib.import_module("shapiq.approximator"), name, None)
    if found is None:
        raise Missing(
            f"shapiq {version('shapiq')} has no {name}: install shapiq 1.8 or newer, which needs "
            "Python 3.12 or newer, by pip install 'actspec-bench[shapiq]' there",
            lacks="shapiq>=1.8",
        )
    return found


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of these distributions, of those that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenMP, BLAS and numba to one thread, and the library's warnings quiet; then restore.

    Numba is asked only if its threads run already: asking would start them.
    """
    limits = importlib.import_module("threadpoolctl").threadpool_limits
    with limits(limits=1), warnings.catch_warnings(), contextlib.ExitStack() as undo:
        warnings.simplefilter("ignore")
        numba = sys.modules.get("numba")
        # It is an error to ask for the name of a threading layer before there is one.
        with contextlib.suppress(ValueError):
            if numba is not None and numba.threading_layer():
                undo.callback(numba.set_num_threads, numba.get_num_threads())
                numba.set_num_threads(1)
        yield


def one_job(approximator: Any) -> str:
    """Have the trees of a proxy method fitted on one thread, silently; return which trees.

    The reason for one thread is not speed alone: LightGBM may hang in a forked process if it
    chooses the number itself.
    """
    model = getattr(approximator, "proxy_model", None)
    if model is None:
        return f"lightgbm {version('lightgbm')}"
    base = getattr(model, "estimator", model)
    package = type(base).__module__.partition(".")[0]
    if "n_jobs" in base.get_params():
        base.set_params(n_jobs=1)
    if package == "lightgbm":
        base.set_params(verbose=-1)
    return f"{package} {version({'sklearn': 'scikit-learn'}.get(package, package))}"


def coefficients(result: Any) -> dict[tuple[int, ...], float]:
    """Return subset -> value of the library's result, without the empty set.

    What is zero but for rounding, `ROUNDING` of the largest value, is left out.
    """
    values = result.values
    found = {
        tuple(sorted(int(i) for i in subset)): float(values[at])
        for subset, at in result.interaction_lookup.items()
        if subset
    }
    floor = ROUNDING * max(map(abs, found.values()), default=0.0)
    return {subset: value for subset, value in found.items() if abs(value) > floor}
