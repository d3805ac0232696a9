"""Chosen subsets and inputs that did not choose them -> attribution: test, measure, warn.

Many inputs, and those asked by doubt, are split once: four fifths chose, a fifth tests. Of at most
5,000 others all choose, and the choice is cross-validated: a subset has to come near being taken,
or be, without most of the five folds, and these together have to confirm it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.fourier.energy import Z_95, Estimate
from actspec_bench.methods.actspec import estimates
from actspec_bench.methods.actspec.inputs import FOLDS
from actspec_bench.methods.actspec.unexplained import LARGE, UNSEEN
from actspec_bench.problems.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actspec_bench.fourier import Subset
    from actspec_bench.methods.actspec.inputs import Inputs
    from actspec_bench.methods.actspec.pool import Pool
    from actspec_bench.methods.actspec.pursuit import Gram

__all__ = ["Chosen", "Trial", "reported"]

VAGUE = 0.1
FEW_INPUTS = 1000


@dataclass(frozen=True)
class Chosen:
    """Subsets in their order, best first.

    Attributes
    ----------
    subsets
        As taken and ranked.
    gram
        Inner products of all that came near being taken.
    pool
        What they were taken from.
    """

    subsets: list[Subset]
    gram: Gram
    pool: Pool

    def stand_ins(self, kept: Sequence[Subset]) -> list[list[Subset]]:
        """For each subset kept, those others that would do in its place."""
        place = {subset: i for i, subset in enumerate(self.gram.subsets)}
        taken = [place[subset] for subset in kept]
        every = [self.gram.stand_ins(taken[:k], i) for k, i in enumerate(taken)]
        return [[s for s in could if s not in kept] for could in every]


@dataclass(frozen=True, eq=False)
class Trial:
    """What the inputs outside one fold chose, for that fold to test.

    Attributes
    ----------
    inputs
        With the fold that tests.
    chosen
        Chosen without it.
    """

    inputs: Inputs
    chosen: Chosen

    def supported(self, count: int) -> int:
        """How many of so many subsets the inputs support, by those chosen without the fold."""
        return estimates.supported(self.inputs, self.chosen.subsets[:count], self.chosen.pool.tried)


def reported(
    trials: list[Trial],
    chosen: Chosen,
    tau: float | None,
    fdr: float,
    info: dict[str, Any],
    of_first: set[Subset],
) -> Attribution:
    """Report those of ``chosen`` that the trials confirm, of few inputs no more than they support.

    Subsets ``of_first`` were proposed by what the first trial's inputs that test took no part in.

    Intervals are at level 1 - 0.05 R / m for R reported of m that could have been (Benjamini &
    Yekutieli 2005, JASA 100:71): of one trial those that it tested, on the inputs that test; of
    several all that the search could have chosen, on all inputs.
    """
    first = trials[0].inputs
    alone = len(trials) == 1
    if alone:
        scores = estimates.statistics(first, chosen.subsets)
        passed, most = estimates.real(scores, chosen.subsets, fdr), len(scores)
    else:
        passed, most = _agreed(trials, chosen.subsets, fdr, of_first), chosen.pool.tried
    level = 1 - 0.05 * len(passed) / max(most, len(passed), 1)
    supported = median_low([trial.supported(len(passed)) for trial in trials])
    kept = passed[:supported] if first.asked < FEW_INPUTS else passed
    where = first if alone else first.testing(None)
    small: set[Subset] = set()
    if kept and tau is not None:
        large = estimates.joint(where, kept).coefficients.abs() >= tau
        small = {
            subset for subset, is_large in zip(kept, large.tolist(), strict=True) if not is_large
        }
        kept = [subset for subset in kept if subset not in small]
    share = _explained(trials[:1] if of_first & set(kept) else trials, kept, small)
    info["unexplained"] = None if share is None else _rest(share)
    info["warnings"] = [
        *_few_inputs(first.asked, chosen.pool.tried, len(kept), len(passed), supported),
        *_unexplained(first.asked, len(kept), share),
    ]
    n = first.problem.n
    if not kept:
        info["reason"] = _why_none(first, chosen.pool.tried, len(passed), tau)
        return Attribution.from_subsets({}, n=n, info=info)
    fit = estimates.joint(where, kept)
    halves = fit.half_widths(level).tolist()
    rows = list(zip(kept, fit.coefficients.tolist(), halves, strict=True))
    info["intervals_level"] = level
    info["intervals"] = [[c - half, c + half] for _, c, half in rows]
    info["stand_ins"] = [[list(s) for s in one] for one in chosen.stand_ins(kept)]
    return Attribution.from_subsets(
        {subset: c for subset, c, _ in rows},
        n=n,
        info=info,
        importance=dict(zip(kept, chosen.gram.sequential(kept), strict=True)),
    )


def _rest(share: Estimate) -> list[float]:
    return [1 - share.value, max(1 - share.high, 0.0), 1 - share.low]


def _agreed(
    trials: list[Trial], subsets: list[Subset], fdr: float, of_first: set[Subset]
) -> list[Subset]:
    """Subsets that came near being taken without most of the folds, and add something there.

    Those ``of_first`` had to come near without one: other folds' inputs took part in proposing
    them, so only where these came to them by themselves do they test them too.

    Scores of the folds are joined (Stouffer et al. 1949): each is from inputs that had no part in
    what came near, of which the subsets are chosen with a look at all inputs.
    """
    joined: dict[Subset, list[float]] = {subset: [] for subset in subsets}
    for trial in trials:
        near = set(trial.chosen.gram.subsets)
        known = [subset for subset in subsets if subset in near]
        scores = estimates.statistics(trial.inputs, known).tolist()
        for subset, score in zip(known, scores, strict=False):
            joined[subset].append(score)
    could = {s: 1 if s in of_first else len(trials) for s in subsets}
    most = [subset for subset in subsets if len(joined[subset]) > could[subset] / 2]
    scores = np.array([sum(joined[s]) / len(joined[s]) ** 0.5 for s in most])
    return estimates.real(scores, most, fdr, among=max(len(t.chosen.gram.subsets) for t in trials))


def _explained(trials: list[Trial], kept: list[Subset], small: set[Subset]) -> Estimate | None:
    """R^2 on inputs that chose nothing; None where their values are equal.

    Of as many subsets as are reported, the first that were chosen without the fold that scores,
    less those too ``small`` to report: those that passed the fold's own test would look better
    there. Of several trials the mean (cross-validation). Its variance is (1/k + 1/4) times that of
    a fold, since what chose is four times what scores and all but shared (Nadeau & Bengio 2003,
    Machine Learning 52:239), by the folds' own errors or their spread, the larger.
    """
    if not kept:
        return Estimate(0.0, 0.0, 0.0)
    own = [[s for s in t.chosen.subsets if s not in small][: len(kept)] for t in trials]
    shares = [
        estimates.explained(trial.inputs, subsets)[0]
        for trial, subsets in zip(trials, own, strict=True)
    ]
    shares = [share for share in shares if isfinite(share.value)]
    if not shares:
        return None
    values = np.array([share.value for share in shares])
    own_errors = np.array([(share.high - share.value) / Z_95 for share in shares])
    square, count = float(np.square(own_errors).mean()), len(values)
    if count > 1:
        square = max(square, float(values.var(ddof=1))) * (1 / count + 1 / (FOLDS - 1))
    error = square**0.5
    tested = sum(len(torch.unique(t.inputs.input[t.inputs.tested])) for t in trials)
    found = Estimate.normal(float(values.mean()), error)
    return replace(found, low=min(found.low, 1 - UNSEEN / tested))


def _few_inputs(inputs: int, tried: int, kept: int, passed: int, supported: int) -> list[str]:
    """Sentences that set the inputs against the subsets that they are asked to support."""
    if not kept and not passed and inputs < FEW_INPUTS:
        none = f"{inputs:,} inputs confirm none of the {tried:,} subsets that were looked at"
        return [f"{none}: more inputs may"]
    if supported >= passed:
        return []
    of = "that passed the test" if kept < passed else "reported"
    few = f"{inputs:,} inputs support {supported or 'none'} of the {passed} subsets {of}"
    return [f"{few}: the others explain much of these inputs, and might of fresh ones little"]


def _unexplained(inputs: int, kept: int, share: Estimate | None) -> list[str]:
    """Sentences on how much is left, and how little may be known of that."""
    who = f"the {kept} subsets reported leave" if kept > 1 else "the subset reported leaves"
    if not kept:
        return []
    if share is None:
        return [f"all inputs that tested have one value: what {who} cannot be told"]
    found = []
    if share.value < 1 - LARGE:
        found.append(
            f"{who} {100 * (1 - share.value):.0f}% of the variance unexplained: more rows may "
            "find more, or the function is no sum of few subsets"
        )
    if share.high - share.value > VAGUE * max(share.value, VAGUE):
        low, high = 100 * max(share.low, 0.0), 100 * min(share.high, 1.0)
        what = "the subsets explain" if kept > 1 else "the subset explains"
        found.append(
            f"{inputs:,} inputs say little of how much {what}: {low:.0f} to {high:.0f}% of the "
            "variance"
        )
    return found


def _why_none(inputs: Inputs, tried: int, passed: int, tau: float | None) -> str:
    searched, tested = (
        len(torch.unique(inputs.input[rows])) for rows in (inputs.searched, inputs.tested)
    )
    counts = (
        f"{tried:,} subsets were looked at on {searched:,} inputs and tested on {tested:,} others"
    )
    if passed and tau is not None:
        return f"no |coefficient| reaches tau={tau}: {counts}"
    if passed:
        return f"so few inputs support no subset: {counts}"
    return f"no coefficient can be told from zero: {counts}"
