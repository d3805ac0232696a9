"""Sobol' indices and group ablation against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scoring import built, parity_sum

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.interacting.groups import clusters
from actspec_bench.methods.interacting.sobol import contributions, mixed, total_effects
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import restarted

TERMS = {(0, 3): 1.0, (1,): -0.75, (2, 4): 0.5, (5, 6, 7): 0.8}


def test_indices_of_a_sum_of_parities_are_its_squared_coefficients() -> None:
    problem = restarted(parity_sum(TERMS, 10), budget=60_000, seed=0)
    found = attribute("sobol", problem).as_dict()
    for subset in ((0, 3), (1,), (2, 4)):
        assert found[subset] == pytest.approx(TERMS[subset] ** 2, abs=0.12)
    # Three units together are beyond second order; units that do nothing are not asked twice.
    assert all(c < 0.15 for s, c in found.items() if s not in TERMS)
    assert not any({8, 9} & set(s) for s in found)


def test_estimates_are_unbiased_for_real_activations() -> None:
    """f = a x + b y + c x y of independent standard normal x and y: V = a^2, b^2 and c^2."""
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.standard_normal((40_000, 3))) for _ in range(2))

    def f(x: torch.Tensor) -> np.ndarray:
        return (0.5 * x[..., 0] - 0.8 * x[..., 1] + 0.6 * x[..., 0] * x[..., 1]).numpy()

    units = np.arange(3)
    up, down = f(mixed(a, b, units)), f(mixed(b, a, units))
    parts = contributions(f(a), f(b), up, down)
    error = 4 * parts.std(0) / len(parts) ** 0.5
    # V_0, V_1, V_2, V_01, V_02, V_12.
    expected = [0.25, 0.64, 0, 0.36, 0, 0]
    assert (np.abs(parts.mean(0) - expected) <= error + 1e-12).all()
    assert (error[[2, 4, 5]] == 0).all()
    total = total_effects(f(a), up)
    assert total == pytest.approx([0.61, 1.0, 0.0], abs=0.05)


def test_the_pair_estimator_is_the_closed_index_less_those_of_its_units() -> None:
    """As Saltelli (2002) has it, from products of the same values; they agree in expectation."""
    patterns = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    a, b = (x.reshape(-1, 2) for x in (patterns[:, None].expand(4, 4, 2), patterns.expand(4, 4, 2)))

    def f(x: torch.Tensor) -> np.ndarray:
        return (x[..., 0] * x[..., 1] + 0.5 * x[..., 0] - 2 * x[..., 1]).double().numpy()

    up, down = f(mixed(a, b, np.arange(2))), f(mixed(b, a, np.arange(2)))
    closed = (up[:, 0] * down[:, 1]).mean()
    first = [(f(b) * up[:, i]).mean() for i in (0, 1)]
    own = contributions(f(a), f(b), up, down).mean(0)
    assert own[2] == pytest.approx(closed - sum(first))
    assert own == pytest.approx([0.25, 4.0, 1.0])


def test_on_noise_indices_are_rarely_reported() -> None:
    reported = 0
    for seed in range(40):
        noise = restarted(built("planted-nothing[n=8]", seed).problem, budget=600, seed=seed)
        found = attribute("sobol", noise)
        reported += bool(found.subsets)
        assert found.subsets or found.info["reason"] == "no index can be told from zero"
    assert reported <= 8


def grouped(budget: int = 10_000) -> Problem:
    """Six units in three correlated pairs, of which the middle one is multiplied."""
    draws = torch.Generator().manual_seed(0)
    shared = torch.randn(400, 3, generator=draws)
    noise = torch.randn(400, 6, generator=draws)
    rows = shared.repeat_interleave(2, 1) * torch.tensor([1, -1, 1, 1, 1, 1]) + 0.2 * noise
    source = interchange(
        lambda x: x[:, 2] * x[:, 3] + x[:, 0], rows, readout="margin", foreground=rows[:32]
    )
    return Problem(source, budget=budget)


def test_clusters_are_of_units_that_vary_together_whatever_the_sign() -> None:
    rows = grouped().rows
    assert rows is not None
    low, high = clusters(rows.double().numpy(), [0.5, 0.999])
    assert low == [(0, 1), (2, 3), (4, 5)]
    assert high == [(i,) for i in range(6)]
    still = np.concatenate([rows.numpy(), np.ones((len(rows), 1))], axis=1)
    assert (6,) in clusters(still, [0.3])[0]


def test_the_effect_is_the_mean_change_when_the_group_goes_to_the_baseline() -> None:
    problem = grouped()
    found = attribute("group-ablation", problem, cuts=(0.5, 0.99))
    rows, mean = problem.foreground.double(), problem.baseline.double()

    def f(x: torch.Tensor) -> torch.Tensor:
        return x[:, 2] * x[:, 3] + x[:, 0]

    expected = {}
    for group in [(0, 1), (2, 3), (0,), (2,), (3,)]:
        ablated = rows.clone()
        ablated[:, list(group)] = mean[list(group)]
        expected[group] = float((f(rows) - f(ablated)).abs().mean())
    assert found.as_dict() == pytest.approx(expected, rel=1e-4)
    assert problem.spent["forward"] == 32 * (9 + 1)
    assert found.info == {"rows": 32, "groups": 3, "cuts": [0.5, 0.99]}


def test_with_little_budget_the_finest_cut_is_left_out() -> None:
    found = attribute("group-ablation", grouped(budget=9), cuts=(0.5, 0.99))
    assert found.info == {"rows": 2, "groups": 3, "cuts": [0.5]}
    assert set(found.subsets) == {(0, 1), (2, 3)}
    with pytest.raises(NotApplicable, match="ablating each of 3 groups in one row costs 4 rows"):
        attribute("group-ablation", grouped(budget=3), cuts=(0.5,))


def test_where_nothing_clusters_it_says_so() -> None:
    with pytest.raises(NotApplicable, match="independent fair coins"):
        attribute("group-ablation", parity_sum(TERMS, 8))
    rows = torch.randn(500, 5, generator=torch.Generator().manual_seed(1))
    alone = interchange(lambda x: x[:, 0], rows, readout="margin", foreground=rows[:4])
    with pytest.raises(NotApplicable, match=r"no units correlate by 0\.3"):
        attribute("group-ablation", Problem(alone))
    # Five over the root of the 375 rows that D keeps: so much independent draws may correlate.
    with pytest.raises(NotApplicable, match=r"no units correlate by 0\.26"):
        attribute("group-ablation", Problem(alone), cuts=(0.02, 0.1))
