"""Problem -> pairs of rows between which units are patched, found without looking at the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.intervening.choices import Direction, ways
from actspec_bench.methods.intervening.pairs import Function, Pairs, paired
from actspec_bench.problems.distinct import numbered

if TYPE_CHECKING:
    from jaxtyping import Bool

    from actspec_bench.problems.problem import Problem

__all__ = ["find_pairs", "find_pairs_for_gradients"]

# Differences below this share of the largest value are rounding.
ALIKE = 1e-6
# Rows of a pair, evaluated to find it, to see whether values are noisy, and again if they are.
ROWS_A_PAIR = 6
# Pairs beyond the rows whose gradients are known cost no query, but memory.
PAIRS_FOR_GRADIENTS = 2**14
ONE_DECISION = (
    "all rows evaluated have the same decision: rows above the middle of their values are paired "
    "with rows below it"
)


def find_pairs(
    problem: Problem, function: Function, *, cost: int, share: float, most: int | None = None
) -> Pairs:
    """Evaluate rows, split them into two classes and pair them.

    On a masked problem the one pair is the input and its blank. Elsewhere the rows are those of
    the foreground and then draws of D, or the other rows of a data set, each once. The classes are
    the two decisions, f >= 0 and f < 0; if only one occurs, the rows above and below the middle
    between the largest and the smallest value. Rows are asked for until there are enough of both
    classes to spend the budget on, or ``share`` of it is spent.

    Parameters
    ----------
    problem
        Where rows come from.
    function
        The metered function to explain, (B, n) -> (B,).
    cost
        Rows that a pair will cost where all of its units differ.
    share
        Of the budget that may be spent on finding pairs.
    most
        Pairs wanted; if not given, as many as the budget serves.

    Raises
    ------
    NotApplicable
        The budget does not serve one pair, or all values are alike.
    """
    kept = _kept_for_one(problem, cost)
    if problem.kind == "masked":
        return _input_and_blank(problem, function)

    def wanted(rows: Tensor) -> int:
        differing = float((rows != rows.roll(1, 0)).float().mean())
        served = int(problem.remaining / max(differing * cost, 1.0))
        return served if most is None else min(most, served)

    limit = max(2, min(int(share * problem.remaining), problem.remaining - kept))

    def more(rows: Tensor, values: Tensor) -> int:
        fewer = min(int((values >= 0).sum()), int((values < 0).sum()))
        return 0 if fewer >= wanted(rows) else limit - len(rows)

    rows, values = _evaluated(problem, function, limit, more)
    high, info = _classes(values)
    clean, corrupt = torch.nonzero(high)[:, 0], torch.nonzero(~high)[:, 0]
    i, j = paired(len(clean), len(corrupt), 2 * wanted(rows) + 2 if most is None else most)
    return _made(function, rows, values, clean[i], corrupt[j], info)


def find_pairs_for_gradients(
    problem: Problem, function: Function, *, direction: Direction
) -> Pairs:
    """Evaluate rows and pair them where a gradient is asked once a row, in however many pairs.

    As `find_pairs`, but rows are asked for until what remains serves the gradient, of 2 rows, at
    each corrupt row (denoising), each clean row (noising), or each row. Of a data set that may be
    all rows before the budget is spent: more would buy nothing. Pairs are as many as there are, up
    to `PAIRS_FOR_GRADIENTS` or the rows of the larger class.

    Raises
    ------
    NotApplicable
        The budget does not serve one pair, or all values are alike.
    """
    kept = _kept_for_one(problem, 2 * ways(direction))
    if problem.kind == "masked":
        return _input_and_blank(problem, function)

    def asked(high: Tensor) -> int:
        return int({"denoising": ~high, "noising": high}.get(direction, high | True).sum())

    def more(rows: Tensor, values: Tensor) -> int:
        count = asked(_upper(values))
        left = problem.remaining - 2 - 2 * count
        further = min(int(left / (1 + 2 * count / len(rows))), problem.remaining - kept)
        return further if further > len(rows) // 64 else 0

    first = max(2, min(problem.remaining // 3, problem.remaining - kept))
    rows, values = _evaluated(problem, function, first, more)
    high, info = _classes(values)
    clean, corrupt = torch.nonzero(high)[:, 0], torch.nonzero(~high)[:, 0]
    served = min(1.0, (problem.remaining - 2) / (2 * asked(high)))
    if direction != "denoising":
        clean = clean[: max(1, int(served * len(clean)))]
    if direction != "noising":
        corrupt = corrupt[: max(1, int(served * len(corrupt)))]
    most = max(PAIRS_FOR_GRADIENTS, len(clean), len(corrupt))
    i, j = paired(len(clean), len(corrupt), most)
    return _made(function, rows, values, clean[i], corrupt[j], info)


def _kept_for_one(problem: Problem, cost: int) -> int:
    """Rows to keep when rows are asked for, or one pair could not be served; 2 are asked first."""
    least = cost + (2 if problem.kind == "masked" else ROWS_A_PAIR)
    if problem.remaining < least:
        raise NotApplicable(
            f"one pair and what is patched between its rows cost {least:,} rows and "
            f"{problem.remaining:,} of the budget of {problem.budget:,} remain"
        )
    return least - 2


def _input_and_blank(problem: Problem, function: Function) -> Pairs:
    rows = torch.cat([problem.foreground[:1], problem.baseline[None]])
    values = function(rows)
    _check_spread(values)
    return Pairs(rows[:1], rows[1:], values[:1], values[1:], info={"classes": "input and blank"})


def _evaluated(
    problem: Problem, function: Function, first: int, more: Callable[[Tensor, Tensor], int]
) -> tuple[Tensor, Tensor]:
    """Rows and their values: up to ``first``, then as many again as ``more`` says, in batches."""
    rows = problem.foreground[:first]
    others = problem.rows
    if others is not None:
        others = others[torch.randperm(len(others), generator=problem.generator)]
        others = others[_not_asked(rows, others)]
    values = function(rows)
    met = len(rows)
    while True:
        count = min(more(rows, values), max(len(rows), 2))
        start = len(rows) - met
        further = problem.sample(count) if others is None else others[start : start + count]
        if not len(further):
            return rows, values
        rows, values = torch.cat([rows, further]), torch.cat([values, function(further)])


def _not_asked(rows: Tensor, others: Tensor) -> list[int]:
    """Which of ``others`` to ask for: not those that are ``rows``, each of which is one of them."""
    number = numbered(torch.cat([rows, others])).tolist()
    asked, left = Counter(number[: len(rows)]), []
    for place, k in enumerate(number[len(rows) :]):
        if asked[k]:
            asked[k] -= 1
        else:
            left.append(place)
    return left


def _upper(values: Tensor) -> Bool[Tensor, " rows"]:
    """Which rows are of the class of higher values."""
    high = values >= 0
    if bool(high.all()) or not bool(high.any()):
        high = values > (values.max() + values.min()) / 2
    return high


def _classes(values: Tensor) -> tuple[Bool[Tensor, " rows"], dict[str, Any]]:
    """Which rows are of the class of higher values, and what is told of the classes."""
    _check_spread(values)
    high, info = _upper(values), {"classes": "decisions", "rows_evaluated": len(values)}
    if not torch.equal(high, values >= 0):
        info |= {"classes": "high and low values", "warnings": [ONE_DECISION]}
    return high, info


def _made(
    function: Function,
    rows: Tensor,
    values: Tensor,
    i: Tensor,
    j: Tensor,
    info: dict[str, Any],
) -> Pairs:
    """Return pairs of rows i and j, two of which are evaluated again to see noise."""
    again = function(torch.stack([rows[i[0]], rows[j[0]]]))
    noise = (again - torch.stack([values[i[0]], values[j[0]]])).abs().max()
    noisy = float(noise) > ALIKE * float(values.abs().max())
    return Pairs(rows[i], rows[j], values[i], values[j], noisy, {**info, "noisy": noisy})


def _check_spread(values: Tensor) -> None:
    spread = float(values.max() - values.min())
    if spread <= ALIKE * float(values.abs().max()):
        raise NotApplicable(
            f"all {len(values):,} rows evaluated have the same value, and units are patched "
            "between rows whose values differ"
        )
