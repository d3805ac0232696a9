"""Who takes part: each contestant is one function from a problem and a seed to its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actspec_bench import attribute
from actspec_bench.registry.entries import methods
from benchmarks.layers.rivals import (
    Model,
    boosted_trees,
    correlated_units,
    given_the_rows,
    lasso,
    pursuit,
    ridge,
)

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["CONTESTANTS", "OURS", "Contestant"]

OURS = "actspec"


@dataclass(frozen=True)
class Contestant:
    """One way to explain a layer.

    Attributes
    ----------
    name
        As in tables.
    find
        ``(problem, seed)`` -> subsets in the order of their importance or, of a ceiling, a
        model of the value on patterns.
    method
        The registered method that it needs, if any.
    control
        Whether it sees nothing of the function.
    ceiling
        Whether it returns a model and no subsets: only its R^2 counts.
    """

    name: str
    find: Callable[[Problem, int], Attribution | Model]
    method: str = ""
    control: bool = False
    ceiling: bool = False

    def absent(self) -> str:
        """Why it cannot run here, or an empty text."""
        if self.method and self.method not in methods:
            return f"this version has no method {self.method!r}"
        return ""


def _registered(name: str, *, control: bool = False) -> Contestant:
    return Contestant(name, lambda problem, _: attribute(name, problem), name, control)


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        _registered(OURS),
        Contestant(
            "actspec, rows given", lambda problem, _: given_the_rows(problem), method="actspec"
        ),
        _registered("actspec-paper"),
        Contestant("pursuit, order 1", lambda problem, _: pursuit(problem, 1)),
        Contestant("pursuit, up to 3", lambda problem, _: pursuit(problem, 3)),
        Contestant(
            "pursuit, up to 3, p-biased", lambda problem, _: pursuit(problem, 3, biased=True)
        ),
        Contestant("16 most correlated units", lambda problem, _: correlated_units(problem)),
        Contestant("lasso, order 1", lambda problem, _: lasso(problem)),
        _registered("integrated-gradients"),
        _registered("random", control=True),
        _registered("constant", control=True),
        Contestant("ridge on all units", lambda problem, _: ridge(problem), ceiling=True),
        Contestant("boosted trees", boosted_trees, ceiling=True),
    )
}
