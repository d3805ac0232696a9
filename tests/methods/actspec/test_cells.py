"""Few units in all their patterns, against the exact transform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import rng

from actspec_bench import Problem, attribute
from actspec_bench.fourier.spectrum import walsh_hadamard
from actspec_bench.methods.actspec.cells import enumerated
from actspec_bench.methods.actspec.queries import Queries

UNITS = [2, 5, 11, 17, 30]


def table(seed: int) -> torch.Tensor:
    return torch.from_numpy(rng(seed).standard_normal(32)).float()


def problem_of(values: torch.Tensor, *, noise: float = 0.0, budget: int = 4000, seed: int = 0):
    weights = 2 ** torch.arange(5)
    made = Problem.from_function(lambda x: values[((x[:, UNITS] < 0) * weights).sum(1)], 40)
    return Problem(replace(made._source, noise=noise), budget=budget, seed=seed)


def spectrum_of(values: torch.Tensor) -> dict[tuple[int, ...], float]:
    return {
        tuple(u for i, u in enumerate(UNITS) if place >> i & 1): c
        for place, c in enumerate(walsh_hadamard(values).tolist())
        if place
    }


def test_the_cells_are_the_table_and_spell_its_transform() -> None:
    values = table(0)
    problem = problem_of(values)
    cells, units = enumerated(Queries(problem), UNITS, list(range(40)), 2000, problem.sample(100))
    assert cells is not None
    assert units == cells.units == UNITS
    assert cells.within == 0.0
    assert cells.means.numpy() == pytest.approx(values.double().numpy(), abs=1e-6)
    found = cells.found(0.05)
    assert found == pytest.approx(spectrum_of(values), abs=1e-6)
    assert list(map(abs, found.values())) == sorted(map(abs, found.values()), reverse=True)


def test_units_that_were_missed_are_found_where_rows_of_one_pattern_differ() -> None:
    problem = problem_of(table(1))
    cells, units = enumerated(Queries(problem), [2], list(range(40)), 2000, problem.sample(100))
    assert cells is not None
    assert units == UNITS
    assert problem.remaining >= 2000


def test_too_many_units_are_left_to_the_tree_and_none_is_lost() -> None:
    problem = problem_of(table(2), budget=300)
    varying = list(range(40))
    cells, units = enumerated(Queries(problem), [30, 17, 11, 5, 2], varying, 20, problem.sample(9))
    assert cells is None
    assert units == [30, 17, 11, 5, 2]
    assert problem.remaining == 300


def test_rows_that_differ_from_the_cells_widen_the_error_and_undo_what_is_too_near_to_it() -> None:
    """With two of the five units the rest of the table is spread within a pattern."""
    problem = problem_of(table(3))
    queries = Queries(problem)
    cells, _ = enumerated(queries, [2, 5], [2, 5], 4, problem.sample(9))
    assert cells is not None
    assert (cells.copies, cells.within) == (1, 0.0)
    assert cells.fit(cells.found(0.05)) is not None
    fresh = problem.sample(2000)
    wider = cells.checked(problem.pattern(fresh), queries.hold(fresh))
    assert wider.within > 0.3
    assert wider.error == pytest.approx((wider.within / 4) ** 0.5)
    assert wider.fit({(2,): 7 * wider.error}) is None
    assert wider.fit({(2,): 9 * wider.error}) is not None


def test_with_noise_what_is_told_is_tested() -> None:
    """One coefficient of 0.3 is real; the rest of 31 are noise, of which 5% may be told."""
    values = 0.3 * torch.where(torch.arange(32) % 2 == 0, 1.0, -1.0)
    wrong = 0
    for seed in range(30):
        found = attribute("actspec", problem_of(values, noise=0.5, seed=seed))
        assert found.subsets[0] == (2,)
        wrong += len(found.subsets) > 1
    assert wrong <= 5  # of 30 at 5%: more has probability 0.003


@pytest.mark.parametrize("units", [7, 8])
@pytest.mark.parametrize("seed", range(3))
def test_conjunctions_of_many_units_are_told_whole(units: int, seed: int) -> None:
    """One pattern in 2^units has another value: its transform is 2^units equal coefficients."""
    members = sorted(rng(seed).choice(64, units, replace=False).tolist())
    function = Problem.from_function(
        lambda x: 2.0 * (x[:, members] > 0).all(1) - 1, 64, budget=10_000, seed=seed
    )
    found = attribute("actspec", function)
    assert len(found.subsets) == 2**units - 1
    assert {u for s in found.subsets for u in s} == set(members)
    assert np.abs(found.coefficients) == pytest.approx(2.0 ** (1 - units), abs=1e-6)
    value, low, high = found.info["unexplained"]
    assert value == pytest.approx(0, abs=1e-9)
    assert low <= value < high < 0.01
    assert "warnings" not in found.info
