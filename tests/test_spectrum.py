from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actspec_bench.spectrum import (
    all_patterns,
    characters,
    energy_by_order,
    goldreich_levin_weights,
    membership,
    walsh_hadamard,
)


def all_subsets(n: int) -> list[tuple[int, ...]]:
    return [s for r in range(n + 1) for s in combinations(range(n), r)]


def position(subset: tuple[int, ...]) -> int:
    return sum(1 << i for i in subset)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_characters_are_products_of_units(seed: int, n: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.randint(0, 2, (7, n), generator=generator).float() * 2 - 1
    subsets = [s for s in all_subsets(n) if len(s) <= 4]
    expected = torch.stack(
        [torch.tensor([math.prod(row[list(s)].tolist()) for s in subsets]) for row in pattern]
    )
    assert torch.equal(characters(pattern, membership(subsets, n)), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 7])
def test_transform_equals_the_definition(n: int) -> None:
    values = torch.from_numpy(np.random.default_rng(n).standard_normal(2**n))
    patterns = all_patterns(n)
    found = walsh_hadamard(values)
    for subset in all_subsets(n):
        chi = patterns[:, list(subset)].prod(1).double()
        assert found[position(subset)].item() == pytest.approx((values * chi).mean().item())


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_transform_keeps_energy_and_is_its_own_inverse(seed: int, n: int) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).standard_normal(2**n))
    spectrum = walsh_hadamard(values)
    assert spectrum.square().sum().item() == pytest.approx(values.square().mean().item())
    assert torch.allclose(walsh_hadamard(spectrum) * 2**n, values)


def test_transform_refuses_a_length_that_is_no_power_of_two() -> None:
    with pytest.raises(ValueError, match=r"shape \(2\^n,\)"):
        walsh_hadamard(torch.zeros(12))


def test_energy_by_order_of_a_known_function() -> None:
    x = all_patterns(5)
    values = 7 + 2 * x[:, 0] + x[:, 1] * x[:, 2] - 2 * x[:, 0] * x[:, 3] * x[:, 4]
    shares = energy_by_order(walsh_hadamard(values))
    assert shares.tolist() == pytest.approx([4 / 9, 1 / 9, 4 / 9, 0, 0])


def test_goldreich_levin_weights_equal_the_sum_over_pairs() -> None:
    generator = np.random.default_rng(3)
    values = torch.from_numpy(generator.standard_normal((4, 5))).float()
    prefix = torch.from_numpy(generator.choice([-1.0, 1.0], (4, 5, 3))).float()
    subsets = all_subsets(3)
    weights, errors = goldreich_levin_weights(values, prefix, membership(subsets, 3))
    for subset, weight, error in zip(subsets, weights, errors, strict=True):
        per_restriction = []
        for z in range(4):
            terms = [
                values[z, r].item() * math.prod(prefix[z, r, list(subset)].tolist())
                for r in range(5)
            ]
            pairs = [terms[a] * terms[b] for a in range(5) for b in range(5) if a != b]
            per_restriction.append(np.mean(pairs))
        assert weight.item() == pytest.approx(np.mean(per_restriction), abs=1e-6)
        assert error.item() == pytest.approx(np.std(per_restriction, ddof=1) / 2, abs=1e-6)


def test_goldreich_levin_weights_estimate_the_energy_below_a_node() -> None:
    n, depth, restrictions, completions = 6, 3, 4000, 8
    generator = torch.Generator().manual_seed(0)
    values = torch.from_numpy(np.random.default_rng(1).standard_normal(2**n)).float()
    spectrum = walsh_hadamard(values)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randint(0, 2, (*shape, n), generator=generator)

    off = draw(restrictions, 1).repeat(1, completions, 1)
    off[..., :depth] = draw(restrictions, completions)[..., :depth]
    found = values[(off * 2 ** torch.arange(n)).sum(-1)]
    prefix = 1.0 - 2 * off[..., :depth]
    subsets = all_subsets(depth)
    weights, errors = goldreich_levin_weights(found, prefix, membership(subsets, depth))
    for subset, weight, error in zip(subsets, weights, errors, strict=True):
        exact = sum(
            spectrum[position(subset) + (rest << depth)].item() ** 2 for rest in range(2**3)
        )
        assert abs(weight.item() - exact) < 5 * error.item()


def test_one_restriction_has_no_error_and_one_completion_no_weight() -> None:
    values, prefix = torch.ones(1, 4), torch.ones(1, 4, 2)
    weights, errors = goldreich_levin_weights(values, prefix, membership([()], 2))
    assert weights.tolist() == [1.0]
    assert errors.tolist() == [math.inf]
    with pytest.raises(ValueError, match="two completions"):
        goldreich_levin_weights(values[:, :1], prefix[:, :1], membership([()], 2))
