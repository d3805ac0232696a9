from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.actspec import queries as _queries
from actspec_bench.methods.actspec import screen as _screen
from actspec_bench.methods.actspec import search, tree
from actspec_bench.problems.views import restarted

TERMS = {(0, 3): 1.0, (1,): -0.75, (2, 4, 5): 0.5}


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
        problem, _ = planted("planted-parity[n=16,noise=1.0]", 0, budget)
        taus.append(attribute("actspec", problem).info["tau"])
    assert taus[0] > taus[1] > taus[2] > 0.05
    assert taus[0] / taus[2] == pytest.approx(4, rel=0.35)  # the weights' noise falls as 1/rows


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem.from_function(lambda x: 0 * x[:, 0] + 2, 6), "10,000 rows asked have the value 2"),
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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("planted-parity[noise=0.05]", 1500),
        ("planted-parity[noise=0.05,order=8]", 4000),
        ("planted-parity[noise=0.05,terms=10,order=8,overlap=4]", 6000),
        ("planted-parity[noise=1.0,order=5]", 16_000),
        ("planted-parity[n=256,noise=0.05,order=5]", 4000),
        ("planted-parity[terms=3,readout=decision]", 1200),
    ],
)
def test_actspec_is_exact_on_few_queries(text: str, budget: int, seed: int) -> None:
    problem, truth = planted(text, 50 + seed, budget)
    found = attribute("actspec", problem)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)


@pytest.mark.parametrize("parameters", [{"order": "given"}, {"order": "random", "restarts": 3}])
def test_any_order_of_the_units_finds_the_same_subsets(parameters: dict[str, object]) -> None:
    problem, truth = planted("planted-parity[noise=0.05,orders=(1,2,3,5)]", 7, 8000)
    found = attribute("actspec", problem, **parameters)
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)


def test_restarts_share_the_budget_and_see_orders_of_their_own() -> None:
    taus = {}
    for restarts in (1, 4):
        problem, _ = planted("planted-parity[noise=1.0,terms=3]", 1, 40_000)
        found = attribute("actspec", problem, restarts=restarts)
        assert problem.remaining == 0
        taus[restarts] = found.info["tau"]
    assert taus[4] == pytest.approx(2 * taus[1], rel=0.3)  # a quarter of the rows a level


def relabelled(problem: Problem, order: list[int]) -> Problem:
    """The same problem with unit i listed at place order[i]."""
    source, places = problem._source, torch.tensor(order)
    return Problem(
        replace(
            source,
            margin=lambda x: source.margin(x[:, places]),
            sampler=lambda k, g: source.sampler(k, g)[:, places.argsort()],
            foreground=source.foreground[:, places.argsort()],
            baseline=source.baseline[places.argsort()],
        )
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    [
        "planted-parity[n=32,noise=0.05,terms=3,duplicates=6,constants=3]",
        "planted-parity[n=32,noise=1.0,terms=3,correlation=0.6]",
    ],
)
def test_listing_units_in_another_order_finds_the_same_subsets(text: str, seed: int) -> None:
    """Twins too: which of two like units matters is told by its influence, not by its place."""
    problem, truth = planted(text, seed, 16_000)
    order = np.random.default_rng(seed).permutation(32).tolist()
    moved = restarted(relabelled(problem, order), budget=16_000, seed=seed)
    plain = set(attribute("actspec", problem).subsets[: len(truth.spectrum)])
    named = attribute("actspec", moved).subsets[: len(truth.spectrum)]
    assert {tuple(sorted(order.index(i) for i in s)) for s in named} == plain
    assert plain == set(truth.spectrum)


def with_twins(seed: int, agreement: float) -> tuple[Problem, dict[tuple[int, ...], float]]:
    """4,000 given rows of 32 units, half of which copy the others with the given agreement."""
    rng = np.random.default_rng(seed)
    units = rng.permutation(32)
    x = rng.choice([-1.0, 1.0], (4000, 32))
    flips = np.where(rng.random((4000, 16)) < agreement, 1, -1)
    x[:, units[16:]] = x[:, units[:16]] * flips
    chosen = rng.permutation(units[:16])[:9].reshape(3, 3)
    terms = {tuple(sorted(s.tolist())): rng.uniform(0.5, 1.5) for s in chosen}
    y = sum(c * x[:, list(s)].prod(1) for s, c in terms.items())
    return Problem.from_samples(x, y + 0.05 * y.std() * rng.standard_normal(4000)), terms


@pytest.mark.parametrize("agreement", [0.8, 0.95])
def test_given_rows_with_twins_yield_the_subsets_and_no_twin(agreement: float) -> None:
    false = 0
    for seed in range(5):
        problem, terms = with_twins(seed, agreement)
        found = attribute("actspec", problem)
        assert set(found.subsets[:3]) == set(terms)
        assert found.info["order_searched"] == 3
        false += len(found.subsets) - 3
    assert false <= 3  # at rate 0.05 of some 15 reported, more than three are rare: p < 0.01


def test_intervals_cover_where_the_subsets_reported_are_not_all_there_is() -> None:
    """A tenth of the energy is spread over all 4,096 coefficients: no sparse model is true."""
    large = {(0, 5, 7): 1.0, (1, 2, 3, 4): -0.7, (8,): 0.5}
    patterns = all_patterns(12)
    weights = 2 ** torch.arange(12)
    errors, covered = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = sum(c * patterns[:, list(s)].prod(1) for s, c in large.items())
        table = table + 0.4 * torch.from_numpy(rng.standard_normal(4096)).float()
        spectrum = walsh_hadamard(table)
        function = Problem.from_function(lambda x, t=table: t[((x < 0) * weights).sum(1)], 12)
        found = attribute("actspec", restarted(function, budget=2000, seed=seed))
        bounds = dict(zip(found.subsets, found.info["intervals_95"], strict=True))
        for subset in large:
            low, high = bounds[subset]
            truth = spectrum[sum(2**i for i in subset)].item()
            covered.append(low <= truth <= high)
            errors.append((found.as_dict()[subset] - truth) / (high - low))
    assert 0.89 <= np.mean(covered) <= 0.99  # of 180, three standard deviations are 0.05
    assert 0.2 < np.std(errors) < 0.32  # 1 / 3.92 = 0.255


def screened(problem: Problem, units: list[int]) -> _screen.Screen:
    return _screen.screen(_queries.Queries(problem), units, problem.sample(1000))


def test_the_screen_keeps_what_matters_and_drops_the_rest() -> None:
    for seed in range(10):
        problem, truth = planted("planted-parity[n=128,noise=0.05,readout=margin]", seed, 4000)
        result = screened(problem, list(range(128)))
        assert set(np.flatnonzero(truth.relevant()).tolist()) <= set(result.units)
        assert len(result.units) < 40
        assert result.doubtful == 0


def test_bisection_finds_units_whose_own_flips_hardly_ever_change_the_value() -> None:
    """The last unit counts in one pattern of four only, and two flips a unit seldom meet it."""

    def rare(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] + 2 * (x[:, 5:7] > 0).all(1) * x[:, 20]

    kept = 0
    for seed in range(10):
        problem = restarted(Problem.from_function(rare, 200), budget=6000, seed=seed)
        result = screened(problem, list(range(200)))
        kept += {0, 5, 6, 20} <= set(result.units)
        assert len(result.units) < 60
    assert kept >= 8


def test_noise_that_would_hide_a_change_keeps_every_unit() -> None:
    problem, _ = planted("planted-nothing", 0, 2000)
    result = screened(problem, list(range(64)))
    assert (result.units, result.influence, result.doubtful) == (list(range(64)), {}, 64)
    assert problem.remaining == 2000 - 2 * _screen.BASES


def test_what_the_function_returns_is_checked() -> None:
    for function, message in (
        (lambda x: x[:, 0] / 0, "not finite"),
        (lambda x: x, "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            attribute("actspec", Problem.from_function(function, 8))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Problem.from_function(lambda x: x[:, 0], 0)


def test_a_budget_that_leaves_units_unsearched_says_so() -> None:
    found = attribute("actspec", Problem.from_function(lambda x: x[:, 0], 8, budget=100))
    assert not found.subsets
    assert found.info["reason"].endswith(
        "the budget of 100 rows left 8 units unsearched: a larger one is needed"
    )


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_the_values_does_not_matter(scale: float) -> None:
    problem = restarted(
        parity_sum({s: c * scale for s, c in TERMS.items()}, 12), budget=4000, seed=0
    )
    found = attribute("actspec", problem)
    assert {s: c / scale for s, c in found.as_dict().items()} == pytest.approx(TERMS)
    assert set(
        attribute("actspec", restarted(problem, budget=4000, seed=0), tau=0.6 * scale).subsets
    ) == {
        (0, 3),
        (1,),
    }


def test_orders_are_as_asked() -> None:
    problem = restarted(parity_sum(TERMS, 12), budget=100, seed=0)
    queries = _queries.Queries(problem)
    units = [7, 2, 9, 4]
    assert search._orders(queries, units, "influence", 1) == [units]
    assert search._orders(queries, units, "given", 1) == [[2, 4, 7, 9]]
    random = search._orders(queries, units, "random", 6)
    assert all(sorted(order) == sorted(units) for order in random)
    assert len({tuple(order) for order in random}) > 1
    first, *others = search._orders(queries, units, "influence", 3)
    assert first == units
    assert len(others) == 2


def test_a_level_keeps_at_most_max_branch_nodes() -> None:
    """Sixteen terms of one size, of which a walk that keeps three nodes can follow three."""
    terms = {(i, i + 16): 1.0 for i in range(16)}
    problem = restarted(parity_sum(terms, 32), budget=20_000, seed=0)
    queries = _queries.Queries(problem)
    levels = tree._levels(queries, list(range(32)), 16_000, 0)
    values = torch.cat(queries.values)
    few, _ = tree._walk(levels, list(range(32)), values, None, 3)
    many, _ = tree._walk(levels, list(range(32)), values, None, 128)
    assert 0 < len(few) <= 3
    assert set(terms) <= set(many)
    assert len(many) <= 128


def test_coefficients_chosen_narrowly_come_from_rows_that_chose_nothing() -> None:
    problem = restarted(parity_sum({(0,): 1.0, (1, 2): 0.02}, 5), budget=2000, seed=0)
    noisy = Problem(replace(problem._source, noise=0.3), budget=2000, seed=0)
    queries = _queries.Queries(noisy)
    queries.ask_drawn(noisy.sample(600))
    queries.hold(noisy.sample(300))
    subsets = [(0,), (1, 2)]
    together, alone = queries.fit(subsets), queries._on(queries.held, subsets)
    whole = queries._on([0, 1], subsets)
    assert together.coefficients[0] == whole.coefficients[0]
    assert together.errors[0] == whole.errors[0]
    assert together.coefficients[1] == alone.coefficients[1] != whole.coefficients[1]
    assert together.errors[1] == alone.errors[1] > whole.errors[1]


def test_where_units_depend_on_each_other_the_fit_is_on_draws_alone() -> None:
    problem, _ = planted("planted-parity[n=12,terms=2,order=2,correlation=0.5]", 0, 3000)
    queries = _queries.Queries(problem)
    queries.ask(torch.ones(400, 12), 8)
    queries.ask_drawn(problem.sample(500))
    assert queries.fit([(0,)]).errors == queries._on([1], [(0,)]).errors
