from __future__ import annotations

import math
import random
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from actspec_bench.fourier.spectrum import (
    all_patterns,
    characters,
    energy_by_order,
    goldreich_levin_weights,
    membership,
    patterns_of,
    walsh_hadamard,
    walsh_hadamard_,
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


@pytest.mark.parametrize("n", range(11))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("precision", ["highest", "high"])
def test_transform_in_place_equals_the_matrix(n: int, dtype: torch.dtype, precision: str) -> None:
    # Batches on both sides of the size from which products take part.
    rows = 2 if precision == "high" else 2**17 // (3 * 2**n)
    given_ = np.random.default_rng(n).standard_normal((rows, 3, 2**n))
    values = torch.from_numpy(given_).to(dtype)
    expected = values.numpy().astype(np.float64) @ hadamard(2**n)
    torch.set_float32_matmul_precision(precision)
    try:
        found = walsh_hadamard_(values)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert found is values
    bound = (n + 1) * torch.finfo(dtype).eps * 2 ** (n / 2) * np.linalg.norm(given_, axis=-1)
    assert (np.abs(found.double().numpy() - expected) <= bound[..., None]).all()


@pytest.mark.parametrize("n", [20, 22])
def test_large_transform_keeps_energy_and_is_its_own_inverse(n: int) -> None:
    values = torch.from_numpy(np.random.default_rng(0).standard_normal(2**n)).float()
    before, energy = values.clone(), values.double().square().sum().item()
    walsh_hadamard_(values)
    assert values.double().square().sum().item() == pytest.approx(2**n * energy, rel=1e-6)
    subset = (0, 3, 4, 15, 17, n - 1)
    parity = np.bitwise_count(np.arange(2**n) & position(subset)) & 1
    sum_ = np.where(parity, -1.0, 1.0) @ before.double().numpy()
    assert values[position(subset)].item() == pytest.approx(sum_, abs=n * 2e-7 * 2**n)
    walsh_hadamard_(values).div_(2**n)
    assert (values - before).abs().max().item() < 1e-5


def test_transform_in_place_writes_through_a_view_and_to_nothing_else() -> None:
    table = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 5)))
    before = table.clone()
    column = table[:, 2]
    assert walsh_hadamard_(column) is column
    assert np.allclose(table[:, 2], hadamard(64) @ before[:, 2].numpy())
    table[:, 2] = before[:, 2]
    assert torch.equal(table, before)


def test_transform_leaves_its_argument_alone_and_takes_batches_of_any_layout() -> None:
    table = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 3)))
    before = table.clone()
    assert np.allclose(walsh_hadamard(table.T), before.T.numpy() @ hadamard(8) / 8)
    assert torch.equal(table, before)
    assert walsh_hadamard(torch.zeros(0, 4)).shape == (0, 4)
    assert walsh_hadamard(torch.ones(1, dtype=torch.int64)).tolist() == [1.0]


@pytest.mark.parametrize("shape", [(12,), (0,), (), (4, 3)])
def test_transform_refuses_a_length_that_is_no_power_of_two(shape: tuple[int, ...]) -> None:
    for transform in (walsh_hadamard, walsh_hadamard_):
        with pytest.raises(ValueError, match=r"shape \(\*batch, 2\^n\)"):
            transform(torch.zeros(shape))


def test_transform_in_place_refuses_numbers_that_hold_no_sums() -> None:
    with pytest.raises(ValueError, match=r"not torch.int64: convert them with .float\(\)"):
        walsh_hadamard_(torch.ones(4, dtype=torch.int64))


def test_patterns_by_number_are_rows_of_all_patterns() -> None:
    numbers = torch.tensor([5, 0, 31, 5])
    assert torch.equal(patterns_of(numbers, 5), all_patterns(5)[numbers])


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


def weight_by_pairs(
    spectrum: np.ndarray, depth: int, subset: tuple[int, ...], pairs: int, seed: int
) -> tuple[float, float]:
    """Goldreich-Levin weight of a node and its standard error, one pair at a time.

    W = E_z[(E_x[f(x, z) chi(x)])^2] = E[f(x, z) chi(x) f(x', z) chi(x')] over independent x and
    x' that share z; f is summed from its spectrum anew at each point.
    """
    n = len(spectrum).bit_length() - 1
    draw = random.Random(seed)

    def f(point: list[int]) -> float:
        return sum(c * math.prod(point[i] for i in range(n) if s >> i & 1) for s, c in terms)

    terms = [(s, c) for s, c in enumerate(spectrum.tolist()) if c]
    products = []
    for _ in range(pairs):
        z = [draw.choice((-1, 1)) for _ in range(n - depth)]
        product = 1.0
        for _ in range(2):
            x = [draw.choice((-1, 1)) for _ in range(depth)]
            product *= f(x + z) * math.prod(x[i] for i in subset)
        products.append(product)
    return float(np.mean(products)), float(np.std(products, ddof=1) / math.sqrt(pairs))


@pytest.mark.parametrize("seed", [0, 1])
def test_goldreich_levin_weights_agree_with_one_pair_at_a_time(seed: int) -> None:
    n, depth, restrictions, completions = 7, 4, 2000, 8
    rng = np.random.default_rng(seed)
    spectrum = np.zeros(2**n)
    spectrum[rng.choice(2**n, 6, replace=False)] = rng.uniform(0.5, 1.5, 6)
    values = walsh_hadamard_(torch.from_numpy(spectrum.copy())).float()
    off = torch.from_numpy(rng.integers(0, 2, (restrictions, 1, n))).repeat(1, completions, 1)
    off[..., :depth] = torch.from_numpy(rng.integers(0, 2, (restrictions, completions, depth)))
    found = values[(off * 2 ** torch.arange(n)).sum(-1)]
    heavy = {tuple(i for i in range(depth) if s >> i & 1) for s in np.flatnonzero(spectrum)}
    subsets = sorted(heavy) + [s for s in all_subsets(depth) if s not in heavy][:2]
    weights, errors = goldreich_levin_weights(
        found, 1.0 - 2 * off[..., :depth], membership(subsets, depth)
    )
    for subset, weight, error in zip(subsets, weights.tolist(), errors.tolist(), strict=True):
        below = [position(subset) + (rest << depth) for rest in range(2 ** (n - depth))]
        exact = np.square(spectrum[below]).sum()
        oracle, oracle_error = weight_by_pairs(spectrum, depth, subset, 1500, seed)
        assert abs(oracle - exact) < 4 * oracle_error + 1e-9
        assert abs(weight - exact) < 4 * error + 1e-6
        assert abs(weight - oracle) < 4 * math.hypot(error, oracle_error) + 1e-6


def test_one_restriction_has_no_error_and_one_completion_no_weight() -> None:
    values, prefix = torch.ones(1, 4), torch.ones(1, 4, 2)
    weights, errors = goldreich_levin_weights(values, prefix, membership([()], 2))
    assert weights.tolist() == [1.0]
    assert errors.tolist() == [math.inf]
    with pytest.raises(ValueError, match="two completions"):
        goldreich_levin_weights(values[:, :1], prefix[:, :1], membership([()], 2))
