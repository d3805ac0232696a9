"""Draws of the uniform distribution -> all coefficients of low degree that stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from actspec_bench.methods.regressing.chance import chance_correlation
from actspec_bench.methods.regressing.columns import columns
from actspec_bench.methods.regressing.observed import fitted, nothing, observed
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import On

if TYPE_CHECKING:
    from actspec_bench.problems.problem import Problem

__all__ = ["low_degree"]

MOST = 1000


def low_degree(problem: Problem, *, order: int | None, on: On, level: float) -> Attribution:
    """See the method `low-degree` in `methods.regressions`."""
    seen = observed(problem, on)
    if seen.constant:
        return nothing(seen, {}, "", problem.n)
    over = columns(seen.pattern, seen.values, order)
    centred = seen.values - seen.values.mean()
    size = float(centred.square().mean().sqrt())
    bound = size * chance_correlation(len(over), seen.inputs, level)
    estimate = over.sums(centred).abs() / len(centred)
    passed = int((estimate > bound).sum())
    info = {**over.told, "threshold": bound}
    if not passed:
        return nothing(seen, info, f"no coefficient exceeds {bound:.3g}", problem.n)
    kept = min(passed, MOST, seen.most_columns)
    if kept < passed:
        info["warnings"] = [
            (
                f"{passed:,} coefficients exceed the threshold and the {kept:,} largest are "
                "reported: more draws tell more"
            )
        ]
    best = torch.argsort(estimate, descending=True, stable=True)[:kept]
    found = [over.subset(position) for position in best.tolist()]
    coefficients = fitted(seen, found).tolist()
    return Attribution.from_subsets(
        dict(zip(found, coefficients, strict=True)), n=problem.n, info={**seen.told, **info}
    )
