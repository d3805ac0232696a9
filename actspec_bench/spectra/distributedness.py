"""Attribution and problem -> how distributed the function is over its units."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.energy import Energies, Estimate, energies
from actspec_bench.fourier.fewest import fewest_units
from actspec_bench.fourier.joint import JOINT_ORDER, cells_of, joint_effects, occupancy
from actspec_bench.problems.views import ScoringView
from actspec_bench.seeds import seed_from

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["Distributedness", "FewestUnits", "FoundSubset", "distributedness"]

DRAWS = 16_384
ROWS_PER_SUBSET = 4
RESAMPLES = 39
SHARE = 0.9


@dataclass(frozen=True)
class FewestUnits:
    """The fewest units within which lies a share of the energy found.

    Attributes
    ----------
    units
        Such a set of units (see `fourier.fewest.fewest_units`).
    low, high
        95% interval of their number: the least and the most of 39 resamples, of which one in
        forty lies below and one in forty above what another draw gives.
    exact
        Whether the search was finished; if not, fewer units may do.
    """

    units: Subset
    low: int
    high: int
    exact: bool


@dataclass(frozen=True)
class FoundSubset:
    """One reported subset; shares are of the function's variance under D.

    Attributes
    ----------
    units
        The subset.
    reported
        The method's own coefficient or score.
    coefficient
        The method's own with its interval where it tells one, else that of a joint
        least-squares fit on fresh draws. Where units depend on each other the two differ: a
        method that mixes rows fits the mixtures, and everything else here is about D.
    energy
        What the character adds to those of fewer units (and to stronger ones of as many).
    joint
        Joint effect, Var(E[f | p_S]): what is left of the variance when all other units are
        ablated, by resampling them from D, and only the states of S are kept.
    parts
        The most of it that a sum of functions of proper subsets of S achieves.
    beyond
        ``joint`` - ``parts``: what the units do only jointly.
    missing_because
        Why ``joint`` and what follows is None.
    """

    units: Subset
    reported: float
    coefficient: Estimate
    energy: float
    joint: Estimate | None = None
    parts: Estimate | None = None
    beyond: Estimate | None = None
    missing_because: str = ""


@dataclass(frozen=True)
class Distributedness:
    """How a function's variance is spread over orders, subsets and units.

    Attributes
    ----------
    n, draws
        Units of the problem, and fresh draws that all estimates are from.
    variance
        Variance of the function under D; None if it is constant.
    by_order
        Order -> share of the variance that the found subsets of so many units carry (under
        dependent units: add to those of fewer).
    found, unexplained
        Share of all found subsets, and the rest; they sum to 1.
    units_90
        The fewest units within which found subsets carry 90% of the energy *found*: of
        ``found`` times the variance, however little that is.
    subsets
        The found subsets, in the attribution's order.
    missing
        Name of an attribute -> why it is None.
    """

    n: int
    draws: int
    variance: float | None
    by_order: dict[int, Estimate]
    found: Estimate | None
    unexplained: Estimate | None
    units_90: FewestUnits | None
    subsets: tuple[FoundSubset, ...]
    missing: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def distributedness(
    attribution: Attribution, problem: Problem, *, draws: int = DRAWS, seed: int = 0
) -> Distributedness:
    """Tell how distributed ``problem`` is over the units of the subsets an attribution found.

    Everything is estimated on fresh draws of D that no method has seen, without the noise of a
    noisy problem and without touching its budget; a truth plays no part. Scores of single units
    count as subsets of one.

    Parameters
    ----------
    attribution
        What was found, by any method.
    problem
        The problem it is about.
    draws
        Rows to evaluate; of given rows alone, no more than were given. Only a quarter as many
        subsets as draws are looked at.
    seed
        Of the draws.

    Raises
    ------
    ValueError
        ``draws`` is less than 8, or a subset has units that the problem lacks.
    """
    if draws < 2 * ROWS_PER_SUBSET:
        raise ValueError(f"draws must be at least {2 * ROWS_PER_SUBSET}, not {draws}")
    largest = max((subset[-1] for subset in attribution.subsets), default=-1)
    if largest >= problem.n:
        raise ValueError(f"the attribution has unit {largest} and the problem {problem.n} units")
    view = ScoringView(problem, seed_from(seed, "distributedness"))
    if not view.any_pattern:
        draws = min(draws, max(len(view.foreground), 2 * ROWS_PER_SUBSET))
    x = view.sample(draws)
    pattern, values = view.pattern(x), view.value(x).double()
    looked_at = attribution.subsets[: draws // ROWS_PER_SUBSET]
    missing: dict[str, str] = {}
    if len(looked_at) < len(attribution.subsets):
        left_out = len(attribution.subsets) - len(looked_at)
        missing["subsets"] = f"the last {left_out:,} are too many for {draws:,} draws"
    if values.min() == values.max():
        why = (
            f"the function, without any noise of its queries, is constant: "
            f"all {draws:,} draws have the value {float(values[0]):g}"
        )
        missing |= dict.fromkeys(("variance", "found", "unexplained", "units_90"), why)
        if looked_at:
            missing["subsets"] = why
        return Distributedness(problem.n, draws, None, {}, None, None, None, (), missing)
    if not looked_at:
        why = f"no subset was found{_reason(attribution)}"
        missing |= dict.fromkeys(("found", "units_90"), why)
        nothing, variance = Estimate(1.0, 1.0, 1.0), float(values.var())
        return Distributedness(problem.n, draws, variance, {}, None, nothing, None, (), missing)
    rng = np.random.default_rng(seed_from(seed, "distributedness", "signs"))
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], (RESAMPLES, draws)))
    known = energies(pattern, values, looked_at, uniform=view.uniform, signs=signs)
    units_90 = _fewest(looked_at, known)
    if units_90 is None:
        missing["units_90"] = "the energy found cannot be told from zero"
    return Distributedness(
        problem.n,
        draws,
        known.variance,
        known.by_order,
        known.found,
        known.unexplained,
        units_90,
        tuple(_subsets(attribution, looked_at, known, view, pattern, values)),
        missing,
    )


def _reason(attribution: Attribution) -> str:
    why = attribution.info.get("reason")
    return f": {why}" if isinstance(why, str) else ""


def _fewest(subsets: tuple[Subset, ...], known: Energies) -> FewestUnits | None:
    if known.found.low <= 0:
        return None
    units, exact = fewest_units(subsets, known.of_subset.numpy(), SHARE)
    counts = [len(fewest_units(subsets, row, SHARE)[0]) for row in known.resampled.numpy()]
    return FewestUnits(units, min(counts), max(counts), exact)


def _subsets(
    attribution: Attribution,
    subsets: tuple[Subset, ...],
    known: Energies,
    view: ScoringView,
    pattern: Tensor,
    values: Tensor,
) -> list[FoundSubset]:
    """Coefficient, energy and joint effect of each subset."""
    joint = [subset for subset in subsets if len(subset) <= JOINT_ORDER]
    held = dict(zip(joint, occupancy(lambda k: view.pattern(view.sample(k)), joint), strict=True))
    centred = values - values.mean()
    told = _own_intervals(attribution)
    found = []
    for i, subset in enumerate(subsets):
        reported = float(attribution.coefficients[i])
        coefficient = known.coefficients[i] if told is None else Estimate(reported, *told[i])
        one = (subset, reported, coefficient, float(known.of_subset[i]))
        if subset not in held:
            why = f"the 2^{len(subset)} patterns of its units are too many for the draws"
            found.append(FoundSubset(*one, missing_because=why))
            continue
        cell = cells_of(pattern[:, list(subset)])
        shares, errors = joint_effects(cell, centred, held[subset])
        whole, parts, beyond = map(Estimate.normal, shares.tolist(), errors.tolist())
        if len(subset) == 1:
            why = "a single unit has no parts"
            found.append(FoundSubset(*one, joint=whole, missing_because=why))
        else:
            found.append(FoundSubset(*one, whole, parts, beyond))
    return found


def _own_intervals(attribution: Attribution) -> list[list[float]] | None:
    """The method's own 95% intervals, if it has one around each coefficient."""
    intervals = attribution.info.get("intervals_95")
    if not isinstance(intervals, list) or len(intervals) != len(attribution.subsets):
        return None
    pairs = zip(attribution.coefficients, intervals, strict=True)
    return intervals if all(low <= c <= high for c, (low, high) in pairs) else None
