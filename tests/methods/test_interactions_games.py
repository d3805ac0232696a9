"""Interaction indices against their definitions, and against shapiq's exact computer."""

from __future__ import annotations

from itertools import chain, combinations, pairwise, permutations
from math import factorial

import numpy as np
import pytest
import torch
from scoring import parity_sum

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.interacting.shapley import hamiltonian_paths, permutation_cost, windows
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.views import restarted

Subset = tuple[int, ...]


def game(n: int, budget: int, seed: int = 0) -> Problem:
    """One masked input of a function of all orders; the last of its units does nothing."""
    weights = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    weights[n - 1] = 0
    source = masked(lambda x: (x @ weights).tanh().prod(1) + (x @ weights)[:, 0].relu(), n,
                    readout="margin")  # fmt: skip
    return Problem(source, budget=budget)


def values_of(problem: Problem) -> dict[Subset, float]:
    """Value of each coalition of the units that are on."""
    n = problem.n
    sets = list(chain.from_iterable(combinations(range(n), k) for k in range(n + 1)))
    x = -torch.ones(len(sets), n)
    for row, present in zip(x, sets, strict=True):
        row[list(present)] = 1
    return dict(zip(sets, problem._source.margin(x).double().tolist(), strict=True))


def indices(v: dict[Subset, float], n: int, size: int, *, shapley: bool) -> dict[Subset, float]:
    """Weighted means of discrete derivatives, by the definition of Grabisch & Roubens (1999)."""
    found = {}
    for s in combinations(range(n), size):
        rest = [i for i in range(n) if i not in s]
        total = 0.0
        for t in chain.from_iterable(combinations(rest, k) for k in range(len(rest) + 1)):
            weight = 0.5 ** len(rest)
            if shapley:
                k = len(t)
                weight = factorial(n - size - k) * factorial(k) / factorial(n - size + 1)
            for j in range(size + 1):
                for inner in combinations(s, j):
                    sign = (-1) ** (size - j)
                    total += weight * sign * v[tuple(sorted((*t, *inner)))]
        found[s] = total
    return found


def exact(v: dict[Subset, float], n: int, order: int, *, shapley: bool) -> dict[Subset, float]:
    parts = [indices(v, n, k, shapley=shapley) for k in range(1, order + 1)]
    return {s: c for part in parts for s, c in part.items()}


def by_shapiq(problem: Problem, index: str, order: int) -> dict[Subset, float]:
    shapiq = pytest.importorskip("shapiq")

    def values(coalitions: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.where(coalitions, 1.0, -1.0)).float()
        return problem._source.margin(x).double().numpy()

    result = shapiq.ExactComputer(game=values, n_players=problem.n)(index, order)
    lookup = result.interaction_lookup
    return {tuple(s): float(result.values[at]) for s, at in lookup.items() if s}


def agree(found: dict[Subset, float], true: dict[Subset, float], error: float) -> None:
    assert found.keys() <= true.keys()
    for subset, value in true.items():
        assert found.get(subset, 0.0) == pytest.approx(value, abs=error), subset


@pytest.mark.parametrize("order", [1, 2, 3])
def test_windows_of_all_permutations_average_to_the_index(order: int) -> None:
    problem = game(5, 10**6)
    v = values_of(problem)
    asked = np.array(list(permutations(range(5))))
    seen = []

    def f(members: torch.Tensor) -> np.ndarray:
        seen.append(len(members))
        return np.array([v[tuple(np.flatnonzero(row).tolist())] for row in members.numpy()])

    deltas = windows(f, asked, order, (v[()], v[0, 1, 2, 3, 4]))
    assert sum(seen) == len(asked) * permutation_cost(5, order)
    for size, delta in enumerate(deltas, start=1):
        sums: dict[Subset, list[float]] = {}
        for orders, values in zip(asked, delta, strict=True):
            for start, value in enumerate(values):
                window = tuple(sorted(orders[start : start + size].tolist()))
                sums.setdefault(window, []).append(value)
        means = {s: float(np.mean(x)) for s, x in sums.items()}
        assert means == pytest.approx(indices(v, 5, size, shapley=True), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 17])
def test_paths_make_every_two_units_neighbours(n: int) -> None:
    paths = hamiltonian_paths(n)
    assert len(paths) == (n + 1) // 2
    assert (np.sort(paths, axis=1) == np.arange(n)).all()
    met = [tuple(sorted(pair)) for path in paths for pair in pairwise(path)]
    assert set(met) == set(combinations(range(n), 2))
    if n % 2 == 0:
        assert len(met) == len(set(met))


@pytest.mark.parametrize(("order", "budget", "error"), [(2, 60_000, 0.05), (3, 400_000, 0.12)])
def test_sampled_shapley_interactions_converge(order: int, budget: int, error: float) -> None:
    problem = game(7, budget)
    found = attribute("shapley-interactions", problem, order=order, aggregate="mean")
    agree(found.as_dict(), exact(values_of(problem), 7, order, shapley=True), error)
    assert not any(6 in s for s in found.subsets)
    assert found.info["rows"] == 1
    assert problem.remaining < permutation_cost(7, order)


def test_shapley_interactions_of_pairs_are_those_of_shapiq() -> None:
    problem = game(6, 120_000, seed=2)
    found = attribute("shapley-interactions", problem, aggregate="mean").as_dict()
    true = by_shapiq(problem, "SII", 2)
    agree({s: c for s, c in found.items() if len(s) == 2}, {s: c for s, c in true.items()
          if len(s) == 2}, 0.03)  # fmt: skip
    single = by_shapiq(problem, "SV", 1)
    agree({s: c for s, c in found.items() if len(s) == 1}, single, 0.02)


def test_a_product_of_two_units_is_exact_in_one_sweep_and_rows_come_after_sweeps() -> None:
    problem = restarted(parity_sum({(0, 3): 1.0}, 8), budget=2 + 8 * 14, seed=0)
    found = attribute("shapley-interactions", problem)
    assert found.info == {"rows": 1, "permutations": 8, "order": 2}
    assert found.as_dict()[0, 3] == pytest.approx(1.0)
    assert found.subsets[0] == (0, 3)
    more = restarted(problem, budget=2 * (1 + 8 * 14) + 1, seed=0)
    assert attribute("shapley-interactions", more, order=2).info == {
        "rows": 2,
        "permutations": 16,
        "order": 2,
    }
    few = attribute("shapley-interactions", restarted(problem, budget=40, seed=0))
    assert few.info["subsets_not_sampled"] == 28 - 2 * 7


def test_shapley_interactions_of_too_many_triples_are_refused() -> None:
    many = restarted(parity_sum({(0, 3): 1.0}, 400), budget=10_000, seed=0)
    with pytest.raises(NotApplicable, match="subsets of 3"):
        attribute("shapley-interactions", many, order=3)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_banzhaf_is_exact_where_all_coalitions_are_affordable(order: int) -> None:
    problem = game(6, 4 * 26 + 10)
    found = attribute("banzhaf-interactions", problem, order=order, aggregate="mean")
    agree(found.as_dict(), exact(values_of(problem), 6, order, shapley=False), 1e-5)
    assert problem.spent["forward"] == 2**6
    assert not any(5 in s for s in found.subsets)


@pytest.mark.parametrize(("index", "theirs"), [("banzhaf", "BII"), ("faith-banzhaf", "FBII")])
@pytest.mark.parametrize("order", [2, 3])
def test_banzhaf_is_that_of_shapiq(index: str, theirs: str, order: int) -> None:
    problem = game(8, 2000, seed=1)
    found = attribute(
        "banzhaf-interactions", problem, order=order, index=index, aggregate="mean"
    ).as_dict()
    agree(found, by_shapiq(problem, theirs, order), 1e-4)


def test_banzhaf_by_random_coalitions_finds_the_planted_pairs() -> None:
    """Of 20 units all are fitted; the interaction of a masked pair is four times its character."""
    source = masked(lambda x: x[:, 2] * x[:, 9] - 0.5 * x[:, 4], 20, readout="margin")
    problem = Problem(source, budget=1000)
    found = attribute("banzhaf-interactions", problem, order=2, aggregate="mean").as_dict()
    assert found == pytest.approx({(2, 9): 4.0, (4,): -1.0}, abs=1e-3)


def test_a_banzhaf_fit_has_four_coalitions_an_unknown_before_another_row() -> None:
    few = restarted(parity_sum({(2, 9): 1.0}, 20), budget=2 * 4 * 191 - 1, seed=0)
    assert attribute("banzhaf-interactions", few, order=2).info["rows"] == 1
    more = restarted(few, budget=2 * 4 * 191, seed=0)
    told = attribute("banzhaf-interactions", more, order=2).info
    assert (told["rows"], told["coalitions"]) == (2, 764)


def test_banzhaf_fits_the_units_that_change_most_where_all_are_too_many() -> None:
    source = masked(lambda x: x[:, 2] * x[:, 90] - 0.5 * x[:, 40], 100, readout="margin")
    problem = Problem(source, budget=202 + 300)
    found = attribute("banzhaf-interactions", problem, order=2, aggregate="mean")
    assert found.as_dict() == pytest.approx({(2, 90): 4.0, (40,): -1.0}, abs=1e-3)
    assert {2, 40, 90} <= set(found.info["units_fitted"])
    # Of 12 units 1 + 66 subsets are of even size, times four 268 of the 300 left; of 13, 316.
    assert len(found.info["units_fitted"]) == 12
    with pytest.raises(NotApplicable, match="choosing 3 units and fitting"):
        attribute("banzhaf-interactions", Problem(source, budget=202), order=2)


def test_triples_are_taken_where_the_budget_samples_them_and_pairs_elsewhere() -> None:
    for n, budget, order in ((8, 10_000, 3), (8, 300, 2), (64, 10_000, 2)):
        problem = restarted(parity_sum({(0, 1, 2): 1.0}, n), budget=budget, seed=0)
        assert attribute("shapley-interactions", problem).info["order"] == order
