"""Perturbation methods give their closed forms, and what Captum with its defaults gives."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from scoring import TERMS, built, parity_sum, planted
from torch import Tensor

from actspec_bench import Attribution, NotApplicable, Problem, attribute
from actspec_bench.methods.attributing.perturbing import window_of
from actspec_bench.problems.explaining import global_generators_seeded
from actspec_bench.problems.kinds import interchange, masked
from actspec_bench.problems.readouts import decision
from actspec_bench.problems.views import restarted

WEIGHTS = torch.tensor([1.0, -2.0, 0.0, 0.5])


def linear(x: Tensor) -> Tensor:
    return x @ WEIGHTS + 3


def both_on(x: Tensor) -> Tensor:
    return (1 + x[:, 0]) * (1 + x[:, 1]) / 4


def found(name: str, function, *, budget: int = 10_000, **parameters) -> Attribution:
    return attribute(name, Problem.from_function(function, 4, budget=budget), **parameters)


def test_a_linear_function_gives_its_weights() -> None:
    for name in ("feature-ablation", "shapley-sampling"):
        assert found(name, linear).units() == pytest.approx(WEIGHTS.abs().numpy(), abs=1e-5)
        assert found(name, linear).units()[2] == 0
    # A unit of a permuted draw differs from its own value in half of the draws, by 2.
    permuted = found("feature-permutation", linear)
    assert permuted.units() == pytest.approx(WEIGHTS.abs().numpy(), rel=0.1)
    assert permuted.info == {"rows": 2000}
    assert found("feature-permutation", linear, aggregate="mean").units() == pytest.approx(
        0, abs=1e-5
    )


def test_products_and_ands_against_their_closed_forms() -> None:
    ablated = attribute("feature-ablation", parity_sum(TERMS, 8)).units()
    assert ablated == pytest.approx([1, 0.75, 0.5, 1, 0.5, 0.5, 0, 0], abs=1e-6)
    one, other = Problem.from_function(both_on, 4).foreground[:, :2].T
    alone = one * (1 + other) / 4
    units = found("feature-ablation", both_on).units()
    assert units[0] == pytest.approx(float(alone.abs().mean()), abs=1e-6)
    assert units[2] == units[3] == 0
    shared = one / 4 + one * other / 8
    sampled = found("shapley-sampling", both_on, budget=100_000).units()
    assert sampled[0] == pytest.approx(float(shared.abs().mean()), abs=0.02)
    # An AND is 1 in a quarter of the draws; permuting moves 1 to 0 in an eighth, 0 to 1 as many.
    permuted = found("feature-permutation", both_on, budget=50_000).units()
    assert permuted[0] == pytest.approx(1 / 4, abs=0.03)


def test_what_is_attributed_is_the_margin_unless_the_value_is_asked_for() -> None:
    problem = Problem.from_function(lambda x: 10 + x @ WEIGHTS, 4, readout="decision")
    margin, value = (
        attribute("feature-ablation", restarted(problem, budget=1000, seed=0), on=on)
        for on in ("margin", "value")
    )
    assert margin.units() == pytest.approx(WEIGHTS.abs().numpy(), abs=1e-5)
    assert value.subsets == ()
    assert value.info["reason"] == "no unit changes anything in the rows explained"


@pytest.mark.parametrize("on", ["margin", "value"])
def test_captum_with_its_defaults_gives_the_same_from_the_same_seed(on: str) -> None:
    problem = built("digits-hidden").problem
    view = restarted(problem, budget=10**7, seed=0)
    f = view.margin if on == "margin" else view.value
    x, baseline = view.foreground, view.baseline[None]
    ablation = captum.attr.FeatureAblation(f).attribute(x, baselines=baseline)
    with global_generators_seeded(view):
        draws = restarted(problem, budget=1, seed=0).sample(153)
        permutation = captum.attr.FeaturePermutation(f).attribute(draws)
    for name, direct in (
        ("feature-ablation", ablation),
        ("feature-permutation", permutation),
    ):
        told = attribute(name, restarted(problem, budget=10_000, seed=0), on=on)
        assert told.info["rows"] == len(direct), name
        assert told.units(64) == pytest.approx(direct.abs().mean(0).numpy(), abs=1e-4), name


def drawn(layout: tuple[int, ...], budget: int = 10_000) -> Problem:
    """A function of units in a layout, with interactions, of real values."""
    n = int(np.prod(layout))
    rng = torch.Generator().manual_seed(1)
    weights, rows = torch.randn(n, generator=rng), torch.randn(50, n, generator=rng)
    source = interchange(
        lambda x: (x * weights).sum(1) + x[:, 0] * x[:, 1],
        rows,
        readout="decision",
        foreground=rows[:5],
        layout=layout,
    )
    return Problem(source, budget=budget)


@pytest.mark.parametrize(
    ("layout", "window"), [((4, 5), None), ((9, 8), None), ((7,), 3), ((2, 3, 4), 2), ((1, 6), 2)]
)
def test_occlusion_is_the_mean_over_the_windows_that_cover_a_unit(
    layout: tuple[int, ...], window: int | None
) -> None:
    problem = drawn(layout)
    shape = window_of(layout, window)
    told = attribute("occlusion", problem, window=window)
    places = [range(side - width + 1) for side, width in zip(layout, shape, strict=True)]
    assert told.info == {"rows": 5, "window": list(shape)}
    assert problem.spent["forward"] == 5 * (1 + int(np.prod([len(place) for place in places])))
    view = restarted(problem, budget=10**6, seed=0)
    x, baseline = view.foreground, view.baseline
    total, covered = torch.zeros(5, *layout), torch.zeros(layout)
    for corner in np.ndindex(*map(len, places)):
        box = torch.zeros(layout, dtype=torch.bool)
        box[tuple(slice(c, c + w) for c, w in zip(corner, shape, strict=True))] = True
        change = view.margin(x) - view.margin(torch.where(box.flatten(), baseline, x))
        total += change.reshape(5, *[1] * len(layout)) * box
        covered += box
    expected = (total / covered).flatten(1).abs().mean(0)
    assert told.units(problem.n) == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def test_windows_are_small_on_small_layouts_and_never_larger_than_them() -> None:
    assert window_of((4, 4), None) == (2, 2)
    assert window_of((14, 14), None) == (3, 3)
    assert window_of((12, 7), None) == (2, 2)
    assert window_of((3, 9, 9), None) == (1, 3, 3)
    assert window_of((20,), None) == (3,)
    assert window_of((1, 9), 4) == (1, 4)
    with pytest.raises(NotApplicable, match="layout"):
        attribute("occlusion", parity_sum(TERMS, 8))


def test_occlusion_takes_a_row_of_parts() -> None:
    problem = Problem(masked(lambda x: x[:, 0], 4, readout="margin", layout=(2, 2)), budget=10)
    assert attribute("occlusion", problem).units() == pytest.approx([2, 2, 2, 2])
    problem = Problem(masked(lambda x: x[:, 0], 4, readout="margin", layout=(2, 2)), budget=5)
    assert attribute("occlusion", problem, window=1).units() == pytest.approx([2, 0, 0, 0])


def test_shapley_sampling_is_exact_within_its_error_where_all_coalitions_can_be_asked() -> None:
    weights = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    function = Problem.from_function(
        lambda x: torch.tanh(x @ weights[0]) * (x @ weights[1]).relu() + x @ weights[2], 10
    )
    exact = attribute(
        "shapley-values", restarted(function, budget=32 * 2**10, seed=0), aggregate="mean"
    )
    draws = np.array(
        [
            attribute(
                "shapley-sampling",
                restarted(function, budget=40_000, seed=seed),
                aggregate="mean",
            ).units(10)
            for seed in range(8)
        ]
    )
    assert exact.info == {"rows": 32}
    error = draws.std(0, ddof=1) / 8**0.5
    assert (np.abs(draws.mean(0) - exact.units(10)) < 5 * error).all()
    assert error.max() < 0.01


def test_permuting_needs_two_draws_and_spends_the_rest_on_more() -> None:
    for budget, rows in ((130, 2), (194, 2), (195, 3), (10_000, 153)):
        problem, _ = planted("digits-hidden", 0, budget)
        assert attribute("feature-permutation", problem).info == {"rows": rows}
        assert problem.spent["forward"] == 65 * rows
    problem, _ = planted("digits-hidden", 0, 129)
    with pytest.raises(NotApplicable, match="at least 2 draws, which cost 130 rows"):
        attribute("feature-permutation", problem)


def test_rows_give_way_to_permutations() -> None:
    for budget, rows, permutations in ((65, 1, 1), (700, 2, 5), (64 * 4, 1, 4), (10_000, 31, 5)):
        problem, _ = planted("digits-hidden", 0, budget)
        told = attribute("shapley-sampling", problem)
        assert told.info == {"rows": rows, "permutations": permutations}
        assert problem.spent["forward"] == 1 + rows * (1 + 63 * permutations)


def test_the_value_is_the_sign_of_the_margin() -> None:
    problem = built("digits-hidden").problem
    view = restarted(problem, budget=10**6, seed=0)
    direct = captum.attr.FeatureAblation(lambda x: decision(view.margin(x))).attribute(
        view.foreground, baselines=view.baseline[None]
    )
    told = attribute("feature-ablation", restarted(problem, budget=10_000, seed=0), on="value")
    assert told.units(64) == pytest.approx(direct.abs().mean(0).numpy(), abs=1e-6)
