"""Cost metrics: what the method spent, measured by the harness around the method alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actspec_bench.errors import Undefined
from actspec_bench.registry.decorators import metric

if TYPE_CHECKING:
    from actspec_bench.metrics.outcome import Outcome


@metric("queries", family="cost", higher_is_better=False, unit="rows")
def queries(outcome: Outcome) -> float:
    """Rows evaluated forward through the function."""
    return outcome.costs.queries


@metric("backward_queries", family="cost", higher_is_better=False, unit="rows")
def backward_queries(outcome: Outcome) -> float:
    """Rows differentiated backward through the function."""
    return outcome.costs.backward_queries


@metric("seconds", family="cost", higher_is_better=False, unit="s")
def seconds(outcome: Outcome) -> float:
    """Wall-clock seconds of the method, imports and scoring apart."""
    return outcome.costs.seconds


@metric("cpu_seconds", family="cost", higher_is_better=False, unit="s")
def cpu_seconds(outcome: Outcome) -> float:
    """CPU seconds of the method's process while it ran."""
    return outcome.costs.cpu_seconds


@metric("peak_mib", family="cost", higher_is_better=False, unit="MiB")
def peak_mib(outcome: Outcome) -> float:
    """Peak resident memory above what the process held when the method began; not a GPU's."""
    if outcome.costs.peak_mib is None:
        raise Undefined("this operating system does not tell a process's peak memory")
    return outcome.costs.peak_mib
