"""Every metric against brute force, a closed form or another library."""

from __future__ import annotations

import contextlib
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring import outcome, parity_sum, rng, score

from actspec_bench import Attribution, Problem, Truth, Undefined
from actspec_bench.fourier.joint import beyond_parts, joint_variance
from actspec_bench.metrics.faithfulness import similarity_curve
from actspec_bench.problems.views import ScoringView

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
    from actspec_bench.tasks.planted import planted_parity

    independent = parity_sum({(0,): 1.0}, 6)
    found = Attribution.from_subsets({(0,): 1.0, (1,): 1.0, (0, 1): 1.0, (2, 3): 1.0})
    assert abs(score("redundancy", outcome(independent, found))) < 1e-3
    twins = planted_parity(0, n=6, terms=1, order=2, duplicates=2).problem
    pattern = twins.pattern(twins.sample(100))
    pairs = [
        (i, j) for i in range(6) for j in range(i) if pattern[:, i].eq(pattern[:, j]).all()
    ] + [(i, j) for i in range(6) for j in range(i) if pattern[:, i].eq(-pattern[:, j]).all()]
    i, j = pairs[0]
    doubled = Attribution.from_subsets({(i,): 1.0, (j,): 1.0})
    assert score("redundancy", outcome(twins, doubled)) == pytest.approx(1)
    with pytest.raises(Undefined, match="fewer than two"):
        score("redundancy", outcome(twins, Attribution.from_subsets({(0,): 1.0})))


def naive_area(problem: Problem, order: list[int], *, delete: bool) -> float:
    """Area under the curve, row by row and unit by unit, for baseline zero."""
    rows = problem.foreground
    n = problem.n
    moved = []
    for k in range(n + 1):
        total = 0.0
        for row in rows:
            ablated = row.clone()
            for unit in order[:k] if delete else order[k:]:
                ablated[unit] = 0.0
            total += abs(problem.value(ablated[None]) - problem.value(row[None])).item()
        moved.append(total / len(rows))
    whole = moved[-1] if delete else moved[0]
    similarity = [1 - m / whole for m in moved]
    return sum((a + b) / 2 / n for a, b in pairwise(similarity))


@pytest.mark.parametrize("delete", [True, False])
@pytest.mark.parametrize("suffix", ["", "_zero"])
def test_curves_equal_a_unit_by_unit_computation(delete: bool, suffix: str) -> None:
    problem = parity_sum({(0, 1): 1.0, (2,): 0.7, (1, 3, 4): -0.4}, 5)
    importance = [3.0, 1.0, 5.0, 2.0, 4.0]
    name = ("deletion_auc" if delete else "insertion_auc") + suffix
    found = score(name, outcome(problem, Attribution.from_units(importance)))
    order = sorted(range(5), key=lambda i: -importance[i])
    expected = naive_area(ScoringView(problem, 0), order, delete=delete)
    assert found == pytest.approx(expected, abs=1e-5)


def test_deleting_in_one_order_is_inserting_in_the_other() -> None:
    problem = ScoringView(parity_sum({(0, 1): 1.0, (2, 3): 0.7}, 6), 0)
    order = np.array([4, 2, 0, 5, 3, 1])
    _, deleted = similarity_curve(problem, order, "baseline", delete=True)
    _, inserted = similarity_curve(problem, order[::-1], "baseline", delete=False)
    assert deleted[::-1] == pytest.approx(inserted)


def test_curves_start_and_end_where_they_must_and_have_at_most_17_points() -> None:
    problem = ScoringView(parity_sum({(0, 1): 1.0}, 40), 0)
    for intervention in ("baseline", "zero", "resample"):
        shares, similarity = similarity_curve(problem, np.arange(40), intervention, delete=True)
        assert (shares[0], shares[-1], len(shares)) == (0, 1, 17)
        assert similarity[[0, -1]] == pytest.approx([1, 0], abs=1e-6)


def test_random_deletion_is_at_its_closed_form_chance_level() -> None:
    """One parity of order d survives k random ablations with probability C(n-d, k) / C(n, k)."""
    n, d, seeds = 8, 3, 400
    problem = parity_sum({(1, 4, 6): 1.0}, n)
    survives = np.ones(n + 1)
    for k in range(1, n + 1):
        survives[k] = survives[k - 1] * max(n - d - k + 1, 0) / (n - k + 1)
    chance = np.trapezoid(survives, dx=1 / n)
    constant = Attribution.from_units(np.ones(n))
    areas = [score("deletion_auc", outcome(problem, constant, seed=s)) for s in range(seeds)]
    assert abs(np.mean(areas) - chance) < 4 * np.std(areas) / seeds**0.5


def test_resampled_deletion_of_a_parity_has_its_closed_form() -> None:
    """Resampling any unit of a parity makes it a fair coin: similarity drops to 0 at once."""
    problem = ScoringView(parity_sum({(0, 1): 1.0}, 4), 0)
    _, similarity = similarity_curve(problem, np.array([0, 1, 2, 3]), "resample", delete=True)
    assert similarity[0] == 1
    assert np.all(np.abs(similarity[1:]) < 0.25)
    _, similarity = similarity_curve(problem, np.array([2, 3, 0, 1]), "resample", delete=True)
    assert similarity[:3] == pytest.approx([1, 1, 1])


def test_curves_of_a_constant_function_are_undefined() -> None:
    problem = Problem.from_function(lambda x: 0 * x.sum(1) + 3, 4)
    with pytest.raises(Undefined, match="does not change the output"):
        score("deletion_auc", outcome(problem, Attribution.from_units([1, 2, 3, 4.0])))


def test_surrogate_r2_is_the_share_of_energy_that_the_subsets_hold() -> None:
    terms = {(0,): 3.0, (1, 2): 2.0, (3, 4, 5): 1.0}
    problem = parity_sum(terms, 8)
    for held in ([(0,)], [(0,), (1, 2)], list(terms)):
        found = Attribution.from_subsets(dict.fromkeys(held, 1.0))
        exact = sum(terms[s] ** 2 for s in held) / 14
        assert score("surrogate_r2", outcome(problem, found)) == pytest.approx(exact, abs=0.03)


def test_surrogate_r2_of_useless_subsets_is_not_clipped_at_zero() -> None:
    problem = parity_sum({(0, 1, 2): 1.0}, 20)
    useless = Attribution.from_subsets({(i, i + 1): 1.0 for i in range(3, 19)})
    scores = [score("surrogate_r2", outcome(problem, useless, seed=s)) for s in range(10)]
    assert max(scores) < 0.01
    assert min(scores) < 0


def test_surrogate_r2_counts_sixteen_subsets_only() -> None:
    problem = parity_sum({(0,): 1.0}, 20)
    late = {(i,): 2.0 for i in range(1, 17)} | {(0,): 1.0}
    assert score("surrogate_r2", outcome(problem, Attribution.from_subsets(late))) < 0.05
    constant = Problem.from_function(lambda x: 0 * x[:, 0], 3)
    with pytest.raises(Undefined, match="constant on its distribution"):
        score("surrogate_r2", outcome(constant, Attribution.from_units([1.0, 0, 0])))


@pytest.mark.parametrize(
    ("terms", "subsets"),
    [
        ({(0, 1, 2): 1.0}, [(0, 1, 2)]),
        ({(i,): 1.0 for i in range(6)}, [(0, 1), (2, 3)]),
        ({(0,): 1.0, (1,): 1.0, (0, 1): 0.5}, [(0, 1)]),
        ({(0,): 1.0, (0, 1): 1.0, (2, 3): 0.7}, [(0, 1), (2, 3), (4, 5)]),
        ({(0, 1): 1.0, (1, 2): 1.0, (0, 1, 2): 0.5}, [(0, 1, 2)]),
    ],
)
def test_joint_share_is_the_share_of_the_spectrum(terms: dict, subsets: list) -> None:
    """f^(S)^2 over the sum of f^(T)^2 for T inside S, summed over the reported subsets."""
    alone = sum(terms.get(s, 0.0) ** 2 for s in subsets)
    whole = sum(c**2 for s in subsets for t, c in terms.items() if set(t) <= set(s))
    problem = parity_sum(terms, 7)
    found = Attribution.from_subsets(dict.fromkeys(subsets, 1.0))
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(8)]
    assert np.mean(scores) == pytest.approx(alone / whole, abs=0.01)
    assert np.std(scores) < 0.05


def test_joint_share_of_dependent_units_counts_what_a_sum_can_explain() -> None:
    """Two units that never are off together: x0 x1 = 1 - ... is a sum of them, so no joint part."""
    rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1]]).repeat(100, 1)
    others = torch.from_numpy(rng(0).choice([-1.0, 1.0], (300, 12))).float()
    rows = torch.cat([rows, others], dim=1)
    problem = Problem.from_samples(rows, rows[:, 0] * rows[:, 1])
    found = Attribution.from_subsets({(0, 1): 1.0})
    # One draw more than the 65,536 would be the first without either: (3/2)^2 / (9 + 65,537).
    assert score("joint_share", outcome(problem, found)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("order", range(2, 11))
def test_joint_share_of_a_parity_is_one_at_every_order(order: int) -> None:
    subset = tuple(range(1, order + 1))
    found = Attribution.from_subsets({subset: 1.0})
    problem = parity_sum({subset: 1.0}, 12)
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(4)]
    assert scores == pytest.approx([1.0] * 4, abs=0.005)
    half = parity_sum({subset: 1.0, subset[:2]: 1.0} if order > 2 else {subset: 1.0, (1,): 1.0}, 12)
    scores = [score("joint_share", outcome(half, found, seed=s)) for s in range(8)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)


def test_joint_share_of_a_parity_of_biased_units_has_its_closed_form() -> None:
    """Of independent units on with probability q: (4 q (1 - q))^k of the parity's variance."""
    order, q = 6, 0.7

    def sampler(k: int, generator: torch.Generator) -> torch.Tensor:
        return torch.where(torch.rand(k, 8, generator=generator) < q, 1.0, -1.0)

    from dataclasses import replace

    base = parity_sum({tuple(range(order)): 1.0}, 8)
    problem = Problem(replace(base._source, sampler=sampler))
    found = Attribution.from_subsets({tuple(range(order)): 1.0})
    scores = [score("joint_share", outcome(problem, found, seed=s)) for s in range(8)]
    share = (4 * q * (1 - q)) ** order / (1 - (2 * q - 1) ** (2 * order))
    assert np.mean(scores) == pytest.approx(share, abs=0.01)


def joint_brute_force(p: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Variance explained by the pattern, and its residual on every proper character."""
    k = len(p).bit_length() - 1
    signs = np.array([[1 - 2 * (c >> i & 1) for i in range(k)] for c in range(2**k)])
    proper = [[i for i in range(k) if s >> i & 1] for s in range(2**k - 1)]
    design = np.stack([signs[:, members].prod(1) for members in proper], 1)
    root = np.sqrt(p)
    weights = np.linalg.lstsq(design * root[:, None], mean * root, rcond=None)[0]
    residual = p @ (mean - design @ weights) ** 2
    return p @ mean**2 - (p @ mean) ** 2, residual


@pytest.mark.parametrize("k", [2, 4])
def test_joint_effects_are_unbiased_whatever_the_noise_of_each_cell(k: int) -> None:
    generator = rng(k)
    p = generator.dirichlet(np.full(2**k, 5.0))
    mean, spread = generator.normal(size=2**k), generator.exponential(3, size=2**k)
    found = []
    for _ in range(1000):
        cell = generator.choice(2**k, 400 * 2**k, p=p)
        values = mean[cell] + spread[cell] * generator.normal(size=len(cell))
        values = torch.from_numpy(values - values.mean())
        cells = torch.from_numpy(cell)
        occupancy = torch.from_numpy(generator.multinomial(65_536, p))
        whole = float(joint_variance(cells, 2**k, values[:, None])[0])
        found.append((whole, beyond_parts(cells, values, occupancy)))
    error = np.std(found, axis=0) / len(found) ** 0.5
    exact = np.array(joint_brute_force(p, mean))
    assert np.all(np.abs(np.mean(found, axis=0) - exact) < 4 * error)
    assert np.all(error < 0.2 * exact)


def test_joint_variance_is_a_mean_over_pairs_of_draws() -> None:
    cell = torch.tensor([0, 0, 0, 1, 1, 3])
    values = torch.tensor([1.0, 2.0, 4.0, -1.0, 3.0, 9.0]).double()
    pairs = {0: (2 + 4 + 8) / 3, 1: -3.0}
    everywhere = [values[i] * values[j] for i in range(6) for j in range(6) if i != j]
    expected = (3 * pairs[0] + 2 * pairs[1]) / 5 - np.mean(everywhere)
    found = joint_variance(cell, 4, torch.stack([values, 0 * values], 1))
    assert found.tolist() == pytest.approx([expected, 0])


@pytest.mark.parametrize("spread", ["equal", "unequal"])
def test_joint_share_of_noise_is_seldom_defined_however_subsets_overlap(spread: str) -> None:
    """Without an effect the gate passes once in 200 times; ten overlapping subsets, 80 seeds."""

    def noise(x: torch.Tensor) -> torch.Tensor:
        rare = (x[:, :3] > 0).all(1)
        return x[:, 8] * x[:, 9] * (0.1 + 3 * rare if spread == "unequal" else 1)

    problem = Problem.from_function(noise, 10)
    found = Attribution.from_subsets({(0, i, j): 1.0 for i in range(1, 5) for j in range(i + 1, 6)})
    passed = 0
    for seed in range(80):
        with contextlib.suppress(Undefined):
            score("joint_share", outcome(problem, found, seed=seed))
            passed += 1
    assert passed <= 3  # P(more than 3 of 80 at 1 in 200) < 0.001


def test_joint_share_of_noise_in_given_rows_is_seldom_defined() -> None:
    """A row that is drawn twice brings its noise twice, to the values and to their copies."""
    passed = 0
    for seed in range(40):
        numbers = rng(seed)
        x = numbers.choice([-1.0, 1.0], (400, 12))
        problem = Problem.from_samples(x, numbers.standard_normal(400))
        found = Attribution.from_subsets({(0, 1): 1.0, (2, 3): 1.0, (4, 5, 6): 1.0})
        with contextlib.suppress(Undefined):
            score("joint_share", outcome(problem, found, seed=seed))
            passed += 1
    assert passed <= 3  # P(more than 3 of 40 at 1 in 200) < 0.0001


def test_joint_share_is_undefined_without_a_joint_effect() -> None:
    problem = parity_sum({(0, 1): 1.0}, 8)
    with pytest.raises(Undefined, match="no subset of 2 to 10"):
        score("joint_share", outcome(problem, Attribution.from_units(torch.ones(8))))
    with pytest.raises(Undefined, match="cannot be told from zero"):
        score("joint_share", outcome(problem, Attribution.from_subsets({(4, 5): 1.0})))


def test_surrogate_r2_is_scored_on_rows_that_methods_never_saw() -> None:
    """Held out, the function's second unit is always on, so only the first one varies."""
    from dataclasses import replace

    base = parity_sum({(0,): 1.0, (1,): 1.0}, 4)._source

    def heldout(k: int, generator: torch.Generator) -> torch.Tensor:
        rows = base.sampler(k, generator)
        rows[:, 1] = 1.0
        return rows

    problem = Problem(replace(base, heldout=heldout))
    found = Attribution.from_subsets({(0,): 1.0})
    assert score("surrogate_r2", outcome(problem, found)) == pytest.approx(0, abs=0.1)
    both = Attribution.from_subsets({(0,): 1.0, (1,): 1.0})
    assert score("surrogate_r2", outcome(problem, both)) == pytest.approx(1)


def test_redundancy_of_independent_subsets_is_zero_on_average() -> None:
    problem = parity_sum({(0,): 1.0}, 12)
    found = Attribution.from_units(np.ones(12))
    scores = [score("redundancy", outcome(problem, found, seed=s)) for s in range(100)]
    assert abs(np.mean(scores)) < 4 * np.std(scores) / 10
    assert np.mean(scores) < 1 / 4096  # what the squares alone would give


def test_metrics_draw_apart_and_alike_for_all_methods() -> None:
    problem = parity_sum({(0,): 1.0}, 12)
    one = outcome(problem, Attribution.from_units(np.ones(12)))
    two = outcome(problem, Attribution.from_units(np.zeros(12)))
    assert torch.equal(one.view("a").sample(9), two.view("a").sample(9))
    assert not torch.equal(one.view("a").sample(9), one.view("b").sample(9))
