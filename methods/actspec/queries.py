"""Every query a search makes -> the subsets it reports: a test on fresh rows and a joint refit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.fourier import Subset
from actspec_bench.fourier.regression import Fit, discoveries, least_squares, linearly_independent
from actspec_bench.methods.actspec.unexplained import told
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from actspec_bench.problems.problem import Problem

ROWS_PER_CANDIDATE = 4
# Errors of float32, as a share of a root mean square.
ROUNDING = 2e-6
LEAST_SPREAD = 1e-5
CLEAR_T = 8.0
LEAST_HELD = 30


@dataclass
class Queries:
    """Every query made, in batches.

    Attributes
    ----------
    patterns, values, groups
        Of each batch: its rows' patterns, values, and the groups of rows that share draws.
    drawn
        Whether a batch's rows are draws of D, each in a group of its own.
    held
        Batches of such rows that chose nothing: neither candidates nor what passed the test.
    offset
        What is subtracted from the values, (B, n) patterns -> (B,), if anything.
    draw
        Draws k rows of D, if not the problem's own `Problem.sample`.
    most
        How many rows to ask at most, if not all that remain.
    noise, noise_freedom
        Variance of a value asked twice, 0 where none was, and its degrees of freedom.
    fitted, own
        Rows of the last fit, and its coefficients that come from held rows alone.
    """

    problem: Problem
    patterns: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    groups: list[Tensor] = field(default_factory=list)
    drawn: list[bool] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    next_group: int = 0
    offset: Callable[[Tensor], Tensor] | None = None
    draw: Callable[[int], Tensor] | None = None
    most: int | None = None
    noise: float = 0.0
    noise_freedom: int = 1
    fitted: int = 0
    own: int = 0

    @property
    def remaining(self) -> int:
        """Rows that may still be asked."""
        left = self.problem.remaining
        return left if self.most is None else min(left, self.most - sum(map(len, self.values)))

    def sample(self, k: int) -> Tensor:
        """Draw ``k`` rows of D to make queries of."""
        return self.problem.sample(k) if self.draw is None else self.draw(k)

    def ask(self, x: Tensor, groups: int, *, first: int | None = None) -> Tensor:
        """Evaluate ``x``, whose rows form ``groups`` equal runs that share draws.

        Groups are new, or with ``first`` continue those numbered from it on.
        """
        run = torch.arange(groups).repeat_interleave(len(x) // groups)
        run += self.next_group if first is None else first
        self.next_group += groups if first is None else 0
        return self.ask_in(x, run)

    def ask_in(self, x: Tensor, groups: Tensor, *, drawn: bool = False) -> Tensor:
        """Evaluate ``x``, each row in an earlier group of its own."""
        values, pattern = self.problem.value(x), self.problem.pattern(x)
        if self.offset is not None:
            values = values - self.offset(pattern)
        self.patterns.append(pattern)
        self.values.append(values)
        self.groups.append(groups)
        self.drawn.append(drawn)
        return values

    def ask_drawn(self, x: Tensor) -> Tensor:
        """Evaluate ``x``, whose rows are draws of D."""
        groups = self.next_group + torch.arange(len(x))
        self.next_group += len(x)
        return self.ask_in(x, groups, drawn=True)

    def hold(self, x: Tensor) -> Tensor:
        """Evaluate ``x``, draws of D that are to choose nothing."""
        self.held.append(len(self.values))
        return self.ask_drawn(x)

    def fit(self, subsets: list[Subset], *, draws: bool = False) -> Fit:
        """Joint least squares under D, in which no coefficient is flattered by having been chosen.

        On every query if D is uniform, since mixtures of its draws are draws of it too, else on
        draws of D. Being chosen favours estimates that err away from zero. Of coefficients
        many standard errors from zero that is no matter; those that are not get the estimate
        and error of the rows held back, if there are enough of these. With ``draws`` only draws
        count even if D is uniform: rows that were chosen so that coefficients add up in few ways
        put the same unknown ones into an estimate each time, and so show no error.
        """
        uniform = self.problem.uniform and not draws
        batches = [i for i, drawn in enumerate(self.drawn) if drawn or uniform]
        if sum(len(self.values[i]) for i in batches) < ROWS_PER_CANDIDATE * (len(subsets) + 1):
            batches = list(range(len(self.values)))
        self.fitted, self.own = sum(len(self.values[i]) for i in batches), 0
        fit = self._on(batches, subsets)
        if sum(len(self.values[i]) for i in self.held) < LEAST_HELD + 4 * len(subsets):
            return fit
        clear = fit.coefficients.abs() > CLEAR_T * fit.errors
        own = self._on(self.held, subsets)
        self.own = int((~clear).sum())
        return Fit(
            torch.where(clear, fit.coefficients, own.coefficients),
            torch.where(clear, fit.errors, own.errors),
            torch.where(clear, fit.freedom, own.freedom),
        )

    def told(self, coefficients: dict[Subset, float]) -> dict[str, Any]:
        """What the rows held back tell of what ``coefficients``, of the last fit, leave."""
        pattern = torch.cat(
            [torch.zeros(0, self.problem.n), *(self.patterns[i] for i in self.held)]
        )
        values = torch.cat([torch.zeros(0), *(self.values[i] for i in self.held)]).double()
        others = len(coefficients) - self.own
        taken = self.own / max(len(values), 1) + others / max(self.fitted, len(values), 1)
        return told(
            pattern,
            values,
            coefficients,
            taken=taken if self.fitted else 0.0,
            noise=self.noise,
            freedom=self.noise_freedom,
        )

    def _on(self, batches: list[int], subsets: list[Subset]) -> Fit:
        pattern, values, groups = (
            torch.cat([kept[i] for i in batches])
            for kept in (self.patterns, self.values, self.groups)
        )
        return least_squares(pattern, values, subsets, groups)


def tested(queries: Queries, fresh: Tensor, candidates: list[Subset], fdr: float) -> list[Subset]:
    """Candidates whose coefficient is not zero, at false-discovery rate ``fdr``.

    Tested jointly on rows that played no part in choosing them.
    """
    if not len(fresh):
        return []
    values = queries.ask_drawn(fresh)
    pattern = queries.problem.pattern(fresh)
    candidates = linearly_independent(pattern, candidates[: len(fresh) // ROWS_PER_CANDIDATE])
    if not candidates:
        return []
    fit = least_squares(pattern, values, candidates)
    passed = discoveries(fit.p_values(), fdr)
    return [subset for subset, real in zip(candidates, passed, strict=True) if real]


def refitted(
    queries: Queries,
    subsets: list[Subset],
    tau: float | None,
    info: dict[str, Any],
    fit: Fit | None = None,
) -> Attribution:
    """Report ``subsets`` with the coefficients of a joint fit, those of at least ``tau``.

    ``info`` gets their intervals, or the reason why there are none, and what they leave
    unexplained. A ``fit`` that is given takes the place of the joint one.
    """
    n = queries.problem.n
    info.pop("warnings", None)
    if not subsets:
        info["reason"] = _why_nothing(queries, tau)
        info |= queries.told({})
        return Attribution.from_subsets({}, n=n, info=info)
    fit = queries.fit(subsets) if fit is None else fit
    halves = fit.half_widths()
    rows = list(zip(subsets, fit.coefficients.tolist(), halves.tolist(), strict=True))
    kept = [row for row in rows if tau is None or abs(row[1]) >= tau]
    kept.sort(key=lambda row: (-abs(row[1]), len(row[0]), row[0]))
    info["intervals_95"] = [[c - half, c + half] for _, c, half in kept]
    if not kept:
        info["reason"] = f"no |coefficient| reaches tau={tau}"
    info |= queries.told({s: c for s, c, _ in kept})
    return Attribution.from_subsets({s: c for s, c, _ in kept}, n=n, info=info)


def _why_nothing(queries: Queries, tau: float | None) -> str:
    """What the values asked for say of why no subset is reported."""
    if (why := no_spread(torch.cat(queries.values))) is not None:
        return why
    if tau is not None:
        return f"no coefficient of {tau:g} or more can be told from zero"
    return "no coefficient can be told from zero"


def no_spread(values: Tensor) -> str | None:
    """Why nothing can be told from values that hardly differ; None if they do."""
    values = values.double()
    spread, mean = float(values.std(correction=0)), float(values.mean())
    if not spread:
        return f"the function is constant: all {len(values):,} rows asked have the value {mean:g}"
    if spread < LEAST_SPREAD * abs(mean):
        return (
            f"the values differ by {spread:.2g} about a mean of {mean:.4g}, which is within "
            "single precision's rounding: subtract the mean first"
        )
    return None
