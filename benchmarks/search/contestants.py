"""Problem -> subsets with coefficients: our searches and the others, each behind one function.

Packages of others are imported when a contestant runs and belong to the extra ``search``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench import attribute
from actspec_bench.errors import NotApplicable
from actspec_bench.registry import methods

if TYPE_CHECKING:
    from actspec_bench.attribution import Subset
    from actspec_bench.problem import Problem
    from benchmarks.search.regimes import Regime

__all__ = ["CONTESTANTS", "Contestant", "architectures", "fourier_from_moebius"]

Spectrum = dict["Subset", float]
MOST_SUBSETS_OF_A_TERM = 2**16
PAIR_ROWS = 2**14
BOOFUN_THRESHOLD = 0.3


@dataclass(frozen=True)
class Contestant:
    """One search.

    Attributes
    ----------
    name
        As in tables.
    find
        ``(problem, regime, seed) -> {subset: coefficient}``.
    ours
        Whether the project's own.
    packages
        Import names that it needs.
    plans
        Whether it keeps to a budget that it is given; if not it runs once, unbounded.
    smallest, largest
        Budgets below and above are left out; of another's search also every second one.
    refuses
        ``regime -> reason`` why it cannot serve, or an empty text.
    seconds
        Allowance for all its runs together; nothing starts after it.
    """

    name: str
    find: Callable[[Problem, Regime, int], Mapping[Subset, float]]
    ours: bool = False
    packages: tuple[str, ...] = ()
    plans: bool = True
    smallest: int = 1000
    largest: int = 128_000
    refuses: Callable[[Regime], str] = lambda _: ""
    seconds: float = float("inf")

    def absent(self) -> str:
        """Why it cannot run here at all, with the remedy, or an empty text."""
        if self.ours:
            return "" if self.name in methods else f"this version has no method {self.name!r}"
        missing = [name for name in self.packages if find_spec(name) is None]
        remedy = "pip install 'actspec-bench[search]'"
        return f"{' and '.join(missing)} not installed: {remedy}" if missing else ""

    def budgets(self, regime: Regime) -> tuple[int | None, ...]:
        """Budgets to try in this regime; None is without bound."""
        if not self.plans:
            return (None,)
        fit = [b for b in regime.budgets if self.smallest <= b <= self.largest]
        return tuple(fit if self.ours or len(fit) == 1 else fit[::2])


def _method(name: str) -> Callable[[Problem, Regime, int], Mapping[Subset, float]]:
    def find(problem: Problem, regime: Regime, _: int) -> Mapping[Subset, float]:
        return attribute(name, problem, **regime.parameters.get(name, {})).as_dict()

    return find


def _needs_patterns(regime: Regime) -> str:
    return "it has to choose the patterns, and rows are given here" if regime.given_rows else ""


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


def _shapiq(kind: str, degree: int = 0) -> Callable[[Problem, Regime, int], Spectrum]:
    """SPEX or ProxySPEX through the library's public output alone.

    Its Faith-Banzhaf index of order n is the Moebius transform of all that it found, which
    inverts exactly: so it is credited with the Fourier sets it holds inside.
    """

    def find(problem: Problem, _: Regime, seed: int) -> Spectrum:
        import random

        from shapiq.approximator import SPEX, ProxySPEX

        # It draws from the global generators, whatever its ``random_state``.
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        n = problem.n
        common = {"n": n, "index": "FBII", "max_order": n, "random_state": seed}
        if kind == "SPEX":
            approximator = SPEX(**common, degree_parameter=degree)
        else:
            approximator = ProxySPEX(**common)
        try:
            result = approximator.approximate(problem.remaining, _game(problem))
        except ValueError as error:
            if "Insufficient budget" in str(error):
                raise NotApplicable(str(error)) from error
            raise
        values = result.values
        terms = {key: values[at] for key, at in result.interaction_lookup.items()}
        return fourier_from_moebius(terms)

    return find


def _boofun(problem: Problem, _: Regime, seed: int) -> Spectrum:
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


def _not_boolean(regime: Regime) -> str:
    if regime.planted.get("readout") != "decision":
        return "it takes functions with two values alone"
    if regime.planted["n"] >= 64:
        return "it refuses n of 64 and more"
    return _needs_patterns(regime)


def architectures(problem: Problem) -> Spectrum:
    r"""Pairs by second differences, those that share a unit merged (Tsang et al. 2020).

    .. math::
        \omega_{ij} = \tfrac12 \sum_{c} \bigl( f(c) - f(c^{\oplus i}) - f(c^{\oplus j})
        + f(c^{\oplus ij}) \bigr)^2

    over the two contexts c, all units on and all off (ArchDetect, arXiv:2006.10965; the flips
    are of size 2, a constant factor). Pairs above the largest ratio between successive
    strengths count as interacting. A merged set is as strong as its pairs on average;
    :math:`n^2 + n + 2` rows.
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
    ranked = strength[order] + 1e-12 * max(float(strength.max()), 1e-300)
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


def _low_order(regime: Regime) -> str:
    return _needs_patterns(regime) or (
        "" if regime.largest_order > 5 else "SPEX t=5 covers these orders for fewer queries"
    )


def _proxy(regime: Regime) -> str:
    central = dict(regime.points).keys() & {"order", "k"}
    reason = "8 to 25 s a run: it runs in the sweeps over order and k alone"
    return _needs_patterns(regime) or ("" if central else reason)


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("actspec", _method("actspec"), ours=True),
        Contestant(
            "actspec-alias",
            _method("actspec-alias"),
            ours=True,
            smallest=500,
            largest=16_000,
            refuses=_needs_patterns,
        ),
        Contestant(
            "SPEX t=5",
            _shapiq("SPEX", 5),
            packages=("shapiq",),
            refuses=_needs_patterns,
            seconds=330,
        ),
        Contestant(
            "SPEX t=8",
            _shapiq("SPEX", 8),
            packages=("shapiq",),
            refuses=_low_order,
            seconds=180,
        ),
        Contestant(
            "ProxySPEX",
            _shapiq("ProxySPEX"),
            packages=("shapiq", "lightgbm"),
            largest=4000,
            refuses=_proxy,
            seconds=180,
        ),
        Contestant(
            "ArchDetect",
            lambda problem, _regime, _seed: architectures(problem),
            plans=False,
            refuses=_needs_patterns,
            seconds=60,
        ),
        Contestant(
            "boofun GL",
            _boofun,
            packages=("boofun",),
            plans=False,
            refuses=_not_boolean,
            seconds=120,
        ),
    )
}
