"""Several runs of a search -> what they have in common, and what another would tell otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.fourier.energy import Estimate, over_runs
from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.fourier.energy import Energies

__all__ = ["NONE", "combined", "seed_warnings", "stability"]

NONE = Estimate(0.0, 0.0, 0.0)
ALL = Estimate(1.0, 1.0, 1.0)
ALIKE = 0.9
LEAST_APART = 0.005
CHUNK = 256


def combined(
    runs: Sequence[Energies | None], *, same_inputs: bool
) -> tuple[dict[int, Estimate], Estimate, Estimate]:
    """Shares over runs by order, of all found subsets, and of none; None is a run without any."""
    orders = sorted({order for run in runs if run is not None for order in run.by_order})
    by_order = {
        order: _share(
            over_runs(
                [NONE if run is None else run.by_order.get(order, NONE) for run in runs],
                same_inputs=same_inputs,
            )
        )
        for order in orders
    }
    found = [NONE if run is None else run.found for run in runs]
    rest = [ALL if run is None else run.unexplained for run in runs]
    return (
        by_order,
        _share(over_runs(found, same_inputs=same_inputs)),
        _share(over_runs(rest, same_inputs=same_inputs)),
    )


def _share(told: Estimate) -> Estimate:
    """An interval less what no share of a variance can be; its estimate stays within."""
    low, high = max(told.low, min(told.value, 0.0)), min(told.high, max(told.value, 1.0))
    return Estimate(told.value, low, high)


def seed_warnings(by_order: Sequence[dict[int, Estimate]]) -> list[str]:
    """Sentences on orders whose shares differ between runs by more than the interval of one.

    Half a percent of the variance is never worth a sentence.
    """
    told = []
    for order in sorted({order for run in by_order for order in run}):
        shares = [run.get(order, NONE) for run in by_order]
        values = [share.value for share in shares]
        apart = max(values) - min(values)
        wide = sum(share.high - share.low for share in shares) / len(shares)
        if apart > max(wide, LEAST_APART):
            listed = " / ".join(f"{100 * value:z.1f}" for value in values)
            told.append(
                f"order {order} would change with the seed: its subsets carry {listed}% of the "
                f"variance in the {len(shares)} runs, where one run alone would tell "
                f"+-{50 * wide:.1f}"
            )
    return told


def stability(
    pattern: Float[Tensor, "rows n"], runs: Sequence[Sequence[Subset]]
) -> list[tuple[int, int]]:
    """In how many runs each subset of the first was found: exactly, and up to stand-ins.

    A subset stands for another if their characters correlate by at least 0.9, either way, over
    ``pattern``.
    """
    first, others = runs[0], runs[1:]
    exact, alike = [1] * len(first), [1] * len(first)
    for other in others:
        there = set(other)
        missed = [i for i, subset in enumerate(first) if subset not in there]
        for i in set(range(len(first))) - set(missed):
            exact[i] += 1
            alike[i] += 1
        best = _best_correlation(pattern, [first[i] for i in missed], list(other))
        for i, correlation in zip(missed, best.tolist(), strict=True):
            alike[i] += correlation >= ALIKE
    return list(zip(exact, alike, strict=True))


def _best_correlation(
    pattern: Float[Tensor, "rows n"], subsets: list[Subset], others: list[Subset]
) -> Float[Tensor, " subsets"]:
    best = torch.zeros(len(subsets))
    if not subsets or not others:
        return best
    for i in range(0, len(subsets), CHUNK):
        mine = _standardised(pattern, subsets[i : i + CHUNK])
        for j in range(0, len(others), CHUNK):
            theirs = _standardised(pattern, others[j : j + CHUNK])
            there = (mine.T @ theirs).abs().amax(1)
            best[i : i + CHUNK] = torch.maximum(best[i : i + CHUNK], there)
    return best


def _standardised(
    pattern: Float[Tensor, "rows n"], subsets: list[Subset]
) -> Float[Tensor, "rows subsets"]:
    chi = characters(pattern, membership(subsets, pattern.shape[1]))
    chi = chi - chi.mean(0)
    lengths = chi.norm(dim=0)
    return chi / torch.where(lengths > 0, lengths, 1.0)
