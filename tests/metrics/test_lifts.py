"""Units made into subsets: by sizes that the truth tells, and by scores that are alike."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scoring import outcome, parity_sum

from actspec_bench import Attribution, Truth, Undefined
from actspec_bench.metrics.lifts import LIFTS, clusters_of_units, lifted, told_sizes


def test_blocks_of_the_told_sizes_follow_the_order_of_the_units() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.0, 0.8, 0.2])
    order = np.argsort(-scores)
    assert told_sizes(scores, order, [(3, 4), (2,), (0, 3)]) == pytest.approx(
        {(1, 4): 1.7, (2,): 0.5, (0, 5): 0.3}
    )
    assert told_sizes(scores, order, [(0, 1, 3), (2, 4, 5)]) == pytest.approx({(1, 2, 4): 2.2})
    assert told_sizes(scores, order, [(0, 1, 2, 3, 4, 5)]) == {}


def test_sizes_are_laid_end_to_end_or_nested_whichever_holds_more() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    order = np.arange(6)
    disjoint = [(0, 1, 2), (3,), (4, 5)]
    assert set(told_sizes(scores, order, disjoint)) == set(disjoint)
    for sizes in permutations(disjoint):
        assert set(told_sizes(scores, order, list(sizes))) == set(disjoint)
    inside = [(0,), (0, 1), (0, 1, 2)]
    assert set(told_sizes(scores, order, inside)) == set(inside)
    pairs = [(0, 1), (2, 3), (4, 5)]
    assert set(told_sizes(scores, order, pairs)) == set(pairs)


def test_no_order_of_the_sizes_holds_more() -> None:
    """Against all orders of the sizes, on random subsets and random orders of ten units."""
    generator = np.random.default_rng(0)
    for _ in range(40):
        sizes = generator.integers(1, 4, 4).tolist()
        true = {tuple(sorted(generator.permutation(10)[:size].tolist())) for size in sizes}
        order = generator.permutation(10)
        scores = np.ones(10)
        found = told_sizes(scores, order, sorted(true))
        hits = []
        for laid in permutations(map(len, true)):
            ends = np.cumsum(laid)
            blocks = {
                tuple(sorted(order[end - size : end].tolist()))
                for end, size in zip(ends, laid, strict=True)
                if end <= 10
            }
            hits.append(len(blocks & true))
        assert len(true.intersection(found)) >= max(hits)
        assert len(found) <= len(true)


def test_units_within_two_percent_of_each_other_are_one_subset() -> None:
    scores = np.array([1.0, 0.99, 0.5, 0.0, 0.505, 0.3, 0.099, 0.101])
    assert clusters_of_units(scores) == pytest.approx(
        {(0, 1): 1.99, (2, 4): 1.005, (5,): 0.3, (7,): 0.101}
    )
    chained = np.array([1.0, 0.985, 0.97])
    assert sorted(map(len, clusters_of_units(chained))) == [1, 2]
    assert clusters_of_units(np.zeros(4)) == {}
    assert clusters_of_units(np.array([0.0, 2.0])) == {(1,): 2.0}
    assert list(clusters_of_units(np.ones(5))) == [(0, 1, 2, 3, 4)]


@pytest.mark.parametrize(
    "size", [(20, [0.2, 0.201, 0.6, 1.0]), (100, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])]
)
def test_clusters_do_not_depend_on_the_scale_or_the_names_of_units(size) -> None:
    n, levels = size
    scores = np.random.default_rng(0).choice(levels, n)
    found = clusters_of_units(scores)
    assert found
    assert set(clusters_of_units(7 * scores)) == set(found)
    moved = np.random.default_rng(1).permutation(n)
    renamed = {tuple(sorted(moved[list(s)].tolist())) for s in clusters_of_units(scores[moved])}
    assert renamed == set(found)


def test_exact_scores_of_disjoint_parities_are_lifted_to_the_truth() -> None:
    terms = {(0, 3): 1.0, (1, 5): -0.75, (2, 4): 0.5}
    scores = np.zeros(8)
    for subset, coefficient in terms.items():
        scores[list(subset)] = abs(coefficient) / 2
    scored = outcome(parity_sum(terms, 8), Attribution.from_units(scores), Truth(terms, 8))
    for name in LIFTS:
        assert set(lifted(name, scored).subsets) == set(terms), name


def test_what_the_truth_does_not_know_it_cannot_tell() -> None:
    problem = parity_sum({(0,): 1.0}, 4)
    scores = Attribution.from_units([1.0, 0, 0, 0])
    with pytest.raises(Undefined, match="no known truth"):
        lifted("sizes told", outcome(problem, scores))
    for name in LIFTS:
        with pytest.raises(Undefined, match="nothing is planted"):
            lifted(name, outcome(problem, scores, Truth({}, 4)))
    assert lifted("clusters", outcome(problem, scores)).subsets == ((0,),)


def test_of_more_units_than_it_takes_a_tie_at_the_end_is_left_out_whole() -> None:
    scores = np.concatenate([np.full(60, 1.0), np.full(10, 0.5)])
    assert set(clusters_of_units(scores)) == {tuple(range(60))}
    assert clusters_of_units(np.ones(100)) == {}


def test_ties_are_broken_at_random_and_gain_nothing_by_the_order_of_units() -> None:
    truth = Truth({(0, 1): 1.0}, 6)
    problem = parity_sum({(0, 1): 1.0}, 6)
    flat = Attribution.from_units(np.ones(6))
    hits = [
        lifted("sizes told", outcome(problem, flat, truth, seed)).subsets == ((0, 1),)
        for seed in range(600)
    ]
    assert np.mean(hits) == pytest.approx(1 / 15, abs=4 * (1 / 15 / 600) ** 0.5)
