"""Outcome -> record fields: every metric of what a method returned, and of its lifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from actspec_bench.errors import Undefined
from actspec_bench.metrics.lifts import LIFTS, TOLD, lifted
from actspec_bench.records.privacy import sentence
from actspec_bench.registry.entries import Entry, metrics
from actspec_bench.running.failures import failure

if TYPE_CHECKING:
    from actspec_bench.metrics.outcome import Outcome
    from actspec_bench.registry.cards import MethodCard, MetricCard

__all__ = ["SIGNIFICANT_DIGITS", "scored"]

SIGNIFICANT_DIGITS = 9
NOT_FOURIER = "the method's coefficients are no Fourier coefficients"
BARE_UNITS = "the method scores single units: it is asked for subsets through its lifts"


def scored(outcome: Outcome, card: MethodCard) -> dict[str, Any]:
    """Return the record fields of an attribution's scores.

    What asks for subsets has no bare score of a method that returns units: it would be a zero by
    construction. Each lift's subsets have scores of their own. Controls are scored as they are.
    """
    own = list(metrics)
    if card.returns == "subsets" or card.control:
        if card.coefficients == "fourier":
            return _each(outcome, own)
        comparable = [entry for entry in own if not entry.card.of_coefficients]
        fields = _each(outcome, comparable)
        fields["missing"] |= {e.name: NOT_FOURIER for e in own if e.card.of_coefficients}
        return fields
    asked = [entry for entry in own if entry.card.track == "subsets"]
    fields = _each(outcome, [entry for entry in own if entry not in asked])
    fields["missing"] |= dict.fromkeys((entry.name for entry in asked), BARE_UNITS)
    asked = [entry for entry in asked if not entry.card.of_coefficients]
    fields["lifted"] = {}
    for name in LIFTS:
        try:
            found = _each(replace(outcome, attribution=lifted(name, outcome)), asked)
        except Undefined as reason:
            found = {"missing": dict.fromkeys((e.name for e in asked), sentence(reason))}
        fields["metric_errors"] |= found.pop("metric_errors", {})
        fields |= {"traceback": told} if (told := found.pop("traceback", "")) else {}
        fields["lifted"][name] = found | {"told": name == TOLD}
    return fields


def _each(outcome: Outcome, chosen: Sequence[Entry[MetricCard]]) -> dict[str, Any]:
    scores: dict[str, float] = {}
    missing: dict[str, str] = {}
    errors: dict[str, str] = {}
    found: dict[str, Any] = {"scores": scores, "missing": missing, "metric_errors": errors}
    for entry in chosen:
        try:
            given = entry.function(outcome)
            try:
                value = float(given)
            except (TypeError, ValueError):
                raise TypeError(f"it returned {given!r}; return a number") from None
            if not np.isfinite(value):
                raise ValueError(f"the value is {value}; raise Undefined with the reason")
            scores[entry.name] = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        except Undefined as reason:
            missing[entry.name] = sentence(reason)
        except Exception as error:
            # A metric's own fault costs the method nothing but this metric.
            why = failure(error, "score")
            missing[entry.name] = f"the metric failed: {why['reason']}"
            errors[entry.name] = why["reason"]
            found["traceback"] = why.get("traceback", "")
    return found
