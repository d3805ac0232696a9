"""Rows of D -> clusters of units that vary together, and what each does when ablated whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.interacting.reporting import enough, reported
from actspec_bench.problems.explaining import (
    Aggregate,
    On,
    aggregated,
    explained,
    spread_rows,
)

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray
    from torch import Tensor

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["ablate_groups", "clusters"]

DRAWS = 8192
BATCH_ROWS = 8192
# Correlations of so many independent draws stay below this, up to about 10^6 pairs.
NOISE = 5.0
INDEPENDENT = (
    "units are independent fair coins under D, so that no clustering by correlation groups them"
)


def clusters(rows: Float[ndarray, "rows n"], cuts: Sequence[float]) -> list[list[Subset]]:
    """Clusters of units whose average absolute correlation is at least each cut.

    Agglomerative clustering with average linkage (Sokal & Michener 1958, scipy) on the distance
    1 - |r|. A unit that never changes correlates with none, and is a cluster of its own.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if rows.shape[1] < 2:
        return [[(0,)] for _ in cuts]
    centred = rows - rows.mean(0)
    length = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    distance = np.clip(1 - np.abs(scaled.T @ scaled), 0, 1)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    labels = [fcluster(tree, 1 - cut, "distance") for cut in cuts]
    return [
        sorted(tuple(np.flatnonzero(label == one).tolist()) for one in np.unique(label))
        for label in labels
    ]


def _groups(problem: Problem, cuts: tuple[float, ...]) -> dict[Subset, float]:
    """Distinct clusters at the cuts, each with the lowest cut at which it stands.

    Where the budget has no room for those of all cuts, those of the highest are left out.
    """
    seen = problem.rows
    rows = problem.sample(DRAWS) if seen is None or len(seen) > DRAWS else seen
    least = NOISE / len(rows) ** 0.5
    ascending = sorted({max(cut, least) for cut in cuts})
    found: dict[Subset, float] = {}
    for cut, clustered in zip(ascending, clusters(rows.double().numpy(), ascending), strict=True):
        more = {group: cut for group in clustered if len(group) < problem.n}
        if found and len(found | more) + 1 > problem.remaining:
            break
        found = more | found
    if not any(len(group) > 1 for group in found):
        raise NotApplicable(
            f"no units correlate by {ascending[0]:.2g} on average, or all of them do at every cut, "
            "so that there are no groups to compare"
        )
    return found


def ablate_groups(
    problem: Problem, *, cuts: tuple[float, ...], on: On, aggregate: Aggregate
) -> Attribution:
    """See the method `group-ablation` in `methods.interactions`."""
    if problem.uniform:
        raise NotApplicable(INDEPENDENT)
    groups = _groups(problem, cuts)
    enough(problem, len(groups) + 1, f"ablating each of {len(groups):,} groups in one row")
    rows = spread_rows(problem.foreground, problem.remaining // (len(groups) + 1))
    held = torch.zeros(len(groups) + 1, problem.n, dtype=torch.bool)
    for mask, group in zip(held[1:], groups, strict=True):
        mask[list(group)] = True
    f, baseline = explained(problem, on), problem.baseline
    at_once = max(1, BATCH_ROWS // len(held))
    effects: list[Tensor] = []
    for part in torch.split(rows, at_once):
        x = torch.where(held[None], baseline, part[:, None])
        values = f(x.reshape(-1, problem.n)).detach().double().reshape(len(part), -1)
        effects.append(values[:, :1] - values[:, 1:])
    info: dict[str, Any] = {
        "rows": len(rows),
        "groups": sum(len(group) > 1 for group in groups),
        "cuts": [round(cut, 4) for cut in sorted(set(groups.values()))],
    }
    return reported(groups, aggregated(torch.cat(effects), aggregate).tolist(), problem, info)
