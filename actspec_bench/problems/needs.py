"""Problem -> whether it offers what a method needs, or the sentence that says what is lacking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from actspec_bench.errors import NotApplicable

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

__all__ = ["check_needs"]

# Whether a gradient is there shows only when one is asked for.
_OFFERS: dict[str, tuple[Callable[[Problem], bool], str]] = {
    "gradient": (
        lambda problem: problem.any_pattern,
        "it needs gradients, and this problem answers only at given rows",
    ),
    "module": (
        lambda problem: problem.has_module,
        "it hooks the modules of the network after the layer, and this problem has no such network",
    ),
    "queries": (
        lambda problem: problem.any_pattern,
        "it chooses where to evaluate, and this problem answers only at given rows: use actspec",
    ),
    "patterns": (
        lambda problem: problem.any_pattern and problem.kind != "interchange",
        "it chooses patterns, and real activations have no grid of patterns: use actspec",
    ),
    "uniform": (
        lambda problem: problem.uniform,
        "it needs states that are uniform under D, and these are not known to be: use actspec",
    ),
    "layout": (
        lambda problem: problem.layout is not None,
        "it moves a window over a layout of the units, and these have none",
    ),
}


def check_needs(problem: Problem, needs: Iterable[str]) -> None:
    """Raise NotApplicable, with the reason, unless the problem offers all of ``needs``.

    Parameters
    ----------
    problem
        What a method is about to be run on.
    needs
        Words of `registry.cards.Need`, as in the method's card.
    """
    for need in needs:
        offered, lacking = _OFFERS[need]
        if not offered(problem):
            raise NotApplicable(lacking)
