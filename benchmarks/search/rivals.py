"""Other people's searches: problem -> subset -> coefficient.

Their packages are imported when they run and belong to the extra ``search``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["Spectrum", "architectures", "boofun_search", "fourier_from_moebius", "shapiq_search"]

Spectrum = dict["Subset", float]
MOST_SUBSETS_OF_A_TERM = 2**16
PAIR_ROWS = 2**14
BOOFUN_THRESHOLD = 0.3


def _game(problem: Problem) -> Callable[[Any], Any]:
    """Coalitions, one present player a True, as patterns: 1 - 2 x, so that its parity is chi."""

    def values(coalitions: Any) -> Any:
        x = 1 - 2 * torch.as_tensor(np.asarray(coalitions, dtype=np.float32))
        return problem.value(x).numpy().astype(float)

    return values


def fourier_from_moebius(terms: Mapping[Subset, float]) -> Spectrum:
    r"""Fourier coefficients of :math:`\sum_T m(T) \prod_{i \in T} x_i`, x in {0, 1}.

    .. math:: \hat f(S) = (-1)^{|S|} \sum_{T \supseteq S} 2^{-|T|} m(T)

    under :math:`\chi_S = \prod_{i \in S} (1 - 2 x_i)`, since :math:`x_i = (1 - \chi_i) / 2`.

    Raises
    ------
    NotApplicable
        A term has so many units that its subsets are too many to list.
    """
    found: Spectrum = {}
    for units, value in terms.items():
        if 2 ** len(units) > MOST_SUBSETS_OF_A_TERM:
            raise NotApplicable(f"it reports a term of {len(units)} units, too many to expand")
        clean = sorted(int(i) for i in units)
        for size in range(len(clean) + 1):
            share = (-1) ** size * float(value) / 2 ** len(clean)
            for subset in combinations(clean, size):
                found[subset] = found.get(subset, 0.0) + share
    largest = max((abs(c) for s, c in found.items() if s), default=0.0)
    return {s: c for s, c in found.items() if s and abs(c) > 1e-9 * largest}


def shapiq_search(problem: Problem, seed: int, *, degree: int | None) -> Spectrum:
    """SPEX told ``degree``, or without one ProxySPEX, through the library's public output alone.

    Its Faith-Banzhaf index of order n is the Moebius transform of all that it found, which
    inverts exactly: so it is credited with the Fourier sets it holds inside.
    """
    import random

    from shapiq.approximator import SPEX, ProxySPEX

    # It draws from the global generators, whatever its ``random_state``.
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    n = problem.n
    common = {"n": n, "index": "FBII", "max_order": n, "random_state": seed}
    approximator = (
        ProxySPEX(**common) if degree is None else SPEX(**common, degree_parameter=degree)
    )
    try:
        result = approximator.approximate(problem.remaining, _game(problem))
    except ValueError as error:
        if "Insufficient budget" in str(error):
            raise NotApplicable(str(error)) from error
        raise
    values = result.values
    terms = {key: values[at] for key, at in result.interaction_lookup.items()}
    return fourier_from_moebius(terms)


def boofun_search(problem: Problem, seed: int) -> Spectrum:
    """Boofun's ``goldreich_levin``; it reads (0, 1) with 0 as +1, one point a call."""
    import boofun
    from boofun.analysis.learning import goldreich_levin

    n = problem.n

    def point(bits: Any) -> int:
        x = 1.0 - 2.0 * torch.as_tensor(np.asarray(bits, dtype=np.float32))[None]
        return int(problem.value(x)[0] < 0)

    oracle = boofun.create(point, n=n, storage="lazy")
    generator = np.random.default_rng(seed)
    heavy = goldreich_levin(oracle, threshold=BOOFUN_THRESHOLD, rng=generator)
    return {tuple(i for i in range(n) if int(mask) >> i & 1): c for mask, c in heavy if mask}


def architectures(problem: Problem, pairs: int) -> Spectrum:
    r"""Pairs by second differences, those that share a unit merged (Tsang et al. 2020).

    .. math::
        \omega_{ij} = \tfrac12 \sum_{c} \bigl( f(c) - f(c^{\oplus i}) - f(c^{\oplus j})
        + f(c^{\oplus ij}) \bigr)^2

    over the two contexts c, all units on and all off (ArchDetect, arXiv:2006.10965; the flips
    are of size 2, a constant factor). Pairs above the largest ratio between successive
    strengths among the first ``2 * pairs`` count as interacting: it is told roughly how many. A
    merged set is as strong as its pairs on average; :math:`n^2 + n + 2` rows.
    """
    n = problem.n
    if n < 3:
        raise NotApplicable("the gap between pairs needs at least three units")
    first, second = np.triu_indices(n, 1)
    strength = np.zeros(len(first))
    for state in (1.0, -1.0):
        context = torch.full((1, n), state)
        single = context.repeat(n, 1)
        single[range(n), range(n)] = -state
        alone = problem.value(single).double().numpy()
        clean = float(problem.value(context)[0])
        for start in range(0, len(first), PAIR_ROWS):
            i, j = first[start : start + PAIR_ROWS], second[start : start + PAIR_ROWS]
            x = context.repeat(len(i), 1)
            x[range(len(i)), i] = -state
            x[range(len(i)), j] = -state
            both = problem.value(x).double().numpy()
            strength[start : start + len(i)] += (clean - alone[i] - alone[j] + both) ** 2 / 2
    order = np.argsort(-strength, kind="stable")
    ranked = strength[order][: 2 * pairs + 1] + 1e-12 * max(float(strength.max()), 1e-300)
    kept = order[: int(np.argmax(ranked[:-1] / ranked[1:])) + 1]
    groups: list[set[int]] = []
    for i, j in zip(first[kept].tolist(), second[kept].tolist(), strict=True):
        touching = [group for group in groups if i in group or j in group]
        groups = [group for group in groups if group not in touching]
        groups.append({i, j}.union(*touching))
    found: Spectrum = {}
    for group in groups:
        inside = [strength[at] for at in kept if first[at] in group]
        found[tuple(sorted(group))] = float(np.mean(inside)) ** 0.5
    return found
