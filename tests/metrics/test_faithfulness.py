"""Deletion and insertion curves and the surrogate, unit by unit or in closed form."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scoring import outcome, parity_sum, score

from actspec_bench import Attribution, Problem, Undefined
from actspec_bench.metrics.faithfulness import similarity_curve
from actspec_bench.problems.views import ScoringView


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


def test_surrogate_r2_is_scored_on_rows_that_methods_never_saw() -> None:
    """Held out, the function's second unit is always on, so only the first one varies."""
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
