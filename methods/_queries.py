"""Every query a search makes -> the subsets it reports: a test on fresh rows and a joint refit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.attribution import Attribution, Subset
from actspec_bench.regression import Fit, discoveries, least_squares, linearly_independent

if TYPE_CHECKING:
    from actspec_bench.problem import Problem

ROWS_PER_CANDIDATE = 4
ROUNDING = 1e-5


@dataclass
class Queries:
    """Every query made: patterns, values, and the group of rows that share draws."""

    problem: Problem
    patterns: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    groups: list[Tensor] = field(default_factory=list)
    next_group: int = 0

    def ask(self, x: Tensor, groups: int, *, first: int | None = None) -> Tensor:
        """Evaluate ``x``, whose rows form ``groups`` equal runs that share draws.

        Groups are new, or with ``first`` continue those numbered from it on.
        """
        run = torch.arange(groups).repeat_interleave(len(x) // groups)
        run += self.next_group if first is None else first
        self.next_group += groups if first is None else 0
        return self.ask_in(x, run)

    def ask_in(self, x: Tensor, groups: Tensor) -> Tensor:
        """Evaluate ``x``, each row in an earlier group of its own."""
        values = self.problem.value(x)
        self.patterns.append(self.problem.pattern(x))
        self.values.append(values)
        self.groups.append(groups)
        return values

    def fit(self, subsets: list[Subset]) -> Fit:
        """Joint least squares on all of them."""
        return least_squares(
            torch.cat(self.patterns), torch.cat(self.values), subsets, torch.cat(self.groups)
        )


def tested(queries: Queries, fresh: Tensor, candidates: list[Subset], fdr: float) -> list[Subset]:
    """Candidates whose coefficient is not zero, at false-discovery rate ``fdr``.

    Tested jointly on rows that played no part in choosing them.
    """
    if not len(fresh):
        return []
    values = queries.ask(fresh, len(fresh))
    pattern = queries.problem.pattern(fresh)
    candidates = linearly_independent(pattern, candidates[: len(fresh) // ROWS_PER_CANDIDATE])
    if not candidates:
        return []
    fit = least_squares(pattern, values, candidates)
    passed = discoveries(fit.p_values(), fdr)
    return [subset for subset, real in zip(candidates, passed, strict=True) if real]


def refitted(
    queries: Queries, subsets: list[Subset], tau: float | None, info: dict[str, Any]
) -> Attribution:
    n = queries.problem.n
    if not subsets:
        info["reason"] = _why_nothing(queries, tau)
        return Attribution.from_subsets({}, n=n, info=info)
    fit = queries.fit(subsets)
    halves = fit.half_widths()
    rows = [
        (subset, c, half)
        for subset, c, half in zip(subsets, fit.coefficients.tolist(), halves.tolist(), strict=True)
        if abs(c) > half
    ]
    kept = [row for row in rows if tau is None or abs(row[1]) >= tau]
    kept.sort(key=lambda row: (-abs(row[1]), len(row[0]), row[0]))
    info["intervals_95"] = [[c - half, c + half] for _, c, half in kept]
    if not kept:
        info["reason"] = (
            f"no |coefficient| reaches tau={tau}" if rows else _why_nothing(queries, tau)
        )
    return Attribution.from_subsets({s: c for s, c, _ in kept}, n=n, info=info)


def _why_nothing(queries: Queries, tau: float | None) -> str:
    """What the values asked for say of why no subset is reported."""
    values = torch.cat(queries.values).double()
    spread, mean = float(values.std(correction=0)), float(values.mean())
    if not spread:
        return f"the function is constant: all {len(values):,} rows asked have the value {mean:g}"
    if spread < ROUNDING * abs(mean):
        return (
            f"the values differ by {spread:.2g} about a mean of {mean:.4g}, which is within "
            "single precision's rounding: subtract the mean first"
        )
    if tau is not None:
        return f"no coefficient of {tau:g} or more can be told from zero"
    return "no coefficient can be told from zero"
