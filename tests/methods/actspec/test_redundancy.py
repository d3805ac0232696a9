"""Units and subsets that say nothing new, against sums over pairs of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import random_patterns

from actspec_bench import Problem, attribute
from actspec_bench.methods.actspec import redundancy
from actspec_bench.problems.views import restarted


def test_unit_redundancy_rules() -> None:
    pattern = random_patterns(4000, 5)
    pattern[:, 1] = 1.0
    pattern[:, 3] = -pattern[:, 0]
    assert redundancy.varying_units(pattern, 0.2) == [0, 2, 3, 4]
    assert redundancy.distinct_units(pattern, [3, 0, 2, 4], 0.2) == [3, 2, 4]
    assert redundancy.distinct_units(pattern, [0, 3, 2, 4], 0.2) == [0, 2, 4]


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
        assert redundancy.predictability(pattern, subset) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("covered", "says"), [(49, False), (51, True), (100, True)])
def test_a_weight_from_cells_without_half_of_the_rows_says_nothing(
    covered: int, says: bool
) -> None:
    """Rows with the third unit off never have the second off: they hold no pair to compare."""
    other = np.where(np.arange(100) < covered, np.where(np.arange(100) % 2, 1.0, -1.0), 1.0)
    rest = np.where(np.arange(100) < covered, 1.0, -1.0)
    on = (np.stack([other, other, rest], 1) > 0).astype(int)
    without, within = redundancy._gl_weights(on, on[:, 2], 0, 1)
    if says:
        assert within > 0.9
        assert without < 0.5
    else:
        assert (without, within) == (0.0, 0.0)


def test_a_unit_that_is_the_parity_of_others_makes_its_subset_redundant() -> None:
    pattern = random_patterns(4000, 6)
    pattern[:, 2] = pattern[:, 0] * pattern[:, 1]
    assert redundancy.predictability(pattern, (0, 1, 2)) > 0.95
    assert redundancy.predictability(pattern, (0, 1, 3, 4, 5)) < 0.05


def test_long_subsets_are_judged_as_short_ones_are() -> None:
    """Above fourteen members patterns are told apart by random keys instead of their number."""
    short = random_patterns(4000, 4, seed=3)
    short[:, 3] = short[:, 0] * short[:, 1]
    long = torch.cat([torch.ones(4000, 14), short], dim=1)
    for drawn in (short, long):
        members = tuple(range(drawn.shape[1]))
        assert redundancy.predictability(drawn, members) == pytest.approx(
            redundancy.predictability(short, (0, 1, 2, 3)), abs=1e-12
        )
    assert redundancy.predictability(short, (0, 1, 2, 3)) > 0.95
    assert redundancy.predictability(random_patterns(4000, 70), tuple(range(70))) == 0.0


def test_a_row_drawn_twice_counts_once() -> None:
    rows = torch.randn(20, 5)
    drawn = rows[torch.randint(0, 20, (300,))]
    distinct = redundancy.distinct_rows(drawn)
    assert {tuple(r) for r in distinct.tolist()} == {tuple(r) for r in drawn.tolist()}
    assert len(distinct) == len(torch.unique(drawn, dim=0))


def test_subsets_with_a_twin_of_an_earlier_one_s_unit_go() -> None:
    pattern = random_patterns(4000, 6)
    pattern[:, 5] = -pattern[:, 0]
    subsets = [(0, 1), (2, 5), (0, 3), (5,), (4,)]
    assert redundancy.distinct_subsets(pattern, subsets, 0.2) == [(0, 1), (0, 3), (4,)]
    assert redundancy.distinct_subsets(pattern, subsets[::-1], 0.2) == [(4,), (5,), (2, 5)]
    assert redundancy.distinct_subsets(pattern, subsets, 1.0) == subsets


def test_actspec_drops_a_subset_whose_unit_the_others_predict() -> None:
    """The third unit is the parity of the first two four times in five: (0, 1, 2) is redundant."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 2, (6000, 8), generator=generator).float() * 2 - 1
    flips = torch.where(torch.rand(6000, generator=generator) < 0.15, -1.0, 1.0)
    x[:, 2] = x[:, 0] * x[:, 1] * flips
    x = torch.cat([x, torch.randn(6000, 8, generator=generator)], dim=1)
    y = x[:, 0] * x[:, 1] * x[:, 2] + x[:, 4] * x[:, 5]
    problem = Problem.from_samples(x, y)
    assert set(attribute("actspec", problem, basis="plain").subsets) == {(4, 5)}
    found = attribute("actspec", problem)  # whose character has a mean, and explains beyond it
    assert found.as_dict() == {
        (0, 1, 2): pytest.approx(1, abs=1e-3),
        (4, 5): pytest.approx(1, abs=1e-3),
    }
    found = attribute("actspec", restarted(problem, budget=10_000, seed=0), delta=1.0)
    assert {(0, 1, 2), (4, 5)} <= set(found.subsets)
