"""Every method of interactions and regressions, at every budget and on functions that are flat."""

from __future__ import annotations

import pytest
import torch
from scoring import planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.problems.kinds import interchange
from actspec_bench.registry.entries import methods

FACES = ("actspec_bench.methods.interactions", "actspec_bench.methods.regressions")
NAMES = [entry.name for entry in methods if entry.function.__module__ in FACES]
# Groups of units that vary together are there in one of these problems only.
TASKS = ("planted-parity[n=24,noise=0.05]", "digits-hidden", "digits-patches")


def test_the_list_is_of_all_of_them() -> None:
    assert len(NAMES) == 10


def test_coefficients_that_are_not_fouriers_are_told() -> None:
    faces = (*FACES, "actspec_bench.methods.shapiq_games", "actspec_bench.methods.shapiq_spectra")
    mine = [entry for entry in methods if entry.function.__module__ in faces]
    assert {entry.name for entry in mine if entry.card.coefficients == "fourier"} == {
        "matching-pursuit", "lasso", "low-degree", "boosted-trees", "spex", "proxyspex",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_budgets_are_obeyed_and_a_large_one_serves(name: str) -> None:
    served = 0
    for text in TASKS:
        n = planted(text, 0, 1)[0].n
        for budget in (1, n, n + 1, 700, 10_000):
            if name == "boosted-trees" and budget == 10_000 and text != TASKS[0]:
                continue
            problem, _ = planted(text, 0, budget)
            try:
                found = attribute(name, problem)
            except NotApplicable:
                continue
            finally:
                assert 0 <= sum(problem.spent.values()) <= budget
            assert found.subsets or found.info["reason"]
            served += budget == 10_000
    assert served >= 1


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("integrated-hessians", 400), ("archdetect", 130), ("group-ablation", 100),
        ("shapley-interactions", 200), ("banzhaf-interactions", 200), ("regression-fbii", 200),
    ],
)  # fmt: skip
def test_fewer_rows_than_there_are_to_explain_are_spread_over_them(name: str, budget: int) -> None:
    """Rows of hidden layers stand class by class: the first are of one class."""
    if methods[name].card.extra:
        pytest.importorskip("shapiq")
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 3, generator=draws).repeat(1, 2)
    rows = rows + 0.1 * torch.randn(200, 6, generator=draws)
    foreground = rows[:32]
    seen: set[int] = set()

    def watched(x: torch.Tensor) -> torch.Tensor:
        same = (x.detach()[:, None] == foreground).all(2)
        seen.update(torch.nonzero(same.any(0))[:, 0].tolist())
        return x[:, 0] * x[:, 1] + x[:, 2]

    source = interchange(watched, rows, readout="margin", foreground=foreground)
    seen.clear()
    pairs = {"order": 2} if name == "banzhaf-interactions" else {}
    told = attribute(name, Problem(source, budget=budget), **pairs).info
    count = told["contexts"] // 2 if name == "archdetect" else told["rows"]
    assert 1 < count < 32
    assert seen == {place * 32 // count for place in range(count)}


def flat(budget: int) -> Problem:
    """A constant function of real activations that cluster."""
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 3, generator=draws).repeat(1, 2)
    rows = rows + 0.1 * torch.randn(200, 6, generator=draws)
    source = interchange(lambda x: 0 * x[:, 0] + 2, rows, readout="margin", foreground=rows[:8])
    return Problem(source, budget=budget)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_function_has_no_subset_and_the_reason(name: str) -> None:
    problem = Problem.from_function(lambda x: 0 * x[:, 0] + 2, 6, budget=1000)
    for asked in (problem, flat(1000)):
        try:
            found = attribute(name, asked)
        except NotApplicable:
            continue
        assert found.subsets == ()
        assert found.info["reason"]
