"""What is scored of an attribution: everything that its card can answer, and nothing else."""

from __future__ import annotations

import pytest
from scoring import TERMS, outcome, parity_sum

from actspec_bench import Attribution, Truth
from actspec_bench.metrics.lifts import LIFTS
from actspec_bench.registry.cards import MethodCard
from actspec_bench.registry.entries import metrics
from actspec_bench.running.scoring import scored

TRUTH = Truth(TERMS, 8)
PROBLEM = parity_sum(TERMS, 8)
SUBSETS = Attribution.from_subsets(TERMS, n=8)
UNITS = Attribution.from_units([0.5, 0.75, 0.1, 0.5, 0.1, 0.1, 0, 0])


def card(**fields: object) -> MethodCard:
    return MethodCard(name="m", summary="A method.", family="spectral", **fields)


def fields_of(attribution: Attribution, made: MethodCard) -> dict:
    return scored(outcome(PROBLEM, attribution, TRUTH), made)


def test_every_metric_has_a_score_or_a_reason() -> None:
    for attribution, made in (
        (SUBSETS, card(returns="subsets")),
        (SUBSETS, card(returns="subsets", coefficients="other")),
        (UNITS, card(returns="units")),
        (UNITS, card(returns="units", control=True)),
    ):
        found = fields_of(attribution, made)
        assert found["metric_errors"] == {}
        assert {*found["scores"], *found["missing"]} == {entry.name for entry in metrics}


def test_coefficients_are_compared_where_they_are_fouriers_alone() -> None:
    assert fields_of(SUBSETS, card(returns="subsets"))["scores"]["coefficient_error"] == 0
    other = fields_of(SUBSETS, card(returns="subsets", coefficients="other"))
    assert "no Fourier coefficients" in other["missing"]["coefficient_error"]
    assert other["scores"]["subset_f1"] == 1


def test_scores_of_units_are_asked_for_subsets_through_lifts_alone() -> None:
    found = fields_of(UNITS, card(returns="units"))
    assert set(found["lifted"]) == set(LIFTS)
    asked = {entry.name for entry in metrics if entry.card.track == "subsets"}
    assert not asked & set(found["scores"])
    for name, own in found["lifted"].items():
        assert {*own["scores"], *own["missing"]} <= asked
        assert "coefficient_error" not in own["scores"]
        assert own["told"] == (name == "sizes told")
        assert own["scores"]["subset_f1"] == pytest.approx(1.0)
    assert "lifted" not in fields_of(UNITS, card(returns="units", control=True))
