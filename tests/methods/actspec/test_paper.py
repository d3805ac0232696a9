"""The paper's own rule, against a slow one by hand and on functions whose subsets are known."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum, planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.methods.actspec.redundancy import predictability
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import restarted

UNITS = 9
WEIGHTS = torch.tensor([1.0, 0.0, -0.8, 0.9, 0.6, 1.1, -0.7, 0.4, 0.8])


def layer(seed: int, budget: int) -> Problem:
    """Nine dependent units: 1 is constant, 4 is like 0, 7 mostly the parity of 2 and 3."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2000, UNITS, generator=generator) + 0.3 * torch.randn(
        2000, 1, generator=generator
    )
    x[:, 1] = 1.0
    x[:, 4] = x[:, 0] + 0.2 * x[:, 4]
    flip = torch.where(torch.rand(2000, generator=generator) < 0.1, -1.0, 1.0)
    x[:, 7] = x[:, 2].sign() * x[:, 3].sign() * flip * x[:, 7].abs()

    def margin(rows: torch.Tensor) -> torch.Tensor:
        return rows @ WEIGHTS + 0.7 * rows[:, 4] * rows[:, 8] - 0.5 * rows[:, 2] * rows[:, 3]

    source = interchange(margin, x, readout="decision", foreground=x[:4], heldout=x[:100])
    return Problem(source, budget=budget, seed=seed)


def by_hand(
    problem: Problem, *, pairs: int, tau: float, gamma: float, delta: float, width: int
) -> dict[str, Any]:
    """Node by node and pair by pair, on the same draws."""
    data = problem.rows
    signs = np.where(data.numpy() > 0, 1.0, -1.0)
    kept: list[int] = []
    for unit in range(problem.n):
        like = [1.0 + 0 * signs[:, unit], *(signs[:, one] for one in kept)]
        if all(np.mean(signs[:, unit] * other) ** 2 <= gamma for other in like):
            kept.append(unit)
    nodes: list[tuple[int, ...]] = [()]
    cut = 0
    for level, unit in enumerate(kept):
        end = kept[level + 1] if level + 1 < len(kept) else problem.n
        x, z = problem.sample(2 * pairs), problem.sample(pairs)
        grown = [node + more for node in nodes for more in ((), (unit,))]
        weights = dict.fromkeys(grown, 0.0)
        for pair in range(pairs):
            rows = [torch.cat([x[2 * pair + i, :end], z[pair, end:]]) for i in (0, 1)]
            values = problem.value(torch.stack(rows)).tolist()
            for node in grown:
                chi = prod(1 if row[i] > 0 else -1 for row in rows for i in node)
                weights[node] += values[0] * values[1] * chi / pairs
        heavy = [node for node in grown if weights[node] > tau**2 / 2]
        heavy.sort(key=lambda node: -weights[node])
        pattern = torch.from_numpy(signs).float()
        fine = [n for n in heavy if len(n) < 2 or predictability(pattern, n) <= delta]
        cut += len(fine[width:])
        nodes = fine[:width]
    return {"kept": kept, "nodes": {node for node in nodes if node}, "cut": cut}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("width", "delta"), [(4, 0.2), (128, 0.2), (128, 1.0)])
def test_the_search_is_the_rule_by_hand(seed: int, width: int, delta: float) -> None:
    problem = layer(seed, 20_000)
    settings = {"pairs": 150, "tau": 0.25, "gamma": 0.2, "delta": delta}
    found = attribute("actspec-paper", problem, max_branch=width, **settings)
    slow = by_hand(restarted(problem, budget=20_000, seed=seed), width=width, **settings)
    assert found.info["units_kept"] == slow["kept"] == [0, 2, 3, 5, 6, 7, 8]
    assert found.info["units_left_out"]["nearly constant"] == [1]
    assert found.info["units_left_out"]["like one that is kept"] == [4]
    assert len(slow["nodes"]) >= 3
    assert set(found.subsets) == slow["nodes"]
    assert (found.info["nodes_beyond_width"] > 0) == (slow["cut"] > 0) == (width == 4)


def test_a_subset_one_of_whose_units_is_nearly_a_parity_of_the_others_is_left_out() -> None:
    """A function of three units that are a parity under D: their mixtures still tell of it."""
    source = replace(layer(0, 1)._source, margin=lambda x: x[:, [2, 3, 7]].prod(1))
    strict, loose = (
        attribute("actspec-paper", Problem(source, budget=40_000), delta=delta)
        for delta in (0.2, 1.0)
    )
    assert loose.subsets[0] == (2, 3, 7)
    assert not any({2, 3, 7} <= set(subset) for subset in strict.subsets)
    assert strict.info["nodes_redundant"] > 0 == loose.info["nodes_redundant"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    [
        "planted-parity[n=20,noise=0.05,terms=3]",
        "planted-parity[n=20,terms=3,readout=decision,low=1.0]",
        "planted-parity[n=12,terms=1,order=12]",
        "planted-network[n=16,terms=2]",
    ],
)
def test_what_is_planted_comes_first_with_its_coefficients(text: str, seed: int) -> None:
    problem, truth = planted(text, seed, 60_000)
    found = attribute("actspec-paper", problem)
    assert found.info["pairs"] == 1000
    assert set(found.subsets[: len(truth.spectrum)]) == set(truth.spectrum)
    wide = 2.5 * np.subtract(*np.transpose(found.info["intervals_95"])[::-1])
    for subset, width in zip(found.subsets, wide, strict=True):
        expected = truth.spectrum.get(subset, 0.0)
        assert found.as_dict()[subset] == pytest.approx(expected, abs=max(width, 1e-6))


def test_units_are_decided_and_thinned_in_the_order_given_and_the_last_one_too() -> None:
    """The last unit alone is the function, and the later of two twins never stands for both."""
    last = attribute("actspec-paper", parity_sum({(6,): 1.0}, 7), pairs=400)
    assert last.subsets[0] == (6,)
    assert last.coefficients[0] == pytest.approx(1)
    pattern = torch.randint(0, 2, (500, 5), generator=torch.Generator().manual_seed(1)) * 2.0 - 1
    pattern[:, 3] = -pattern[:, 1]
    source = interchange(
        lambda x: x[:, 3] * x[:, 4], pattern, readout="margin", foreground=pattern[:2],
        heldout=pattern,
    )  # fmt: skip
    twins = attribute("actspec-paper", Problem(source, budget=20_000))
    assert twins.info["units_left_out"]["like one that is kept"] == [3]
    # Unit 3 is drawn with the row of its place, and so still for both rows of a pair when unit 1
    # is decided, which then weighs nothing: the rule loses what its later twin does.
    assert twins.subsets == ()
    again = Problem(replace(source, margin=lambda x: x[:, 1] * x[:, 4]), budget=20_000)
    found = attribute("actspec-paper", again)
    assert found.subsets[0] == (1, 4)
    assert found.coefficients[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("budget", "pairs", "spent"), [(3000, 115, 3000), (40_000, 1000, 24_000 + 16_000)]
)
def test_the_budget_is_obeyed_and_pairs_follow_from_it(budget: int, pairs: int, spent: int) -> None:
    """Twelve units: twelve levels of two rows a pair, and the rest for the coefficients."""
    problem = restarted(parity_sum(TERMS, 12), budget=budget, seed=0)
    found = attribute("actspec-paper", problem)
    assert found.info["pairs"] == pairs
    assert problem.spent == {"forward": spent, "backward": 0}
    assert found.info["draws"] == spent - 24 * pairs
    assert ("pairs_reason" in found.info) == (pairs < 1000)
    if pairs < 1000:
        assert "115 pairs a level and not 1,000" in found.info["pairs_reason"]
        assert "26,000 rows are needed" in found.info["pairs_reason"]


def test_too_small_a_budget_and_given_rows_are_refused_with_the_remedy() -> None:
    problem = restarted(parity_sum(TERMS, 12), budget=779, seed=0)
    with pytest.raises(NotApplicable, match=r"26,000 rows for 1,000 pairs.* at least 780 for 30"):
        attribute("actspec-paper", problem)
    assert problem.remaining == 779
    problem = restarted(parity_sum(TERMS, 12), budget=780, seed=0)
    assert attribute("actspec-paper", problem).info["pairs"] == 30
    few = restarted(parity_sum(TERMS, 12), budget=130, seed=0)
    assert attribute("actspec-paper", few, pairs=5).info["pairs"] == 5
    given = Problem.from_samples(torch.randn(100, 4), torch.randn(100))
    with pytest.raises(NotApplicable, match="use actspec"):
        attribute("actspec-paper", given)


def test_where_nothing_is_found_the_reason_is_told() -> None:
    constant = Problem.from_function(lambda x: 0 * x[:, 0] + 1, 5, budget=20_000)
    found = attribute("actspec-paper", constant, tau=0.6)
    assert found.subsets == ()
    assert "only the empty set is left after level 5 of 5" in found.info["reason"]
    nothing = attribute("actspec-paper", parity_sum({(0,): 0.05}, 5))
    assert "no node is left after level 1 of 5" in nothing.info["reason"]
    still = torch.ones(100, 3)
    source = interchange(
        lambda x: x[:, 0], still, readout="margin", foreground=still[:2], heldout=still
    )
    assert "nearly constant" in attribute("actspec-paper", Problem(source)).info["reason"]
