"""What the methods of shapiq say and do without it, and what needs no library."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum
from threadpoolctl import threadpool_info, threadpool_limits

from actspec_bench import NotApplicable, attribute
from actspec_bench.errors import Missing
from actspec_bench.methods.playing import library
from actspec_bench.methods.playing.codes import bch_code, least_masks, plan
from actspec_bench.methods.playing.games import pattern_game, row_game
from actspec_bench.methods.playing.indices import over_rows
from actspec_bench.methods.playing.spectra import fourier_from_moebius
from actspec_bench.registry.entries import methods

NAMES = [entry.name for entry in methods if entry.card.extra == "shapiq"]


@pytest.mark.parametrize("name", NAMES)
def test_without_the_library_it_says_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    problem = parity_sum(TERMS, 8)
    with pytest.raises(Missing, match=r"shapiq is not installed: .*actspec-bench\[shapiq\]") as why:
        attribute(name, problem)
    assert why.value.lacks == "shapiq"
    assert problem.remaining == problem.budget


def test_of_two_packages_that_which_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: name != "sparse_transform" or None)
    with pytest.raises(Missing, match=r"^sparse-transform is not installed") as why:
        library.need("galois", "sparse_transform")
    assert why.value.lacks == "sparse-transform"
    library.need("galois")


def test_threads_are_one_meanwhile_and_then_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    running = SimpleNamespace(
        threading_layer=lambda: "omp", get_num_threads=lambda: 4, set_num_threads=asked.append
    )
    monkeypatch.setitem(sys.modules, "numba", running)
    with threadpool_limits(2):
        before = threadpool_info()
        with library.one_thread():
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            assert asked == [1]
        assert threadpool_info() == before
    assert asked == [1, 4]


def test_listing_methods_imports_no_library() -> None:
    code = (
        "import sys; from actspec_bench.registry.entries import methods; "
        "assert 'spex' in methods and 'permutation-sii' in methods; "
        "print(sorted({'shapiq', 'numba', 'galois', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_fourier_coefficients_of_a_moebius_transform() -> None:
    rng = np.random.default_rng(0)
    subsets = [s for size in range(5) for s in combinations(range(4), size)]
    terms = dict(zip(subsets, rng.standard_normal(16), strict=True))
    bits = np.array([[number >> i & 1 for i in range(4)] for number in range(16)])
    values = sum(m * bits[:, list(s)].prod(1) for s, m in terms.items())
    found = fourier_from_moebius(terms)
    for subset in subsets[1:]:
        chi = (1 - 2 * bits[:, list(subset)]).prod(1)
        assert found[subset] == pytest.approx((values * chi).mean())
    assert () not in found
    assert fourier_from_moebius({(0, 1): 4.0, (0,): -2.0, (1,): -2.0}) == {(0, 1): 1.0}
    with pytest.raises(NotApplicable, match="a term of 17 units"):
        fourier_from_moebius({tuple(range(17)): 1.0})


def test_games_ask_for_patterns_and_for_mixtures_of_a_row_and_the_baseline() -> None:
    def number(x: torch.Tensor) -> torch.Tensor:
        return x @ torch.tensor([1.0, 10.0, 100.0])

    coalitions = np.array([[True, False, True], [False, False, False]])
    assert pattern_game(number, -1.0)(coalitions).tolist() == [-91.0, 111.0]
    assert pattern_game(number, 1.0)(coalitions.astype(int)).tolist() == [91.0, -111.0]
    game = row_game(number, torch.tensor([2.0, 3.0, 4.0]), torch.tensor([0.0, 0.5, 1.0]))
    assert game(coalitions).tolist() == [407.0, 105.0]
    assert game(coalitions[0]).tolist() == [407.0]


@pytest.mark.parametrize(
    ("n", "degree", "code"),
    [(7, 2, (4, 8)), (16, 2, (5, 10)), (16, 5, (6, 27)), (64, 5, (7, 35)), (1, 1, (2, 2))],
)
def test_codes_are_as_tables_of_bch_codes_have_them(
    n: int, degree: int, code: tuple[int, int]
) -> None:
    """Lin & Costello, Error Control Coding, table 6.1: (15, 7), (31, 21), (63, 36), (127, 92)."""
    assert bch_code(n, degree) == code
    assert least_masks(n, degree) == 3 * (code[1] + 1) * 8


def test_a_plan_has_the_most_bins_that_the_budget_affords_and_then_a_smaller_degree() -> None:
    assert plan(64, 5, 864) == (5, 864)
    assert plan(64, 5, 1727) == (5, 864)
    assert plan(64, 5, 1728) == (5, 1728)
    assert plan(64, 5, 863) == (4, 696)
    assert plan(64, 5, 359) is None
    assert plan(64, 5, 360) == (2, 360)
    assert plan(64, 1, 359) == (1, 192)


def test_an_interaction_is_aggregated_over_several_rows_and_over_one() -> None:
    rows = [{(0,): -1.0, (0, 1): 2.0}, {(0,): 3.0}]
    assert over_rows(rows[:1], "mean-absolute") == {(0,): 1.0, (0, 1): 2.0}
    assert over_rows(rows[:1], "mean") == {(0,): -1.0, (0, 1): 2.0}
    assert over_rows(rows, "mean-absolute") == {(0,): 2.0, (0, 1): 1.0}
    assert over_rows(rows, "mean") == {(0,): 1.0, (0, 1): 1.0}
    assert over_rows(rows, "root-mean-square") == pytest.approx({(0,): 5**0.5, (0, 1): 2**0.5})
    assert over_rows([{(0,): 1.0}, {(0,): -1.0}], "mean") == {}
    assert over_rows([{}, {}], "mean") == {}
