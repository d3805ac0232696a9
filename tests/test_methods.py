from __future__ import annotations

import contextlib
from itertools import permutations

import numpy as np
import pytest
import torch
from actspec_bench.methods import _redundancy, _tree_search
from scoring import parity_sum

from actspec_bench import NotApplicable, Problem, attribute, regression
from actspec_bench.errors import UsageError
from actspec_bench.registry import methods, tasks
from actspec_bench.specs import Spec
from actspec_bench.views import ScoringView, restarted

TERMS = {(0, 3): 1.0, (1,): -0.75, (2, 4, 5): 0.5}
UNIT_METHODS = ["integrated-gradients", "feature-ablation", "shapley-sampling"]


def planted(text: str, seed: int, budget: int):
    spec = Spec.parse(text, tasks)
    instance = tasks[spec.name].function(seed, **spec.parameters)
    return restarted(instance.problem, budget=budget, seed=seed), instance.truth


def all_names() -> list[str]:
    return [entry.name for entry in methods if not entry.card.sees_truth]


@pytest.mark.parametrize("name", all_names())
@pytest.mark.parametrize("budget", [1, 40, 700, 5000])
def test_a_method_keeps_to_any_budget_or_says_why_not(name: str, budget: int) -> None:
    for text in ("planted-parity[n=12,terms=2]", "digits-hidden", "planted-nothing"):
        problem, _ = planted(text, 0, budget)
        with contextlib.suppress(NotApplicable):
            attribute(name, problem)
        assert 0 <= problem.remaining <= budget


@pytest.mark.parametrize("name", all_names())
def test_same_seed_same_attribution(name: str) -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        problem, _ = planted("planted-parity[n=10,terms=2,noise=0.1]", 3, 3000)
        found.append(attribute(name, problem))
    assert found[0].as_dict() == found[1].as_dict()


def test_exact_wht_is_exact_and_refuses_what_it_cannot_do() -> None:
    found = attribute("exact-wht", parity_sum(TERMS, 8))
    assert found.subsets == ((0, 3), (1,), (2, 4, 5))
    assert found.coefficients.tolist() == pytest.approx([1.0, -0.75, 0.5])
    for problem, message in (
        (parity_sum(TERMS, 21), "n must be at most 20"),
        (
            parity_sum(TERMS, 14),
            "all 16,384 patterns are needed and 10,000 of the budget of 10,000 remain",
        ),
        (planted("digits-hidden", 0, 10**6)[0], "no grid of patterns"),
    ):
        with pytest.raises(NotApplicable, match=message):
            attribute("exact-wht", problem)


def exact_shapley(problem: Problem, row: torch.Tensor) -> np.ndarray:
    n = problem.n
    total = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        x = torch.zeros(n + 1, n)
        for k, unit in enumerate(order):
            x[k + 1 :, unit] = row[unit]
        total[list(order)] += np.diff(problem.value(x).numpy())
    return total / len(orders)


def test_shapley_sampling_converges_to_the_exact_values() -> None:
    problem = parity_sum({(0, 3): 1.0, (1,): -0.75, (2, 4): 0.5}, 5)
    view = ScoringView(problem, 0)
    exact = np.mean([np.abs(exact_shapley(view, row)) for row in problem.foreground], axis=0)
    found = attribute("shapley-sampling", restarted(problem, budget=10**6, seed=0))
    assert found.units() == pytest.approx(exact, abs=0.02)


def test_integrated_gradients_is_complete_and_splits_a_parity_evenly() -> None:
    found = attribute("integrated-gradients", parity_sum(TERMS, 8))
    expected = [0.5, 0.75, 1 / 6, 0.5, 1 / 6, 1 / 6, 0, 0]
    assert found.units() == pytest.approx(expected, abs=1e-5)


def test_feature_ablation_is_the_change_when_one_unit_goes_to_the_baseline() -> None:
    found = attribute("feature-ablation", parity_sum(TERMS, 8))
    assert found.units() == pytest.approx([1, 0.75, 0.5, 1, 0.5, 0.5, 0, 0], abs=1e-6)


@pytest.mark.parametrize("name", [*UNIT_METHODS, "actspec"])
def test_units_may_be_listed_in_any_order(name: str) -> None:
    """Renaming units renames the answer: importance is the same function of the unit."""
    order = [4, 2, 7, 0, 5, 1, 6, 3]
    moved = {tuple(sorted(order.index(i) for i in s)): c for s, c in TERMS.items()}
    plain, renamed = (
        attribute(name, restarted(parity_sum(terms, 8), budget=200_000, seed=0)).units(8)
        for terms in (TERMS, moved)
    )
    assert renamed == pytest.approx(plain[order], abs=0.06)


@pytest.mark.parametrize("name", all_names())
def test_unknown_and_wrong_parameters_are_told(name: str) -> None:
    with pytest.raises(UsageError, match="no parameter 'nonsense'"):
        attribute(name, parity_sum(TERMS, 8), nonsense=1)


def test_attribute_knows_its_methods_and_keeps_the_truth() -> None:
    with pytest.raises(UsageError, match="did you mean 'actspec'"):
        attribute("actspek", parity_sum(TERMS, 8))
    with pytest.raises(UsageError, match="needs the truth"):
        attribute("oracle", parity_sum(TERMS, 8))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("planted-parity[noise=0.05,terms=3]", 10_000),
        ("planted-parity[noise=0.05,order=2]", 10_000),
        ("planted-parity[terms=3,readout=decision,low=1.0]", 10_000),
        ("planted-parity[noise=0.05,terms=3,orders=(2,3,5),overlap=1,constants=4]", 16_000),
        ("planted-parity[noise=0.05,terms=3,duplicates=5]", 16_000),
        ("planted-parity[noise=0.05,terms=3,correlation=0.6]", 16_000),
        ("planted-parity[n=24,terms=1,order=8]", 16_000),
    ],
)
def test_actspec_finds_what_is_planted(text: str, budget: int, seed: int) -> None:
    problem, truth = planted(text, seed, budget)
    found = attribute("actspec", problem)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)
    assert problem.remaining == 0
    for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True):
        if subset in truth.spectrum:
            margin = 0.05 + (high - low)
            assert found.as_dict()[subset] == pytest.approx(truth.spectrum[subset], abs=margin)


def test_actspec_reports_nothing_where_nothing_is_planted() -> None:
    """At rate 0.05 at most a twentieth of runs may report anything; 1 in 40 is no surprise."""
    runs = 40
    reported = 0
    for seed in range(runs):
        problem, _ = planted("planted-nothing", seed, 3000)
        reported += bool(attribute("actspec", problem).subsets)
    assert reported <= 6  # P(more than 6 of 40 at 0.05) < 0.004


def test_actspec_on_given_samples_reports_the_subsets_and_no_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (4000, 16), generator=generator).float() * 2 - 1
    flips = torch.rand(4000, 8, generator=generator) < 0.1
    x[:, 8:] = torch.where(flips, -x[:, :8], x[:, :8])
    y = x[:, 0] * x[:, 1] * x[:, 2] - 0.6 * x[:, 3] * x[:, 4] + 0.5 * x[:, 5]
    y += 0.1 * torch.randn(4000, generator=generator)
    found = attribute("actspec", Problem.from_samples(x, y), gamma=0.9)
    assert set(found.subsets) == {(0, 1, 2), (3, 4), (5,)}
    assert found.as_dict()[3, 4] == pytest.approx(-0.6, abs=0.03)


def test_actspec_on_repeated_samples_keeps_its_false_discovery_rate() -> None:
    """Few patterns, so rows repeat: what chooses subsets must share nothing with what tests."""
    reported = 0
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randint(0, 2, (2000, 8), generator=generator).float() * 2 - 1
        y = torch.randn(2000, generator=generator)
        reported += bool(attribute("actspec", Problem.from_samples(x, y)).subsets)
    assert reported <= 6  # P(more than 6 of 40 at 0.05) < 0.004


def test_actspec_s_intervals_cover_and_are_no_wider_than_they_need_be() -> None:
    covered, widths = [], []
    for seed in range(60):
        problem, truth = planted("planted-parity[noise=0.3,terms=3]", seed, 10_000)
        found = attribute("actspec", problem)
        for subset, (low, high) in zip(found.subsets, found.info["intervals_95"], strict=True):
            if subset in truth.spectrum:
                covered.append(low <= truth.spectrum[subset] <= high)
                widths.append(high - low)
    assert len(covered) > 150
    assert 0.88 <= np.mean(covered) <= 0.99
    assert 0.01 < np.mean(widths) < 0.06  # least squares on 10,000 rows: 4 * 0.5 / 100 = 0.02


def test_actspec_drops_a_subset_whose_unit_the_others_predict() -> None:
    """The third unit is the parity of the first two four times in five: (0, 1, 2) is redundant."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 2, (6000, 8), generator=generator).float() * 2 - 1
    flips = torch.where(torch.rand(6000, generator=generator) < 0.15, -1.0, 1.0)
    x[:, 2] = x[:, 0] * x[:, 1] * flips
    x = torch.cat([x, torch.randn(6000, 8, generator=generator)], dim=1)
    y = x[:, 0] * x[:, 1] * x[:, 2] + x[:, 4] * x[:, 5]
    problem = Problem.from_samples(x, y)
    assert set(attribute("actspec", problem).subsets) == {(4, 5)}
    found = attribute("actspec", restarted(problem, budget=10_000, seed=0), delta=1.0)
    assert {(0, 1, 2), (4, 5)} <= set(found.subsets)


def test_tau_comes_from_the_noise_of_the_weights_and_falls_with_the_budget() -> None:
    taus = []
    for budget in (3000, 12_000, 48_000):
        problem = restarted(parity_sum(TERMS, 16), budget=budget, seed=0)
        taus.append(attribute("actspec", problem).info["tau"])
    assert taus[0] > taus[1] > taus[2] > 0.05
    assert taus[0] / taus[2] == pytest.approx(2, rel=0.35)  # the fourth root of the budget


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem.from_function(lambda x: 0 * x[:, 0] + 2, 6), "no coefficient"),
        (Problem.from_function(lambda x: x[:, 0], 1), None),
        (Problem.from_samples(torch.ones(50, 3), torch.ones(50)), "every unit is nearly constant"),
        (Problem.from_samples([[1.0, -1.0]], [1.0]), "every unit is nearly constant"),
    ],
)
def test_actspec_on_degenerate_problems(problem: Problem, reason: str | None) -> None:
    found = attribute("actspec", problem)
    if reason is None:
        assert found.as_dict() == {(0,): pytest.approx(1.0)}
    else:
        assert not found.subsets
        assert reason in found.info["reason"]


def test_actspec_leaves_out_coefficients_below_a_given_tau() -> None:
    found = attribute("actspec", parity_sum(TERMS, 12), tau=0.6)
    assert set(found.subsets) == {(0, 3), (1,)}
    found = attribute("actspec", parity_sum({(0,): 0.1}, 4), tau=1.0)
    assert not found.subsets


def test_actspec_refuses_a_budget_below_its_screen() -> None:
    problem = restarted(parity_sum(TERMS, 64), budget=100, seed=0)
    with pytest.raises(NotApplicable, match="screen of 64 units needs at least"):
        attribute("actspec", problem)


def random_patterns(rows: int, n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], (rows, n))).float()


def test_unit_redundancy_rules() -> None:
    pattern = random_patterns(4000, 5)
    pattern[:, 1] = 1.0
    pattern[:, 3] = -pattern[:, 0]
    assert _redundancy.varying_units(pattern, 0.2) == [0, 2, 3, 4]
    assert _redundancy.distinct_units(pattern, [3, 0, 2, 4], 0.2) == [3, 2, 4]
    assert _redundancy.distinct_units(pattern, [0, 3, 2, 4], 0.2) == [0, 2, 4]


def pairs_estimate(pattern: torch.Tensor, member: int, other: int) -> tuple[float, float]:
    """The rule's two Goldreich-Levin weights by a sum over every pair of rows, cell by cell."""
    n = pattern.shape[1]
    rest = [i for i in range(n) if i not in (member, other)]
    share = {s: (pattern[:, other] == s).float().mean().item() for s in (-1.0, 1.0)}
    sums, total = np.zeros(2), 0
    for row in pattern.unique(dim=0)[:, rest].unique(dim=0) if rest else [None]:
        inside = (pattern[:, rest] == row).all(1) if rest else torch.ones(len(pattern)).bool()
        y = {s: pattern[inside & (pattern[:, other] == s), member].tolist() for s in share}
        if min(map(len, y.values())) < 2:
            continue
        for sign, position in ((1, 0), (-1, 1)):
            value = 0.0
            for s, ys in y.items():
                pairs = [a * b for i, a in enumerate(ys) for j, b in enumerate(ys) if i != j]
                value += share[s] ** 2 * np.mean(pairs)
            value += sign * 2 * share[1.0] * share[-1.0] * np.mean(y[1.0]) * np.mean(y[-1.0])
            sums[position] += value * int(inside.sum())
        total += int(inside.sum())
    return tuple(sums / total)


def test_subset_redundancy_equals_a_sum_over_pairs() -> None:
    pattern = random_patterns(60, 4, seed=2)
    pattern[:40, 3] = pattern[:40, 0] * pattern[:40, 1]
    for subset in [(0, 1), (0, 1, 3), (0, 1, 2)]:
        columns = pattern[:, list(subset)]
        expected = max(
            estimate
            for m in range(len(subset))
            for o in range(len(subset))
            if m != o
            for estimate in pairs_estimate(columns, m, o)
        )
        assert _redundancy.predictability(pattern, subset) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("covered", "says"), [(49, False), (51, True), (100, True)])
def test_a_weight_from_cells_without_half_of_the_rows_says_nothing(
    covered: int, says: bool
) -> None:
    """Rows with the third unit off never have the second off: they hold no pair to compare."""
    other = np.where(np.arange(100) < covered, np.where(np.arange(100) % 2, 1.0, -1.0), 1.0)
    rest = np.where(np.arange(100) < covered, 1.0, -1.0)
    columns = torch.from_numpy(np.stack([other, other, rest], 1)).float()
    without, within = _redundancy._gl_weights(columns, 0, 1)
    if says:
        assert within > 0.9
        assert without < 0.5
    else:
        assert (without, within) == (0.0, 0.0)


def test_a_unit_that_is_the_parity_of_others_makes_its_subset_redundant() -> None:
    pattern = random_patterns(4000, 6)
    pattern[:, 2] = pattern[:, 0] * pattern[:, 1]
    assert _redundancy.predictability(pattern, (0, 1, 2)) > 0.95
    assert _redundancy.predictability(pattern, (0, 1, 3, 4, 5)) < 0.05


def test_least_squares_equals_numpy_and_its_intervals_cover() -> None:
    pattern = random_patterns(400, 6)
    subsets = [(0,), (1, 2), (3, 4, 5)]
    truth = np.array([1.0, -0.5, 0.0])
    design = np.stack([np.ones(400), *(pattern[:, list(s)].prod(1).numpy() for s in subsets)], 1)
    covered = np.zeros(3)
    runs = 400
    for seed in range(runs):
        noise = np.random.default_rng(seed).standard_normal(400)
        values = design[:, 1:] @ truth + noise * (1 + (pattern[:, 0].numpy() > 0))
        fit = regression.least_squares(pattern, torch.from_numpy(values), subsets)
        expected = np.linalg.lstsq(design, values, rcond=None)[0][1:]
        assert fit.coefficients.numpy() == pytest.approx(expected, abs=1e-8)
        covered += np.abs(fit.coefficients.numpy() - truth) <= 1.96 * fit.errors.numpy()
    assert np.all(np.abs(covered / runs - 0.95) < 4 * (0.95 * 0.05 / runs) ** 0.5)


def test_grouped_errors_cover_where_rows_share_their_noise() -> None:
    pattern = random_patterns(50, 3).repeat_interleave(8, dim=0)
    group = torch.arange(50).repeat_interleave(8)
    covered, runs = 0, 400
    for seed in range(runs):
        noise = np.random.default_rng(seed).standard_normal(50).repeat(8)
        values = torch.from_numpy(noise) + pattern[:, 0]
        fit = regression.least_squares(pattern, values, [(0,)], group)
        covered += abs(fit.coefficients[0].item() - 1) <= 1.96 * fit.errors[0].item()
    assert abs(covered / runs - 0.95) < 0.04


def sandwich(design: np.ndarray, values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Standard errors group by group, scaled by G / (G - p) for G groups and p parameters."""
    bread = np.linalg.inv(design.T @ design)
    residual = values - design @ bread @ design.T @ values
    meat = np.zeros_like(bread)
    for name in set(group):
        score = design[group == name].T @ residual[group == name]
        meat += np.outer(score, score)
    groups, parameters = len(set(group)), design.shape[1]
    return np.sqrt(np.diag(bread @ meat @ bread) * groups / (groups - parameters))[1:]


@pytest.mark.parametrize("rows_a_group", [1, 3])
def test_standard_errors_are_the_sandwich_of_few_groups(rows_a_group: int) -> None:
    """With 9 groups and 3 parameters the correction for degrees of freedom is 9 / 6."""
    rows = 9 * rows_a_group
    pattern = random_patterns(rows, 5, seed=4)
    values = np.random.default_rng(5).standard_normal(rows)
    group = np.arange(rows) // rows_a_group
    subsets = [(0,), (1, 2)]
    design = np.stack([np.ones(rows), *(pattern[:, list(s)].prod(1).numpy() for s in subsets)], 1)
    fit = regression.least_squares(
        pattern, torch.from_numpy(values), subsets, torch.from_numpy(group)
    )
    assert fit.errors.numpy() == pytest.approx(sandwich(design, values, group), rel=1e-9)
    assert fit.freedom == 6
    if rows_a_group == 1:
        alone = regression.least_squares(pattern, torch.from_numpy(values), subsets)
        assert torch.equal(alone.errors, fit.errors)


def test_a_fit_does_not_depend_on_the_level_of_the_values() -> None:
    """Neither coefficients nor errors, nor the floor below which no error is taken."""
    pattern = random_patterns(60, 4, seed=6)
    noise = torch.from_numpy(np.random.default_rng(7).standard_normal(60))
    for values in (pattern[:, 0] + noise, pattern[:, 0].double() * 3):
        plain, raised = (
            regression.least_squares(pattern, values + level, [(0,), (1, 2)])
            for level in (0.0, 1e4)
        )
        assert raised.coefficients.numpy() == pytest.approx(plain.coefficients.numpy(), abs=1e-8)
        assert raised.errors.numpy() == pytest.approx(plain.errors.numpy(), rel=1e-6)
    floor = regression.NUMERICAL_FLOOR * float(values.std()) / 60**0.5
    assert plain.errors.numpy() == pytest.approx([floor] * 2)


@pytest.mark.parametrize("given", [False, True])
def test_actspec_finds_the_same_whatever_the_level_of_the_values(given: bool) -> None:
    def problem(level: float) -> Problem:
        if not given:
            base = parity_sum(TERMS | {(): level} if level else TERMS, 14)
            return restarted(base, budget=6000, seed=0)
        x = random_patterns(600, 20, seed=8)
        y = x[:, [0, 1, 2]].prod(1) + x[:, 3] * x[:, 4] + level
        return Problem.from_samples(x, y)

    plain, raised = (attribute("actspec", problem(level)) for level in (0.0, 64.0))
    assert plain.subsets
    assert set(raised.subsets) == set(plain.subsets)
    for subset, coefficient in plain.as_dict().items():
        assert raised.as_dict()[subset] == pytest.approx(coefficient, abs=1e-3)
    if not given:
        assert raised.info["tau"] == pytest.approx(plain.info["tau"], rel=0.05)


def test_the_weights_of_the_tree_are_those_of_centred_values() -> None:
    """Of a constant there is nothing to branch on, so no node but the empty one is ever kept."""
    problem = restarted(Problem.from_function(lambda x: 0 * x[:, 0] + 9, 6), budget=4000, seed=0)
    queries = _tree_search.Queries(problem)
    queries.ask(problem.sample(50), 50)
    found, _ = _tree_search._branch(queries, list(range(6)), 3000, None, 128)
    assert found == []


def test_the_joint_refit_counts_rows_that_share_draws_once() -> None:
    """Eight equal rows a group say no more than one, whether asked at once or later."""
    x = random_patterns(40, 5, seed=9)
    problem = restarted(parity_sum({(0,): 1.0, (1, 2): 0.7, (3, 4): 0.4}, 5), budget=999, seed=0)
    once, grouped = _tree_search.Queries(problem), _tree_search.Queries(problem)
    once.ask(x, 40)
    first = grouped.next_group
    grouped.ask(x.repeat_interleave(5, dim=0), 40)
    grouped.ask(x.repeat_interleave(3, dim=0), 40, first=first)
    expected, found = once.fit([(0,), (1, 2)]), grouped.fit([(0,), (1, 2)])
    assert found.errors.numpy() == pytest.approx(expected.errors.numpy(), rel=1e-6)
    assert found.freedom == expected.freedom == 37


def test_benjamini_hochberg_step_up_by_hand() -> None:
    p = np.array([0.001, 0.03, 0.021, 0.9, 0.04])
    assert regression.discoveries(p, 0.05).tolist() == [True, True, True, False, True]
    assert regression.discoveries(np.array([0.02, 0.9, 0.9, 0.9]), 0.05).tolist() == [False] * 4
    assert regression.discoveries(np.zeros(0), 0.05).tolist() == []


def test_random_control_draws_each_unit_equally_often() -> None:
    counts = np.zeros(6)
    for seed in range(600):
        problem = restarted(parity_sum({(0,): 1.0}, 6), budget=1, seed=seed)
        for subset in attribute("random", problem, subsets=1, order=2).subsets:
            counts[list(subset)] += 1
    expected = 600 * 1.5 / 6
    assert np.all(np.abs(counts - expected) < 4 * expected**0.5)
