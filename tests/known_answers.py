"""What every method must find on tiny problems of which the answer is known, or why it does not."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from tiny_problems import KNOWN, PLANTED, Known, N, network

from actspec_bench import Attribution, NotApplicable, Problem, attribute
from actspec_bench.errors import Missing
from actspec_bench.problems.needs import check_needs
from actspec_bench.registry.entries import methods

BUDGET = 1500
# Where a method does not find what was planted, and why.
MISSES = {
    ("group-ablation", "one unit"): "independent units make no groups",
    ("group-ablation", "one pair"): "independent units make no groups",
    ("group-ablation", "a layout"): "independent units make no groups",
    ("linear-probe", "one pair"): "no unit of a parity can be decoded by itself",
    ("proxyspex", "one pair"): "its trees split by gain, and no unit of a parity has any",
}
# All units that a larger window covers with the planted one would come out alike.
PARAMETERS = {"occlusion": {"window": 1}}


def is_served(name: str, problem: Problem) -> bool:
    try:
        check_needs(problem, methods[name].card.needs)
    except NotApplicable:
        return False
    return not methods[name].card.control


def finds_what_was_planted(name: str) -> Iterator[str]:
    """Nothing, with a reason, is no answer here; what else is excepted is so by name."""
    found = set()
    for what, make in KNOWN.items():
        made = make(BUDGET)
        if not is_served(name, made.problem):
            continue
        try:
            result: Attribution | str = attribute(name, made.problem, **PARAMETERS.get(name, {}))
        except Missing:
            return
        except NotApplicable as reason:
            result = str(reason)
        right = isinstance(result, Attribution) and on_top(
            result, made, whole=made.together and methods[name].card.returns == "subsets"
        )
        found |= {what} if right else set()
        if right and (name, what) in MISSES:
            yield f"{what}: finds it, and need no longer be excepted"
        if not right and (name, what) not in MISSES:
            told = result if isinstance(result, str) else (result.as_dict(), result.info)
            yield f"{what}: does not find units {made.units}: {told}"
    if not found and not methods[name].card.control:
        yield "finds nothing that was planted anywhere"


def on_top(result: Attribution, made: Known, *, whole: bool) -> bool:
    """Whether the units that matter are well above all others, and as one subset if ``whole``."""
    scores = result.units(N)
    others = [score for unit, score in enumerate(scores) if unit not in made.units]
    if whole and result.subsets[:1] != (made.units,):
        return False
    return bool(min(scores[list(made.units)]) > 1.2 * max(others))


def negated(name: str) -> tuple[int, ...]:
    """Units to negate: planted sets hold none, one or two of them.

    Of a game whose units are there or not, singles of a set with two of them have other
    magnitudes too.
    """
    return (1, 2) if name == "spex-index" else (0, 1, 2, 4)


def wrong_signs(name: str, plain: Attribution, turned: Attribution) -> Iterator[str]:
    """A character turns with an odd number of its units; a share of a difference does not."""
    family = methods[name].card.family
    signed = family in ("spectral", "regression", "probe") or name == "spex-index"
    before, after = plain.as_dict(), turned.as_dict()
    large = {subset for subset in PLANTED if abs(before.get(subset, 0)) > 0.15}
    for subset in large:
        odd = len({*subset} & {*negated(name)}) % 2 == 1
        expected = -before[subset] if signed and odd else before[subset]
        if expected * after.get(subset, 0) <= 0:
            yield f"{subset}: {before[subset]} became {after.get(subset)} with units negated"
    if signed and (1,) not in large:
        yield f"does not find unit 1: {before}"


def gives_no_scores_for_nan(name: str) -> Iterator[str]:
    """A network returns NaN everywhere, or at some rows, which need not be met."""
    for spoilt in (lambda margins: margins * torch.nan, torch.sqrt):
        problem, met = network(spoilt, budget=300)
        if not is_served(name, problem):
            return
        try:
            attribute(name, problem)
        except (NotApplicable, ValueError):
            continue
        if any(met):
            yield "a network that returned NaN got scores"
