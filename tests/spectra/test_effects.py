"""What units do together: on/off under D, and on activations, where the two say other things."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import parity_sum, rng

from actspec_bench import Attribution, Problem, distributedness
from actspec_bench.fourier.energy import Estimate
from actspec_bench.problems.kinds import interchange
from actspec_bench.spectra.found import FoundSubset


def found(*subsets: tuple[int, ...]) -> Attribution:
    return Attribution.from_subsets({s: 1.0 - i / 100 for i, s in enumerate(subsets)})


def sum_of_units(readout: str) -> Problem:
    """A target that is a plain sum of ReLU units, which depend on each other."""
    base = torch.from_numpy(rng(0).standard_normal((8000, 1))).float()
    own = torch.from_numpy(rng(1).standard_normal((8000, 6))).float()
    x = (base + own).relu()
    return Problem(
        interchange(lambda a: a.sum(1) - 3, x[:4000], readout=readout, foreground=x[:8],
                    heldout=x[4000:])
    )  # fmt: skip


def one(problem: Problem, *subsets: tuple[int, ...]) -> FoundSubset:
    return distributedness(found(*subsets), problem).subsets[0]


def test_a_sum_of_activations_has_no_interaction_though_its_states_tell_more_together() -> None:
    pair = one(sum_of_units("margin"), (0, 1))
    assert pair.beyond is not None
    assert pair.beyond.low > 0.005
    assert pair.interaction == Estimate(0.0, 0.0, 0.0)
    assert pair.interaction_of_margin is None


def test_the_sign_of_a_sum_has_interactions_and_its_margin_none() -> None:
    pair = one(sum_of_units("decision"), (0, 1))
    assert pair.interaction is not None
    assert pair.interaction.low > 0.001
    assert pair.interaction_of_margin == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize("uniform", [True, False])
def test_the_interaction_of_patterns_is_the_energy_of_all_supersets(uniform: bool) -> None:
    terms = {(0, 1): 1.0, (0, 1, 2): 0.5, (0,): 1.0, (3, 4): 0.7, (0, 1, 2, 3, 4): 0.6}
    problem = parity_sum(terms, 6)
    if not uniform:
        rows = torch.from_numpy(rng(0).choice([-1.0, 1.0], (8000, 6))).float()
        margin = problem._source.margin
        problem = Problem(interchange(margin, rows, readout="margin", foreground=rows[:8]))
    subsets = [(0, 1), (3, 4), (0, 1, 2), (0, 5), (0, 1, 2, 3, 4)]
    whole = sum(c**2 for c in terms.values())
    for told in distributedness(found(*subsets), problem).subsets:
        exact = sum(c**2 for s, c in terms.items() if set(told.units) <= set(s)) / whole
        assert told.interaction is not None
        assert told.interaction.low - 0.02 <= exact <= told.interaction.high + 0.02
        assert told.interaction.value == pytest.approx(exact, abs=0.1)


def test_ten_units_are_told_and_more_are_not() -> None:
    ten, eleven = tuple(range(10)), tuple(range(11))
    problem = parity_sum({ten: 1.0, (11,): 1.0}, 12)
    first, second = distributedness(found(ten, eleven), problem).subsets
    assert first.interaction is not None
    assert first.interaction.value == pytest.approx(0.5, abs=0.02)
    assert second.interaction is None
    assert second.no_interaction_because == "2^11 mixtures of two rows are too many"


def test_what_has_no_interaction_says_why() -> None:
    given = rng(0).choice([-1.0, 1.0], (400, 3))
    told = one(Problem.from_samples(given, given[:, 0] * given[:, 1]), (0, 1))
    assert told.interaction is None
    assert "answers at its given rows only" in told.no_interaction_because
    single = one(parity_sum({(0,): 1.0}, 3), (0,))
    assert single.no_interaction_because == "a single unit has nothing to interact with"
    many = [tuple(sorted(rng(i).choice(12, 9, replace=False).tolist())) for i in range(12)]
    last = distributedness(found(*dict.fromkeys(many)), parity_sum({(0,): 1.0}, 12)).subsets[-1]
    assert last.no_interaction_because == "the 65,536 mixtures went to the subsets before it"


def test_decisions_that_no_pair_changes_may_still_have_rare_ones() -> None:
    """x2 decides but where x0, x1 and x3 to x9 are all on, 1 in 512; no pair of them is met."""
    rows = torch.from_numpy(rng(0).choice([-1.0, 1.0], (400, 10))).float()
    rows = rows[(rows[:, 3:] < 0).any(1)]

    def margin(x: torch.Tensor) -> torch.Tensor:
        return torch.where((x[:, 3:] > 0).all(1), x[:, 0] * x[:, 1], x[:, 2])

    source = interchange(margin, rows, readout="decision", foreground=rows[:8])
    told = one(Problem(source), (0, 1))
    assert told.interaction is not None
    assert (told.interaction.value, told.interaction.low) == (0.0, 0.0)
    assert 1e-4 < told.interaction.high < 0.1
    assert told.interaction_of_margin == Estimate(0.0, 0.0, 0.0)


def test_joint_effects_of_few_inputs_are_told_of_few_units_only() -> None:
    rows = torch.from_numpy(rng(0).standard_normal((400, 8))).float()
    source = interchange(lambda x: x.prod(1), rows, readout="margin", foreground=rows[:8])
    five, four = distributedness(found(tuple(range(5)), (0, 1, 2, 3)), Problem(source)).subsets
    assert five.joint is None
    assert five.missing_because == (
        "the 2^5 patterns of its units are too many for the 100 held-out inputs"
    )
    assert four.joint is not None
    assert np.isfinite(four.joint.value)
