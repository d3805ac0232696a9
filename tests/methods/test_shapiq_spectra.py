"""SPEX and ProxySPEX, against planted spectra, the transform of all patterns, and the library.

The decoder of SPEX is compiled for each of its finite fields, in 5 to 40 seconds a process: its
tests are few, and of 16 units and two degrees alone.
"""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
import torch
from scoring import TERMS, parity_sum, planted

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.methods.playing.codes import least_masks, plan
from actspec_bench.methods.playing.spectra import CONSTANT, TOO_FEW_TERMS
from actspec_bench.problems.explaining import global_generators_seeded
from actspec_bench.problems.views import restarted

numba = pytest.importorskip("numba")
approximators = pytest.importorskip("shapiq.approximator")
dense = pytest.importorskip("galois._polys._dense")

N = 16


def conjunctions(x: torch.Tensor) -> torch.Tensor:
    """A conjunction of three units and one of two, which share a unit: nine coefficients."""
    on = x > 0
    return on[:, [2, 5, 11]].all(1).float() - on[:, [5, 7]].all(1).float()


def spectrum_of(function) -> dict[tuple[int, ...], float]:
    coefficients = walsh_hadamard(function(all_patterns(N)))
    return {
        tuple(i for i in range(N) if position >> i & 1): value
        for position, value in enumerate(coefficients.tolist())
        if position and abs(value) > 1e-6
    }


def test_spex_reads_the_spectrum_from_its_masks_and_leaves_the_process_as_it_was() -> None:
    asked: list[int] = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return conjunctions(x)

    problem = Problem.from_function(counted, N, budget=6000, seed=4)
    states = random.getstate(), np.random.get_state()[1].tolist(), warnings.filters[:]  # noqa: NPY002
    found = attribute("spex", problem)
    # Threads that ran would be fatal to every later fork.
    with pytest.raises(ValueError, match=r"[Tt]hreading layer"):
        numba.threading_layer()
    assert dense.evaluate_elementwise_jit._PARALLEL
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), warnings.filters)  # noqa: NPY002
    exact = spectrum_of(conjunctions)
    assert len(exact) == 9
    assert found.as_dict() == pytest.approx(exact)
    assert sum(asked) == found.info["samples"] == plan(N, 5, 6000).masks == 5376
    assert found.info["degree"] == 5
    assert found.info["seconds_cold"] > found.info["seconds_warm"] > 0
    again = attribute("spex", restarted(problem, budget=6000, seed=4))
    assert again.as_dict() == found.as_dict()
    assert again.info["seconds_cold"] == found.info["seconds_cold"]


def test_spex_is_what_the_library_makes_of_the_same_budget_and_seed() -> None:
    noisy, _ = planted("planted-parity[n=16,terms=4,orders=(1,2,3),noise=0.3]", 1, 700)
    found = attribute("spex", noisy)
    index = attribute("spex-index", restarted(noisy, budget=700, seed=1), order=3)
    direct = restarted(noisy, budget=700, seed=1)
    with global_generators_seeded(direct) as seed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spex = approximators.SPEX(
            n=N, index="FBII", max_order=N, degree_parameter=5, random_state=seed
        )
        result = spex.approximate(
            700, lambda c: direct.value(torch.tensor(1 - 2.0 * c)).double().numpy()
        )
    assert direct.spent["forward"] == found.info["samples"] == 672
    # Of a function on {0, 1}: what it is at a pattern is the sum of the terms within.
    terms = {tuple(map(int, s)): result.values[at] for s, at in result.interaction_lookup.items()}
    x = torch.tensor(random_signs(50))
    values = [sum(v for s, v in terms.items() if all(row[i] < 0 for i in s)) for row in x]
    own = sum(c * x[:, list(s)].prod(1) for s, c in found.as_dict().items())
    assert (own - own[0]).tolist() == pytest.approx((np.array(values) - values[0]).tolist())
    assert max(map(len, index.subsets)) == 3
    top = found.subsets[0]
    assert index.as_dict()[top] == pytest.approx(2 ** len(top) * found.as_dict()[top], rel=0.2)


def random_signs(rows: int) -> np.ndarray:
    return np.random.default_rng(0).choice([-1.0, 1.0], (rows, N))


def test_spex_misses_what_is_larger_than_its_degree_without_a_word() -> None:
    """By its parameter, and where the budget serves a smaller degree only: then with a warning."""
    four = {(1, 2, 3, 4): 1.0}
    found = attribute("spex", restarted(parity_sum(four, N), budget=5000, seed=0), degree=2)
    assert found.subsets == ()
    assert found.info["reason"] == "it found no subset"
    assert "warnings" not in found.info
    short = restarted(parity_sum(TERMS, N), budget=300, seed=0)
    found = attribute("spex", short)
    assert found.as_dict() == pytest.approx({s: c for s, c in TERMS.items() if len(s) <= 2})
    assert (found.info["degree"], found.info["samples"]) == (2, 264)
    assert found.info["warnings"] == [
        "only sets of up to 2 units were looked for, not of 5: that needs 672 masks"
    ]
    assert least_masks(N, 5) == 672
    for budget in (1, N, N + 1, 263):
        with pytest.raises(NotApplicable, match="SPEX needs 264 masks of 16 units at least"):
            attribute("spex", restarted(short, budget=budget, seed=0))


def test_spex_index_has_the_scale_of_units_that_are_on_or_off() -> None:
    found = attribute("spex-index", restarted(parity_sum(TERMS, N), budget=1000, seed=0)).as_dict()
    assert found[0, 3] == pytest.approx(4.0)
    assert found[0,] == pytest.approx(-2.0)
    assert found[1,] == pytest.approx(-1.5)
    assert found[2, 4, 5] == pytest.approx(4.0)
    pairs = attribute("spex-index", restarted(parity_sum(TERMS, N), budget=1000, seed=0), order=2)
    assert set(pairs.subsets) == {(0,), (3,), (1,), (0, 3)}


def test_proxyspex_finds_planted_sets_from_its_masks() -> None:
    problem = restarted(parity_sum(TERMS, 10), budget=500, seed=0)
    found = attribute("proxyspex", problem, samples=400)
    assert list(found.subsets[:3]) == [(0, 3), (1,), (2, 4, 5)]
    assert found.coefficients[:3].tolist() == pytest.approx([1.0, -0.75, 0.5], abs=0.01)
    assert problem.spent["forward"] == found.info["samples"] == 400
    assert found.info["trees"].startswith("lightgbm ")
    with pytest.raises(NotApplicable, match="need 60 masks at least"):
        attribute("proxyspex", restarted(problem, budget=59, seed=0))
    with pytest.raises(NotApplicable, match=r"5 units have 2\^5 patterns"):
        attribute("proxyspex", parity_sum({(0,): 1.0}, 5))


def test_proxyspex_of_a_constant_function_says_so() -> None:
    found = attribute("proxyspex", Problem.from_function(lambda x: 0 * x[:, 0] + 1, 8, budget=100))
    assert found.subsets == ()
    assert found.info["reason"] in {CONSTANT, "it found no subset"}


def test_proxyspex_with_the_budget_for_all_patterns_is_not_cut_short() -> None:
    """At all 2^n masks the library would fail, and with a mask less it is exact."""
    terms = {(0,): 1.0, (1,): 0.5, (2, 3): 1.0}
    found = attribute("proxyspex", parity_sum(terms, 8))
    assert set(found.subsets[:3]) == set(terms)
    assert found.info["samples"] == 2**8 - 1


def test_where_the_library_fails_proxyspex_is_not_applicable_with_the_reason() -> None:
    with pytest.raises(NotApplicable, match="so few terms") as refused:
        attribute("proxyspex", restarted(parity_sum({(0, 1): 1.0}, 8), budget=200, seed=0))
    assert TOO_FEW_TERMS in str(refused.value)
