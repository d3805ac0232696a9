"""Patching against closed forms, and where it must say that it cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import parity_sum, planted, random_patterns

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.intervening.finding import find_pairs
from actspec_bench.methods.intervening.groups import Patched
from actspec_bench.methods.intervening.pairs import paired
from actspec_bench.methods.intervening.patching import patched_values, single_effects
from actspec_bench.problems.kinds import interchange, masked
from actspec_bench.problems.views import restarted

WEIGHTS = torch.tensor([3.0, -2.0, 1.0, 0.5, 0.0])
METHODS = ["activation-patching", "activation-patching-groups", "attribution-patching"]


class Counted:
    """A function that counts the rows it was asked for, and its calls."""

    def __init__(self, function) -> None:
        self.function, self.rows, self.calls = function, 0, 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.rows, self.calls = self.rows + len(x), self.calls + 1
        return self.function(x)


def on_masks(function, n: int, *, readout: str = "margin", budget: int = 10_000) -> Problem:
    return Problem(masked(function, n, readout=readout), budget=budget)


def layer(function, n: int, *, low: float = 0) -> Problem:
    """Of a layer with a ReLU; where ``low`` is above 0, of few distinct rows."""
    rows = torch.randn(400, n, generator=torch.Generator().manual_seed(0)).relu()
    rows = (rows > low).float() if low > 0 else rows
    source = interchange(function, rows, readout="margin", foreground=rows[:32], heldout=rows[:9])
    return Problem(source, budget=10_000)


def both(*units: int):
    return lambda x: (x[:, list(units)] > 0).all(1).float() * 2 - 1


def either(*units: int):
    return lambda x: (x[:, list(units)] > 0).any(1).float() * 2 - 1


def linear(x: torch.Tensor) -> torch.Tensor:
    return x @ WEIGHTS


@pytest.mark.parametrize("direction", ["denoising", "noising", "both"])
@pytest.mark.parametrize("name", ["activation-patching", "attribution-patching"])
def test_of_a_linear_function_each_unit_restores_its_share(name: str, direction: str) -> None:
    found = attribute(name, on_masks(linear, 5), direction=direction)
    assert found.as_dict() == pytest.approx(
        {(i,): w / 2.5 for i, w in enumerate(WEIGHTS[:4].tolist())}
    )
    of_layer = attribute(name, layer(lambda x: linear(x) - 0.6, 5), direction=direction)
    assert of_layer.coefficients.sum() == pytest.approx(1, abs=1e-5)
    assert (4,) not in of_layer.as_dict()


def test_effects_of_pairs_are_the_closed_form_of_a_linear_function() -> None:
    problem = layer(lambda x: linear(x) - 0.6, 5)
    pairs = find_pairs(problem, problem.value, cost=5, share=0.25)
    assert len(pairs) > 100
    assert bool((pairs.clean_values >= 0).all())
    assert bool((pairs.corrupt_values < 0).all())
    assert torch.allclose(pairs.clean_values, linear(pairs.clean) - 0.6)
    expected = WEIGHTS * (pairs.clean - pairs.corrupt)
    expected /= (linear(pairs.clean) - linear(pairs.corrupt)).mean()
    effects = single_effects(lambda x: linear(x) - 0.6, pairs.part(0, 1), "denoising")
    first = WEIGHTS * (pairs.clean[0] - pairs.corrupt[0])
    assert torch.allclose(effects[0], first / first.sum(), atol=1e-5)
    effects = single_effects(lambda x: linear(x) - 0.6, pairs, "both")
    assert torch.allclose(effects, expected, atol=1e-5)


def test_units_alike_in_both_rows_cost_nothing() -> None:
    function = Counted(linear)
    clean, corrupt = random_patterns(50, 5, 1), random_patterns(50, 5, 2)
    everything = torch.ones(5, dtype=torch.bool)
    values = patched_values(function, corrupt, clean, linear(corrupt), everything)
    assert function.rows == int((clean != corrupt).sum())
    expected = linear(corrupt)[:, None] + WEIGHTS * (clean - corrupt)
    assert torch.allclose(values, expected, atol=1e-5)


def test_an_and_is_restored_together_and_an_or_is_lost_together() -> None:
    for function, blind, seeing in (
        (both(1, 3), "denoising", "noising"),
        (either(1, 3), "noising", "denoising"),
    ):
        nothing = attribute("activation-patching", on_masks(function, 5), direction=blind)
        assert nothing.subsets == ()
        assert nothing.info["reason"] == "no single unit changes the function"
        found = attribute("activation-patching", on_masks(function, 5), direction=seeing)
        assert found.as_dict() == {(1,): 1.0, (3,): 1.0}
        group = attribute("activation-patching-groups", on_masks(function, 5))
        assert group.as_dict() == {(1, 3): 1.0}
        assert group.info["beyond_parts"] == [0.0]
        alone = attribute("activation-patching-groups", on_masks(function, 5), direction=blind)
        assert alone.info["reason"] == "no unit that is left has an effect of its own"


def test_groups_go_on_where_a_second_unit_adds_nothing_yet() -> None:
    found = attribute("activation-patching-groups", on_masks(both(0, 2, 4), 6))
    assert found.as_dict() == {(0, 2, 4): 1.0}
    parity = attribute("activation-patching-groups", parity_sum({(1, 4, 6): 1.0}, 10))
    assert parity.as_dict() == pytest.approx({(1, 4, 6): 1.0})
    assert parity.info["growth_ended"] == ["share restored"]


def test_groups_of_a_linear_function_have_the_sums_of_their_units() -> None:
    found = attribute("activation-patching-groups", on_masks(linear, 5), share=0.9)
    assert found.as_dict() == pytest.approx({(0,): 1.2, (2, 3): 0.6})
    assert found.info["beyond_parts"] == pytest.approx([0, 0], abs=1e-6)
    one = attribute("activation-patching-groups", on_masks(linear, 5), share=0.5, groups=1)
    assert one.subsets == ((0,),)
    small = attribute("activation-patching-groups", on_masks(both(0, 2, 4), 6), largest=2)
    assert {len(s) for s in small.subsets} == {1}


def test_gradients_are_exact_for_products_and_blind_where_the_function_is_flat() -> None:
    def product(x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] * x[:, 1] * x[:, 2] + 0.5 * x[:, 3] * x[:, 4]

    for direction in ("denoising", "noising"):
        exact, estimated = (
            attribute(name, on_masks(product, 5), direction=direction).units()
            for name in ("activation-patching", "attribution-patching")
        )
        assert estimated == pytest.approx(exact)
    saturated = on_masks(lambda x: (x[:, 0] - 0.5).mul(1000).clamp(-1, 1), 3)
    found = attribute("attribution-patching", saturated)
    assert (found.subsets, found.info["reason"]) == (
        (),
        "the gradient is zero wherever units differ",
    )
    assert attribute("activation-patching", restarted(saturated, budget=9, seed=0)).subsets == (
        (0,),
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("direction", ["denoising", "both"])
def test_rows_are_counted_and_kept_to_and_asked_for_in_batches(name: str, direction: str) -> None:
    for budget in (10, 13, 40, 300, 3000):
        function = Counted(lambda x: x[:, 0] * x[:, 1] + x[:, 2])
        problem = Problem.from_function(function, 12, budget=budget)
        try:
            attribute(name, problem, direction=direction)
        except NotApplicable:
            assert budget < 40
        assert function.rows == problem.spent["forward"] <= budget
        assert sum(problem.spent.values()) <= budget
        assert function.calls < 60
        if budget >= 300 and name != "activation-patching-groups":
            assert problem.remaining < budget / 3


@pytest.mark.parametrize("name", METHODS)
def test_what_does_not_differ_is_not_patched(name: str) -> None:
    with pytest.raises(NotApplicable, match="have the same value"):
        attribute(name, Problem.from_function(lambda x: 0 * x[:, 0] + 0.3, 6))
    with pytest.raises(NotApplicable, match="have the same value"):
        attribute(name, on_masks(lambda x: 0 * x[:, 0], 6))
    with pytest.raises(NotApplicable, match="of the budget of 3 remain"):
        attribute(name, Problem.from_function(linear, 5, budget=3))
    with pytest.raises(NotApplicable, match="noise told them apart"):
        attribute(name, planted("planted-nothing[n=12]", 0, 4000)[0])


def test_one_decision_is_split_in_the_middle_with_a_warning_or_refused() -> None:
    problem = Problem.from_function(lambda x: x[:, 0] + 5, 4, readout="decision")
    found = attribute("activation-patching", problem)
    assert found.as_dict() == pytest.approx({(0,): 1.0})
    assert "same decision" in found.info["warnings"][0]
    with pytest.raises(NotApplicable, match="have the same value"):
        attribute("activation-patching", restarted(problem, budget=900, seed=0), on="value")


def test_noise_that_chose_the_rows_is_no_effect_of_units() -> None:
    """Values picked for being low go up when asked again, whatever is patched."""
    found = []
    for seed in range(8):
        problem, _ = planted("planted-parity[n=8,order=1,terms=1,noise=1.0]", seed, 4000)
        found.append(np.sort(attribute("activation-patching", problem).units(8)))
    assert np.mean(found, axis=0)[-1] == pytest.approx(1, abs=0.1)
    signed = [
        attribute(
            "activation-patching",
            planted("planted-parity[n=8,order=1,terms=1,noise=1.0]", seed, 4000)[0],
        )
        for seed in range(8)
    ]
    others = [c for a in signed for s, c in a.as_dict().items() if abs(c) < 0.5]
    assert abs(np.mean(others)) < 4 * np.std(others) / len(others) ** 0.5


@pytest.mark.parametrize(("a", "b", "most"), [(3, 5, 15), (5, 3, 99), (4, 4, 16), (1, 7, 5)])
def test_pairs_are_distinct_and_take_turns(a: int, b: int, most: int) -> None:
    i, j = paired(a, b, most)
    together = list(zip(i.tolist(), j.tolist(), strict=True))
    assert len(set(together)) == len(together) == min(most, a * b)
    assert set(i.tolist()) <= set(range(a))
    assert set(j.tolist()) <= set(range(b))
    for side, size in ((i, a), (j, b)):
        uses = torch.bincount(side, minlength=size)
        assert int(uses.max() - uses.min()) <= 1


def test_rows_of_a_data_set_are_evaluated_once() -> None:
    """The foreground's 32 are of the data set too, of which rows may be equal to others."""
    for low in (0, 0.3):
        seen = []

        def function(x: torch.Tensor, seen=seen) -> torch.Tensor:
            seen.append(x.clone())
            return x[:, 0] - 5.0 + x[:, 1]

        problem = layer(function, 5, low=low)
        seen.clear()
        pairs = find_pairs(problem, problem.value, cost=5, share=0.25)
        evaluated = torch.cat(seen[:-1])
        assert len(evaluated) == pairs.info["rows_evaluated"] == 400
        assert sorted(evaluated.tolist()) == sorted(problem.rows.tolist())


@pytest.mark.parametrize("direction", ["denoising", "noising", "both"])
def test_a_gradient_is_asked_once_a_row_and_the_budget_goes_into_rows(direction: str) -> None:
    problem = layer(lambda x: x[:, 0] - 1.2 * x[:, 1] + 0.3 * x[:, 2] ** 2 - 0.5, 5)
    above = restarted(problem, budget=400, seed=0).margin(problem.rows) >= 0
    high, low = (len(torch.unique(problem.rows[a], dim=0)) for a in (above, ~above))
    once = {"denoising": low, "noising": high, "both": high + low}[direction]
    found = attribute("attribution-patching", problem, direction=direction)
    assert problem.spent == {"forward": 402 + once, "backward": once}
    assert found.info["pairs"] == 2**14
    rare = Problem.from_function(lambda x: x[:, :3].sum(1) - 2.5, 40, budget=10_000)
    found = attribute("attribution-patching", rare, direction=direction)
    assert rare.remaining < 300
    assert found.units(40)[:3] == pytest.approx(1 / 3, abs=0.05)


def test_groups_end_where_the_next_is_within_two_standard_errors_of_nothing() -> None:
    """Beside one unit there is noise alone; above zero, its effects are half of the time."""
    further, endings = 0, []
    for seed in range(10):
        problem, truth = planted("planted-parity[n=12,order=1,terms=1,noise=0.5]", seed, 6000)
        found = attribute("activation-patching-groups", problem)
        assert next(iter(truth.spectrum)) in found.subsets
        further += len(found.subsets) - 1
        endings.append(found.info["ended"])
    assert further <= 2
    assert endings.count("the next group is within two standard errors of no effect") >= 8


def test_groups_spend_the_shares_of_the_budget_that_are_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = []
    extended = Patched.extended

    def recorded(self, function, units):
        before = problem.remaining
        values = extended(self, function, units)
        steps.append((before, (before - problem.remaining) / before, int(units.sum())))
        return values

    monkeypatch.setattr(Patched, "extended", recorded)
    problem = Problem.from_function(lambda x: x[:, :6].prod(1) + x[:, :6].sum(1), 40, budget=20_000)
    found = attribute("activation-patching-groups", problem, pairs=10_000, groups=4, share=1.0)
    (left, singles, units), *grown = steps
    assert (units, 1 / 4 < singles <= 1 / 3) == (40, True)
    assert all(spent <= 1 / 8 for _, spent, _ in grown)
    assert max(spent for _, spent, _ in grown) > 1 / 12
    assert 1 / 9 < 2 * 4 * found.info["pairs_measured_on"] / left <= 1 / 8
