"""How distributed a planted function is, and what is missing where nothing can be told."""

from __future__ import annotations

import json

import pytest
import torch
from scoring import built, parity_sum, rng

from actspec_bench import Attribution, Problem, attribute, distributedness

TERMS = {(0, 1): 1.0, (4,): -0.5, (1, 2, 3): 0.3}


def found(*subsets: tuple[int, ...], **info: object) -> Attribution:
    ranked = {subset: 1.0 - i / 100 for i, subset in enumerate(subsets)}
    return Attribution.from_subsets(ranked, info=info)


def test_a_planted_sum_is_told_exactly() -> None:
    told = distributedness(found(*TERMS), parity_sum(TERMS, 8))
    whole = sum(c**2 for c in TERMS.values())
    assert {k: s.value for k, s in told.by_order.items()} == pytest.approx(
        {1: 0.25 / whole, 2: 1 / whole, 3: 0.09 / whole}
    )
    assert told.units_90 is not None
    assert told.units_90.units == (0, 1, 4)
    assert (told.units_90.low, told.units_90.high, told.units_90.exact) == (3, 3, True)
    assert [s.coefficient.value for s in told.subsets] == pytest.approx(list(TERMS.values()))
    json.dumps(told.as_dict(), allow_nan=False)


def test_joint_effect_of_a_pair_against_the_best_of_its_parts() -> None:
    """Of x0 + x1/2 + x0 x1 + x2 the pair's states tell 1 + 1/4 + 1, its parts 1 + 1/4."""
    problem = parity_sum({(0,): 1.0, (1,): 0.5, (0, 1): 1.0, (2,): 1.0}, 6)
    (pair,) = distributedness(found((0, 1)), problem).subsets
    for effect, share in ((pair.joint, 2.25), (pair.parts, 1.25), (pair.beyond, 1.0)):
        assert effect is not None
        assert effect.value == pytest.approx(share / 3.25, abs=0.02)
        assert effect.low <= share / 3.25 <= effect.high
        assert effect.high - effect.low < 0.06


def test_of_what_the_ninety_percent_are_is_said() -> None:
    told = distributedness(found((4,)), parity_sum(TERMS, 8))
    assert told.found is not None
    assert told.found.value == pytest.approx(0.25 / 1.34, abs=0.02)
    assert told.unexplained is not None
    assert told.unexplained.value == pytest.approx(1.09 / 1.34, abs=0.02)
    assert told.units_90 is not None
    assert told.units_90.units == (4,)


def test_the_number_of_units_is_uncertain_where_energies_are() -> None:
    """Ten weak units of nearly equal energy: 9 carry 90% only just, so draws disagree."""
    weights = {(i,): 0.2 + 0.002 * i for i in range(10)}
    problem = parity_sum(weights | {(10, 11): 1.0}, 12)
    told = distributedness(found(*weights), problem, draws=2000)
    assert told.units_90 is not None
    assert told.units_90.low < told.units_90.high
    assert told.units_90.low <= 9 <= told.units_90.high


def test_order_of_units_does_not_matter_and_seeds_do_not_surprise() -> None:
    swap = {0: 5, 1: 2, 2: 0, 3: 7, 4: 1, 5: 3, 6: 6, 7: 4}
    moved = {tuple(sorted(swap[i] for i in s)): c for s, c in TERMS.items()}
    plain = distributedness(found(*TERMS), parity_sum(TERMS, 8))
    other = distributedness(found(*moved), parity_sum(moved, 8))
    assert {k: s.value for k, s in plain.by_order.items()} == pytest.approx(
        {k: s.value for k, s in other.by_order.items()}
    )
    assert distributedness(found(*TERMS), parity_sum(TERMS, 8)) == plain
    again = distributedness(found((4,)), parity_sum(TERMS, 8), seed=1)
    assert again != distributedness(found((4,)), parity_sum(TERMS, 8))


def test_neither_budget_nor_noise_is_touched() -> None:
    instance = built("planted-parity[n=8,terms=2,order=2,noise=1.0]")
    assert instance.truth is not None
    told = distributedness(found(*instance.truth.spectrum), instance.problem)
    assert instance.problem.spent == {"forward": 0, "backward": 0}
    assert told.found is not None
    assert told.found.value == pytest.approx(1)


def test_intervals_of_the_method_are_shown_where_they_are_intervals() -> None:
    problem = parity_sum(TERMS, 8)
    own = distributedness(found((0, 1), (4,), intervals_95=[[0.9, 1.2], [0.8, 1.1]]), problem)
    assert [(s.coefficient.low, s.coefficient.high) for s in own.subsets] == [
        (0.9, 1.2),
        (0.8, 1.1),
    ]
    for wrong in ([[0.9, 1.2]], [[0.9, 1.2], [-0.6, -0.4]]):
        told = distributedness(found((0, 1), (4,), intervals_95=wrong), problem)
        assert told.subsets[1].coefficient.value == pytest.approx(-0.5, abs=0.02)


def test_single_units_and_large_subsets_have_their_reason() -> None:
    large = tuple(range(11))
    told = distributedness(found((0,), large), parity_sum({large: 1.0, (0,): 1.0}, 12))
    one, eleven = told.subsets
    assert one.parts is None
    assert one.missing_because == "a single unit has no parts"
    assert one.joint is not None
    assert one.joint.value == pytest.approx(0.5, abs=0.03)
    assert eleven.joint is None
    assert "2^11 patterns" in eleven.missing_because
    assert told.by_order[11].value == pytest.approx(0.5)


def test_what_is_undefined_is_missing_with_its_reason() -> None:
    constant = distributedness(found((0,)), Problem.from_function(lambda x: 0 * x[:, 0] + 2, 3))
    assert constant.variance is None
    assert constant.by_order == {}
    assert set(constant.missing) == {"variance", "found", "unexplained", "units_90", "subsets"}
    assert "all 16,384 fresh draws have the value 2" in constant.missing["found"]
    nothing = distributedness(found(reason="tau is high"), parity_sum(TERMS, 8))
    assert nothing.units_90 is None
    assert nothing.missing["found"] == "no subset was found: tau is high"
    assert nothing.unexplained is not None
    assert nothing.unexplained.value == 1
    false = distributedness(found((5, 6)), parity_sum(TERMS, 8), draws=400)
    assert false.missing == {"units_90": "the energy found cannot be told from zero"}


def test_a_given_sample_is_not_asked_for_more_than_it_holds() -> None:
    x = rng(0).standard_normal((300, 6))
    problem = Problem.from_samples(x, (x[:, 0] * x[:, 1] > 0) * 2.0 - 1)
    told = distributedness(attribute("actspec", problem), problem)
    assert (told.draws, told.of) == (75, "held-out inputs")
    assert told.by_order[2].value == pytest.approx(1)
    every = [(i, j, k) for i in range(6) for j in range(i) for k in range(j)]
    many = distributedness(found(*(tuple(sorted(s)) for s in every)), problem, draws=40)
    assert len(many.subsets) == 10
    few, one_run = many.warnings
    assert few == "10 subsets are many for 40 held-out inputs to estimate them on"
    assert one_run.startswith("one run of the method: how its search varies")
    assert many.missing["subsets"] == "the last 10 are too many for 40 held-out inputs"


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ValueError, match="draws must be at least 8, not 4"):
        distributedness(found((0,)), parity_sum(TERMS, 8), draws=4)
    with pytest.raises(ValueError, match="has unit 9 and the problem 8 units"):
        distributedness(found((9,)), parity_sum(TERMS, 8))


def test_given_held_out_inputs_decide_every_figure() -> None:
    """Rows of which one unit tells everything, and held-out rows of which another does."""
    draw = rng(0)
    x, held = (torch.from_numpy(draw.choice([-1.0, 1.0], (400, 4))) for _ in range(2))
    problem = Problem.from_samples(x, x[:, 0], heldout=(held, 2 * held[:, 1] + 2))
    told = distributedness(found((0,), (1,), intervals_95=[[0.9, 1.1], [0.9, 1.1]]), problem)
    assert (told.draws, told.of) == (400, "held-out inputs")
    assert told.variance == pytest.approx(4, rel=0.02)
    first, second = told.subsets
    assert (first.energy, second.energy) == pytest.approx((0, 1), abs=0.01)
    assert (first.coefficient.value, second.coefficient.value) == pytest.approx((0, 2), abs=1e-6)
    assert (first.reported, second.reported) == (1.0, 0.99)
    assert second.joint is not None
    assert second.joint.value == pytest.approx(1, abs=0.01)


def test_few_inputs_of_which_none_is_kept_aside_are_warned_of() -> None:
    x = rng(0).choice([-1.0, 1.0], (60, 4))
    told = distributedness(found((0,)), Problem.from_samples(x, x[:, 0]))
    assert (told.draws, told.of) == (60, "inputs")
    aside = "no inputs were kept aside: figures are of the 60 inputs that the method saw"
    assert told.warnings[0] == aside
    assert told.single_units is None


def test_hardly_any_held_out_inputs_are_no_ground_to_tell_anything() -> None:
    x = rng(0).choice([-1.0, 1.0], (60, 4))
    problem = Problem.from_samples(x, x[:, 0], heldout=(x[:5], x[:5, 0]))
    told = distributedness(found((0,)), problem)
    assert told.variance is None
    assert set(told.missing) == {"variance", "found", "unexplained", "units_90", "subsets"}
    assert told.missing["found"].startswith("5 held-out inputs are too few")


def test_of_which_decomposition_energies_are_is_said() -> None:
    assert distributedness(found((0,)), parity_sum(TERMS, 8)).decomposition == (
        "orthonormal characters"
    )
    x = rng(0).choice([-1.0, 1.0], (100, 4))
    told = distributedness(found((0,)), Problem.from_samples(x, x[:, 0]))
    assert told.decomposition == "sequential, under D"


def test_what_all_single_units_explain_stands_beside_what_was_found() -> None:
    """A sum over 20 units of which the method found one and a pair that takes of the others."""
    draw = rng(0)
    x, held = (torch.from_numpy(draw.standard_normal((4000, 20))).float() for _ in range(2))

    def margin(rows: torch.Tensor) -> torch.Tensor:
        return (rows > 0).float().sum(1) + 0.5 * torch.sign(rows[:, 0] * rows[:, 1])

    problem = Problem.from_samples(x, margin(x), heldout=(held, margin(held)))
    told = distributedness(found((0,), (0, 1)), problem)
    assert told.by_order[1].value < 0.1
    assert told.single_units is not None
    assert told.single_units.value == pytest.approx(5 / (5 + 0.25), abs=0.01)
    assert told.single_units.low < 5 / 5.25 < told.single_units.high
    assert told.single_units.high - told.single_units.low < 0.02


def test_no_more_subsets_are_looked_at_than_can_be_in_a_minute() -> None:
    every = [(i, j, k) for i in range(18) for j in range(i) for k in range(j)]
    sets = [tuple(sorted(s)) for s in every]
    told = distributedness(found(*sets), parity_sum({(0, 1, 2): 1.0}, 18))
    assert len(sets) == 816
    assert len(told.subsets) == 512
    assert told.missing["subsets"].startswith("the first 512 are looked at: what the last 304")
