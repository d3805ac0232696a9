"""Problem -> Fourier coefficients, or an index of them, by SPEX and ProxySPEX."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.playing.codes import least_masks, plan
from actspec_bench.methods.playing.compiling import compiled, without_loops_in_threads
from actspec_bench.methods.playing.games import pattern_game
from actspec_bench.methods.playing.library import (
    ROUNDING,
    approximator,
    coefficients,
    need,
    one_job,
    one_thread,
    versions,
)
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On, explained, global_generators_seeded

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["fourier_from_moebius", "proxyspex_spectrum", "spex_index", "spex_spectrum"]

ON, OFF = 1.0, -1.0
MOST_SUBSETS_OF_A_TERM = 2**16
# Folds and least rows in a leaf of the boosted trees, and a margin of a fifth.
LEAST_MASKS = 60
# Masks, and masks times units, that it works off in some 20 seconds and a gigabyte.
MOST_MASKS, MOST_NUMBERS = 4000, 128_000
CONSTANT = "the function is constant over the masks drawn"
TOO_FEW_TERMS = (
    "shapiq fails where its trees have so few terms that it takes all of them for 95% of the "
    "energy, as where no unit matters by itself in the masks drawn"
)


def fourier_from_moebius(terms: Mapping[Subset, float]) -> dict[Subset, float]:
    r"""Fourier coefficients of :math:`\sum_T m(T) \prod_{i \in T} x_i`, x in {0, 1}.

    .. math:: \hat f(S) = (-1)^{|S|} \sum_{T \supseteq S} 2^{-|T|} m(T)

    under :math:`\chi_S = \prod_{i \in S} (1 - 2 x_i)`, since :math:`x_i = (1 - \chi_i) / 2`.
    Without the empty set, and what is zero but for rounding.

    Raises
    ------
    NotApplicable
        A term has so many units that its subsets are too many to list.
    """
    found: dict[Subset, float] = {}
    for units, value in terms.items():
        if 2 ** len(units) > MOST_SUBSETS_OF_A_TERM:
            raise NotApplicable(f"it reports a term of {len(units)} units, too many to expand")
        clean = sorted(int(i) for i in units)
        for size in range(len(clean) + 1):
            share = (-1) ** size * float(value) / 2 ** len(clean)
            for subset in combinations(clean, size):
                found[subset] = found.get(subset, 0.0) + share
    largest = max((abs(c) for s, c in found.items() if s), default=0.0)
    return {s: c for s, c in found.items() if s and abs(c) > ROUNDING * largest}


def spex_spectrum(problem: Problem, *, degree: int, on: On) -> Attribution:
    """SPEX read at its Fourier coefficients.

    Its public output is an index of up to a stated order. The Faith-Banzhaf index of order n is
    the Moebius transform of all that it found, whatever its size, and that inverts exactly.
    """
    result, info = _spex(problem, degree, order=problem.n, on=on, present=OFF)
    return _told(problem, fourier_from_moebius(coefficients(result)), info)


def spex_index(problem: Problem, *, degree: int, order: int, on: On) -> Attribution:
    """SPEX's public output: the Faith-Banzhaf index of up to ``order``, present being on."""
    order = min(order, problem.n)
    result, info = _spex(problem, degree, order=order, on=on, present=ON)
    return _told(problem, coefficients(result), info | {"order": order})


def _spex(
    problem: Problem, degree: int, *, order: int, on: On, present: float
) -> tuple[Any, dict[str, Any]]:
    need("sparse_transform", "galois")
    n = problem.n
    planned = plan(n, degree, problem.remaining)
    if planned is None:
        raise NotApplicable(
            f"SPEX needs {least_masks(n, min(degree, 2)):,} masks of {n} units at least, and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    cold = compiled(n, planned.degree)
    game = pattern_game(explained(problem, on), present)
    began = time.perf_counter()
    # The decoder draws from the global generators, whatever its ``random_state``.
    with global_generators_seeded(problem) as seed, one_thread(), without_loops_in_threads():
        spex = approximator("SPEX")(
            n=n, index="FBII", max_order=order, degree_parameter=planned.degree, random_state=seed
        )
        result = spex.approximate(planned.masks, game)
    info: dict[str, Any] = {
        "degree": planned.degree,
        "samples": planned.masks,
        "seconds_cold": round(cold, 3),
        "seconds_warm": round(time.perf_counter() - began, 3),
        "packages": versions("shapiq", "sparse-transform", "galois", "numba"),
    }
    if planned.degree < degree:
        lacking = f"that needs {least_masks(n, degree):,} masks"
        info["warnings"] = [
            f"only sets of up to {planned.degree} units were looked for, not of {degree}: {lacking}"
        ]
    return result, info


def proxyspex_spectrum(problem: Problem, *, samples: int | None, on: On) -> Attribution:
    """ProxySPEX read at its Fourier coefficients, as `spex_spectrum` is."""
    need("lightgbm")
    n = problem.n
    # Of all patterns, which it would draw in pairs of complements, it makes hardly a term.
    masks = min(problem.remaining, samples or min(MOST_MASKS, MOST_NUMBERS // n), 2**n - 1)
    if masks < LEAST_MASKS:
        raise NotApplicable(
            f"its boosted trees need {LEAST_MASKS} masks at least, for five folds of leaves of 20, "
            f"and there are {masks:,}: {problem.remaining:,} of the budget of {problem.budget:,} "
            f"remain, and {n} units have 2^{n} patterns"
        )
    values: list[float] = []
    asked = pattern_game(explained(problem, on), OFF)

    def game(coalitions: Any) -> Any:
        answered = asked(coalitions)
        values.extend(answered)
        return answered

    began = time.perf_counter()
    reason = ""
    spectrum: dict[Subset, float] = {}
    with global_generators_seeded(problem) as seed, one_thread():
        proxy = approximator("ProxySPEX")(n=n, index="FBII", max_order=n, random_state=seed % 2**31)
        trees = one_job(proxy)
        try:
            result = proxy.approximate(masks, game)
        except (IndexError, ValueError) as error:
            if not values:
                raise
            if min(values, default=0.0) < max(values, default=0.0):
                raise NotApplicable(f"{TOO_FEW_TERMS} ({error})") from error
            reason = CONSTANT
        else:
            spectrum = fourier_from_moebius(coefficients(result))
    info = {
        "samples": masks,
        "trees": trees,
        "seconds_warm": round(time.perf_counter() - began, 3),
        "packages": versions("shapiq", "lightgbm"),
    }
    return _told(problem, spectrum, info, reason)


def _told(
    problem: Problem, found: Mapping[Subset, float], info: dict[str, Any], reason: str = ""
) -> Attribution:
    if not found:
        info["reason"] = reason or "it found no subset"
    return Attribution.from_subsets(found, n=problem.n, info=info)
