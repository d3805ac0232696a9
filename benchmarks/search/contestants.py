"""Who takes part: our searches and the others, each behind one function, and what it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import comb
from typing import TYPE_CHECKING

from actspec_bench import attribute
from actspec_bench.registry.entries import methods
from benchmarks.search.rivals import boofun_search

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem
    from benchmarks.search.regimes import Regime

__all__ = ["CONTESTANTS", "Contestant"]


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
    spared
        The same for regimes in which it could run and does not, for want of time.
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
    spared: Callable[[Regime], str] = lambda _: ""
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


def _spex(degree: int) -> Callable[[Problem, Regime, int], Mapping[Subset, float]]:
    return lambda problem, _, __: attribute("spex", problem, degree=degree).as_dict()


def _proxyspex(problem: Problem, _: Regime, __: int) -> Mapping[Subset, float]:
    return attribute("proxyspex", problem, samples=problem.remaining).as_dict()


def _needs_patterns(regime: Regime) -> str:
    return "it has to choose the patterns, and rows are given here" if regime.given_rows else ""


def _not_boolean(regime: Regime) -> str:
    if regime.planted.get("readout") != "decision":
        return "it takes functions with two values alone"
    if regime.planted["n"] >= 64:
        return "it refuses n of 64 and more"
    return _needs_patterns(regime)


def _archdetect(problem: Problem, regime: Regime, _: int) -> Mapping[Subset, float]:
    """In one row and its negative, told roughly how many pairs interact: n^2 + n + 2 rows."""
    sizes = regime.planted["orders"] or (regime.planted["order"],)
    terms = regime.planted["terms"]
    pairs = sum(comb(sizes[j % len(sizes)], 2) for j in range(terms))
    told = {"pairs": pairs, "contexts": 1, "singles": False, "on": "value"}
    return attribute("archdetect", problem, **told).as_dict()


def _uncounted(regime: Regime) -> str:
    told = "" if "terms" in regime.planted else "it has to be told roughly how many pairs interact"
    return _needs_patterns(regime) or told


def _other_degree(regime: Regime) -> str:
    if regime.largest_order <= 5:
        return "not run where SPEX t=5, which needs fewer queries, is told enough"
    return "not run where sets are larger than it is told" if regime.largest_order > 8 else ""


def _few(regime: Regime) -> str:
    central = dict(regime.points).keys() & {"order", "k"}
    return "" if central else "8 to 25 s a run: run in the sweeps over order and k alone"


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("actspec", _method("actspec"), ours=True),
        Contestant(
            "actspec-alias",
            _method("actspec-alias"),
            ours=True,
            smallest=125,
            largest=16_000,
            refuses=_needs_patterns,
        ),
        Contestant(
            "SPEX t=5",
            _spex(5),
            packages=("shapiq",),
            largest=16_000,
            refuses=_needs_patterns,
            seconds=420,
        ),
        Contestant(
            "SPEX t=8",
            _spex(8),
            packages=("shapiq",),
            largest=16_000,
            refuses=_needs_patterns,
            spared=_other_degree,
            seconds=200,
        ),
        Contestant(
            "ProxySPEX",
            _proxyspex,
            packages=("shapiq", "lightgbm"),
            largest=4000,
            refuses=_needs_patterns,
            spared=_few,
            seconds=120,
        ),
        Contestant(
            "ArchDetect",
            _archdetect,
            plans=False,
            refuses=_uncounted,
            seconds=80,
        ),
        Contestant(
            "boofun GL",
            lambda problem, _, seed: boofun_search(problem, seed),
            packages=("boofun",),
            plans=False,
            refuses=_not_boolean,
            seconds=80,
        ),
    )
}
