"""Attributions and problem -> how distributed the function is over its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from actspec_bench.account import Account
from actspec_bench.fourier.energy import Energies, Estimate, energies
from actspec_bench.fourier.fewest import fewest_units
from actspec_bench.fourier.joint import JOINT_ORDER
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.views import ScoringView
from actspec_bench.seeds import seed_from
from actspec_bench.spectra.cautions import of_inputs, told_warnings
from actspec_bench.spectra.effects import interactions, on_off_effects
from actspec_bench.spectra.found import Distributedness, FewestUnits, FoundSubset
from actspec_bench.spectra.linear import all_single_units
from actspec_bench.spectra.runs import combined, seed_warnings, stability

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem
    from actspec_bench.problems.views import ScoredRows

__all__ = ["distributedness"]

DRAWS = 16_384
ROWS_PER_SUBSET = 4
# More take minutes, and the first have all but all of the energy.
MOST_SUBSETS = 512
RESAMPLES = 39
SHARE = 0.9


def distributedness(
    attribution: Attribution | Sequence[Attribution],
    problem: Problem,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    same_inputs: bool | None = None,
) -> Distributedness:
    """Tell how distributed ``problem`` is over the units of the subsets an attribution found.

    Everything is estimated on rows that no method has seen: the held-out inputs, each once, where
    the problem has any, or else fresh draws of D; without the noise of a noisy problem and
    without touching its budget. A truth plays no part. Scores of single units count as subsets
    of one.

    Parameters
    ----------
    attribution
        What was found, by any method; or what several runs of it found, with other seeds or on
        other samples of the inputs. Intervals of shares then hold the variance between the runs,
        and else only what the rows add that shares are estimated on.
    problem
        The problem it is about.
    draws
        Rows to evaluate; of held-out inputs, no more than there are. Only a quarter as many
        subsets as rows are looked at.
    seed
        Of the draws.
    same_inputs
        Whether several runs saw one data set, or bootstrap samples of it. If not given: where the
        problem's D is a data set.

    Raises
    ------
    ValueError
        ``draws`` is less than 8, no attribution is given, or a subset has units that the problem
        lacks.
    """
    runs = [attribution] if isinstance(attribution, Attribution) else list(attribution)
    _check(runs, problem, draws)
    view = ScoringView(problem, seed_from(seed, "distributedness"))
    scored = view.scored_rows(draws)
    values, rows = scored.values.double(), len(scored.rows)
    looked_at, missing = _looked_at(runs, scored)
    warnings = [*told_warnings(runs), *of_inputs(len(looked_at[0]), scored, len(runs))]
    nothing = Distributedness(
        n=problem.n,
        draws=rows,
        of=scored.of,
        runs=len(runs),
        variance=None,
        decomposition="orthonormal characters" if view.uniform else "sequential, under D",
        by_order={},
        found=None,
        unexplained=None,
        by_order_of_run=(),
        single_units=None,
        units_90=None,
        subsets=(),
        warnings=tuple(warnings),
        missing=missing,
    )
    if rows < 2 * ROWS_PER_SUBSET:
        why = f"{rows} {scored.of} are too few to estimate on: at least 8 are needed"
        missing |= dict.fromkeys(("variance", "found", "unexplained", "units_90", "subsets"), why)
        return nothing
    if values.min() == values.max():
        why = (
            f"the function, without any noise of its queries, is constant: "
            f"all {rows:,} {scored.of} have the value {float(values[0]):g}"
        )
        missing |= dict.fromkeys(("variance", "found", "unexplained", "units_90"), why)
        if looked_at[0]:
            missing["subsets"] = why
        return nothing
    nothing = replace(nothing, single_units=all_single_units(view, scored))
    if not any(looked_at):
        why = f"no subset was found{_reason(runs[0])}"
        missing |= dict.fromkeys(("found", "units_90"), why)
        rest = Estimate(1.0, 1.0, 1.0)
        return replace(nothing, variance=float(values.var()), unexplained=rest)
    pattern = view.pattern(scored.rows)
    known = _energies(looked_at, pattern, values, uniform=view.uniform, seed=seed)
    if same_inputs is None:
        same_inputs = problem.rows is not None
    by_order, found, unexplained = combined(known, same_inputs=same_inputs)
    of_run = tuple({} if run is None else run.by_order for run in known) if len(runs) > 1 else ()
    units_90 = _fewest(looked_at, known)
    if units_90 is None:
        missing["units_90"] = "the energy found cannot be told from zero"
    subsets: tuple[FoundSubset, ...] = ()
    if known[0] is None:
        missing["subsets"] = f"the first run found no subset{_reason(runs[0])}"
    else:
        subsets = tuple(_subsets(runs, looked_at, known[0], view, scored, seed))
    return replace(
        nothing,
        variance=next(run.variance for run in known if run is not None),
        by_order=by_order,
        found=found,
        unexplained=unexplained,
        by_order_of_run=of_run,
        units_90=units_90,
        subsets=subsets,
        warnings=(*warnings, *seed_warnings(of_run)),
    )


def _check(runs: Sequence[Attribution], problem: Problem, draws: int) -> None:
    if draws < 2 * ROWS_PER_SUBSET:
        raise ValueError(f"draws must be at least {2 * ROWS_PER_SUBSET}, not {draws}")
    if not runs:
        raise ValueError("no attribution was given: give one, or one of each run")
    largest = max((subset[-1] for run in runs for subset in run.subsets), default=-1)
    if largest >= problem.n:
        raise ValueError(f"the attribution has unit {largest} and the problem {problem.n} units")


def _looked_at(
    runs: Sequence[Attribution], scored: ScoredRows
) -> tuple[list[tuple[Subset, ...]], dict[str, str]]:
    """Each run's first subsets, as many as can be told of so many rows, and which are left."""
    rows = len(scored.rows)
    most = min(rows // ROWS_PER_SUBSET, MOST_SUBSETS)
    left_out = len(runs[0].subsets) - most
    why = f"the last {left_out:,} are too many for {rows:,} {scored.of}"
    if most == MOST_SUBSETS:
        why = (
            f"the first {most:,} are looked at: what the last {left_out:,} carry is among what "
            "was not found"
        )
    return [run.subsets[:most] for run in runs], {"subsets": why} if left_out > 0 else {}


def _reason(attribution: Attribution) -> str:
    why = _account(attribution).reason
    return f": {why}" if why else ""


def _energies(
    runs: Sequence[tuple[Subset, ...]],
    pattern: Float[Tensor, "rows n"],
    values: Float[Tensor, " rows"],
    *,
    uniform: bool,
    seed: int,
) -> list[Energies | None]:
    """Energies of what each run found, on the same rows; None where it found nothing."""
    known: dict[tuple[Subset, ...], Energies | None] = dict.fromkeys(runs)
    each = -(-RESAMPLES // len(known))
    for number, subsets in enumerate(known):
        rng = np.random.default_rng(seed_from(seed, "distributedness", "signs", number))
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], (each, len(values))))
        if subsets:
            known[subsets] = energies(pattern, values, subsets, uniform=uniform, signs=signs)
    return [known[subsets] for subsets in runs]


def _fewest(
    runs: Sequence[tuple[Subset, ...]], known: Sequence[Energies | None]
) -> FewestUnits | None:
    first = known[0]
    if first is None or first.found.low <= 0:
        return None
    units, exact = fewest_units(runs[0], first.of_subset.numpy(), SHARE)
    counts = [
        len(fewest_units(subsets, row, SHARE)[0])
        for subsets, run in zip(runs, known, strict=True)
        if run is not None and run.found.low > 0
        for row in run.resampled.numpy()
    ]
    return FewestUnits(units, min(counts), max(counts), exact)


def _subsets(
    runs: Sequence[Attribution],
    looked_at: Sequence[tuple[Subset, ...]],
    known: Energies,
    view: ScoringView,
    scored: ScoredRows,
    seed: int,
) -> list[FoundSubset]:
    """Coefficient, energy, effects and stability of each subset of the first run."""
    first, subsets = runs[0], looked_at[0]
    generator = torch.Generator().manual_seed(seed_from(seed, "distributedness", "pairs"))
    effects = on_off_effects(subsets, view, scored)
    acting = interactions(subsets, view, scored, generator)
    stable: list[tuple[int | None, int | None]] = [(None, None)] * len(subsets)
    if len(runs) > 1:
        stable = [*stability(view.pattern(scored.rows), looked_at)]
    account = _account(first)
    told = () if scored.of == "held-out inputs" else _own_intervals(first, account)
    found = []
    for i, subset in enumerate(subsets):
        reported = float(first.coefficients[i])
        coefficient = Estimate(reported, *told[i]) if told else known.coefficients[i]
        whole, parts, beyond = effects.get(subset, (None, None, None))
        why = ""
        if whole is None:
            why = f"the 2^{len(subset)} patterns of its units are too many for the "
            why += "draws" if len(subset) > JOINT_ORDER else f"{len(scored.rows):,} {scored.of}"
        elif len(subset) == 1:
            parts, beyond, why = None, None, "a single unit has no parts"
        of_value, of_margin, no_interaction = acting[subset]
        found.append(
            FoundSubset(
                subset,
                reported,
                coefficient,
                float(known.of_subset[i]),
                whole,
                parts,
                beyond,
                of_value,
                of_margin,
                account.stand_ins[i] if account.stand_ins else (),
                *stable[i],
                missing_because=why,
                no_interaction_because=no_interaction,
            )
        )
    return found


def _own_intervals(attribution: Attribution, account: Account) -> Sequence[tuple[float, float]]:
    """The method's own 95% intervals, if it has one around each coefficient."""
    pairs = zip(attribution.coefficients, account.intervals_95, strict=False)
    return account.intervals_95 if all(low <= c <= high for c, (low, high) in pairs) else ()


def _account(attribution: Attribution) -> Account:
    return Account.of(attribution.info, len(attribution.subsets))
