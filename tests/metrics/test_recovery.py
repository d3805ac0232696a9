"""Recovery metrics against brute force, a closed form or another library."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring import built, outcome, parity_sum, score

from actspec_bench import Attribution, Problem, Truth, Undefined

TRUTH = Truth({(0, 1): 1.0, (2,): -0.5, (3, 4, 5): 0.25}, 8)


def recovery(name: str, found: dict[tuple[int, ...], float], truth: Truth = TRUTH) -> float:
    problem = Problem.from_function(lambda x: x[:, 0], truth.n)
    return score(name, outcome(problem, Attribution.from_subsets(found), truth))


def test_subset_scores_of_a_partial_recovery() -> None:
    found = {(0, 1): 3.0, (2, 3): 2.0, (7,): 1.0, (2,): 0.5}
    assert recovery("subset_recall", found) == pytest.approx(1 / 3)
    assert recovery("subset_precision", found) == pytest.approx(1 / 3)
    assert recovery("subset_f1", found) == pytest.approx(1 / 3)
    assert recovery("false_discovery_rate", found) == pytest.approx(2 / 4)


def test_precision_is_over_what_was_reported() -> None:
    assert recovery("subset_precision", {(2,): 1.0}) == 1
    assert recovery("subset_recall", {(2,): 1.0}) == pytest.approx(1 / 3)
    assert recovery("subset_f1", {(2,): 1.0}) == pytest.approx(2 / 4)


def test_reporting_nothing() -> None:
    assert recovery("subset_recall", {}) == 0
    assert recovery("subset_f1", {}) == 0
    assert recovery("subset_jaccard", {}) == 0
    assert recovery("coefficient_error", {}) == 1
    assert recovery("false_discovery_rate", {}) == 0
    with pytest.raises(Undefined, match="reported no subset"):
        recovery("subset_precision", {})


SUBSETS = st.lists(
    st.sets(st.integers(0, 5), min_size=1, max_size=4).map(lambda s: tuple(sorted(s))),
    min_size=3,
    max_size=4,
    unique=True,
)


@settings(max_examples=30, deadline=None)
@given(SUBSETS, SUBSETS)
def test_jaccard_is_the_best_matching(true: list, found: list) -> None:
    truth = Truth(dict.fromkeys(true, 1.0), 6)
    weights = {subset: 10.0 - i for i, subset in enumerate(found)}
    top = found[: len(true)]

    def jaccard(a: tuple[int, ...], b: tuple[int, ...]) -> float:
        return len({*a} & {*b}) / len({*a} | {*b})

    small, large = sorted((true, top), key=len)
    best = max(
        sum(jaccard(a, b) for a, b in zip(small, order, strict=False))
        for order in permutations(large, len(small))
    )
    assert recovery("subset_jaccard", weights, truth) == pytest.approx(best / len(true))


def test_coefficient_error_by_hand() -> None:
    found = {(0, 1): 0.5, (2,): 0.5, (6,): 9.0}
    squares = 0.5**2 + 1.0**2 + 0.25**2
    expected = (squares / (1 + 0.25 + 0.0625)) ** 0.5
    assert recovery("coefficient_error", found) == pytest.approx(expected)


def test_unit_scores_are_singletons_and_have_no_coefficients() -> None:
    problem = Problem.from_function(lambda x: x[:, 0], 8)
    scored = outcome(problem, Attribution.from_units([0, 0, 5, 1, 1, 0, 0, 0.0]), TRUTH)
    assert score("subset_recall", scored) == pytest.approx(1 / 3)
    with pytest.raises(Undefined, match="scores units"):
        score("coefficient_error", scored)


def test_unit_ranking_scores_equal_their_definitions() -> None:
    problem = Problem.from_function(lambda x: x[:, 0], 8)
    importance = np.array([5, 4, 1, 3, 0, 2, 4.5, 0.5])
    scored = outcome(problem, Attribution.from_units(importance), TRUTH)
    positive = TRUTH.relevant()
    pairs = [(a, b) for a in importance[positive] for b in importance[~positive]]
    auroc = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    ranked = positive[np.argsort(-importance)]
    precisions = [ranked[: i + 1].mean() for i in range(8) if ranked[i]]
    assert score("unit_auroc", scored) == pytest.approx(auroc)
    assert score("unit_ap", scored) == pytest.approx(np.mean(precisions))


def test_units_of_minor_subsets_are_relevant_too() -> None:
    """Unit 3 matters, if little: a ranking that puts it above the idle ones is without fault."""
    truth = Truth({(0, 1): 1.0}, 6, minor=frozenset({(0, 3)}))
    assert truth.relevant().tolist() == [True, True, False, True, False, False]
    problem = Problem.from_function(lambda x: x[:, 0], 6)
    for importance, auroc in [([3, 3, 0, 1, 0, 0], 1.0), ([3, 3, 2, 1, 2, 2], 2 / 3)]:
        scored = outcome(problem, Attribution.from_units(importance), truth)
        assert score("unit_auroc", scored) == pytest.approx(auroc)


@pytest.mark.parametrize("name", ["unit_auroc", "unit_ap"])
@pytest.mark.parametrize(("units", "word"), [((), "no"), ((0, 1), "every")])
def test_unit_ranking_is_undefined_without_both_classes(name: str, units: tuple, word: str) -> None:
    truth = Truth({units: 1.0} if units else {}, 2)
    with pytest.raises(Undefined, match=f"{word} unit is in a true subset"):
        recovery(name, {(0,): 1.0}, truth)


@pytest.mark.parametrize(
    "name", ["subset_recall", "subset_f1", "subset_jaccard", "unit_auroc", "coefficient_error"]
)
def test_recovery_without_truth_is_missing(name: str) -> None:
    problem = Problem.from_function(lambda x: x[:, 0], 4)
    with pytest.raises(Undefined, match="no known truth"):
        score(name, outcome(problem, Attribution.from_subsets({(0,): 1.0})))


def test_nothing_planted_has_no_recall_but_a_false_discovery_rate() -> None:
    nothing = Truth({}, 4)
    with pytest.raises(Undefined, match="nothing is planted"):
        recovery("subset_recall", {(0,): 1.0}, nothing)
    assert recovery("false_discovery_rate", {(0,): 1.0}, nothing) == 1
    assert recovery("false_discovery_rate", {}, nothing) == 0


def test_an_enumerated_truth_has_no_false_discoveries() -> None:
    with pytest.raises(Undefined, match="enumerated"):
        recovery("false_discovery_rate", {(0,): 1.0}, Truth({(0,): 1.0}, 4, exhaustive=False))


def test_redundancy_of_independent_and_of_equal_subsets() -> None:
    independent = parity_sum({(0,): 1.0}, 6)
    found = Attribution.from_subsets({(0,): 1.0, (1,): 1.0, (0, 1): 1.0, (2, 3): 1.0})
    assert abs(score("redundancy", outcome(independent, found))) < 1e-3
    twins = built("planted-parity[n=6,terms=1,order=2,duplicates=2]").problem
    pattern = twins.pattern(twins.sample(100))
    pairs = [
        (i, j) for i in range(6) for j in range(i) if pattern[:, i].eq(pattern[:, j]).all()
    ] + [(i, j) for i in range(6) for j in range(i) if pattern[:, i].eq(-pattern[:, j]).all()]
    i, j = pairs[0]
    doubled = Attribution.from_subsets({(i,): 1.0, (j,): 1.0})
    assert score("redundancy", outcome(twins, doubled)) == pytest.approx(1)
    with pytest.raises(Undefined, match="fewer than two"):
        score("redundancy", outcome(twins, Attribution.from_subsets({(0,): 1.0})))


def test_redundancy_of_independent_subsets_is_zero_on_average() -> None:
    problem = parity_sum({(0,): 1.0}, 12)
    found = Attribution.from_units(np.ones(12))
    scores = [score("redundancy", outcome(problem, found, seed=s)) for s in range(100)]
    assert abs(np.mean(scores)) < 4 * np.std(scores) / 10
    assert np.mean(scores) < 1 / 4096  # what the squares alone would give


def test_a_method_is_not_asked_where_all_true_subsets_are_larger_than_its_own() -> None:
    truth = Truth({(0, 1, 2): 1.0, (3, 4, 5): 0.5}, 8)
    problem = parity_sum(dict(truth.spectrum), 8)
    for name in ("subset_recall", "subset_precision", "subset_f1", "subset_jaccard"):
        pairs = Attribution.from_subsets({(0, 1): 1.0}, n=8, info={"order": 2})
        with pytest.raises(Undefined, match="up to 2 units, and no true one is so small"):
            score(name, outcome(problem, pairs, truth))
        triples = Attribution.from_subsets({(0, 1, 2): 1.0}, n=8, info={"order": 3})
        assert score(name, outcome(problem, triples, truth)) > 0
        mixed = Truth({(0, 1): 1.0, (3, 4, 5): 0.5}, 8)
        assert score(name, outcome(problem, pairs, mixed)) > 0
