"""Problem -> interaction index, estimated row by row by the library's estimators."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

import torch

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.playing import plans
from actspec_bench.methods.playing.games import row_game
from actspec_bench.methods.playing.library import (
    approximator,
    coefficients,
    need,
    one_job,
    one_thread,
    versions,
)
from actspec_bench.methods.playing.plans import Cost, Plan, interactions, planned
from actspec_bench.problems.attribution import Attribution
from actspec_bench.problems.explaining import (
    Aggregate,
    On,
    aggregated,
    explained,
    global_generators_seeded,
    spread_rows,
)

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["ESTIMATORS", "Estimator", "estimated", "over_rows"]

ROWS_A_CALL = 4096


@dataclass(frozen=True)
class Estimator:
    """One of the library's estimators.

    Attributes
    ----------
    name, index
        Its class in ``shapiq.approximator``, and the index that it is asked for.
    cost
        What it needs of n units and an order.
    lowest
        Smallest order that it estimates.
    trees
        Whether it fits boosted trees.
    """

    name: str
    index: str
    cost: Callable[[int, int], Cost]
    lowest: int = 1
    trees: bool = False


ESTIMATORS = {
    "kernelshap-iq": Estimator("KernelSHAPIQ", "SII", plans.kernelshap_iq),
    "regression-fsii": Estimator("RegressionFSII", "FSII", plans.regression),
    "regression-fbii": Estimator("RegressionFBII", "FBII", plans.regression),
    "svarm-iq": Estimator("SVARMIQ", "SII", plans.svarm_iq),
    "permutation-sii": Estimator("PermutationSamplingSII", "SII", plans.permutation_sii),
    "permutation-stii": Estimator(
        "PermutationSamplingSTII", "STII", plans.permutation_stii, lowest=2
    ),
    "proxyshap": Estimator("ProxySHAP", "SII", plans.proxyshap, trees=True),
}


def estimated(
    problem: Problem, name: str, *, order: int | None, on: On, aggregate: Aggregate
) -> Attribution:
    r"""Estimate an interaction index of the games of rows of the foreground.

    The game of a row x is :math:`v(T) = f(x_T, b_{\bar T})`, b the baseline. An interaction
    has the aggregate of its values in the rows explained, even if that is one row: as all
    interaction methods do, so that one index has the same sign in each of them.

    Parameters
    ----------
    name
        Key of `ESTIMATORS`.

    Raises
    ------
    Missing
        The library is not there, or is too old for this.
    NotApplicable
        There are too few units, or too few rows of budget, or the cost is too large.
    """
    estimator, n = ESTIMATORS[name], problem.n
    need(*(["lightgbm"] if estimator.trees else []))
    made = approximator(estimator.name)
    if order is None:
        order = plans.largest_order(estimator.cost, n, problem.remaining)
    order = min(order, n)
    if order < estimator.lowest:
        raise NotApplicable(f"{estimator.name} needs {estimator.lowest} units, and there is {n}")
    rows, budget = problem.foreground, problem.remaining
    plan = planned(estimator.name, estimator.cost, n, order, budget=budget, rows=len(rows))
    batch = estimator.cost(n, order).batch
    options = {"batch_size": max(1, ROWS_A_CALL // batch)} if batch else {}
    function, baseline = explained(problem, on), problem.baseline
    values: list[dict[Subset, float]] = []
    info: dict[str, Any] = {
        "order": order,
        "rows": plan.rows,
        "coalitions": plan.coalitions,
        "interactions": interactions(n, order),
        "packages": versions("shapiq"),
    }
    began = time.perf_counter()
    with global_generators_seeded(problem) as seed, one_thread():
        for number, row in enumerate(spread_rows(rows, plan.rows)):
            draw = (seed + number) % 2**31
            one = made(n=n, max_order=order, index=estimator.index, random_state=draw)
            if estimator.trees:
                info["trees"] = one_job(one)
            game = row_game(function, row, baseline)
            values.append(coefficients(one.approximate(plan.coalitions, game, **options)))
    info["seconds_warm"] = round(time.perf_counter() - began, 3)
    info["samples"] = budget - problem.remaining
    if doubt := _doubt(estimator, n, order, plan):
        info["warnings"] = [doubt]
    found = over_rows(values, aggregate)
    if not found:
        info["reason"] = "every interaction is zero: the games explained are constant"
    return Attribution.from_subsets(found, n=n, info=info)


def over_rows(values: list[dict[Subset, float]], aggregate: Aggregate) -> dict[Subset, float]:
    """Return the aggregate of the values of each interaction, 0 in a row that has none."""
    subsets = list(dict.fromkeys(subset for found in values for subset in found))
    if not subsets:
        return {}
    table = [[found.get(subset, 0.0) for subset in subsets] for found in values]
    scores = aggregated(torch.tensor(table, dtype=torch.float64), aggregate).tolist()
    return {subset: score for subset, score in zip(subsets, scores, strict=True) if score}


def _doubt(estimator: Estimator, n: int, order: int, plan: Plan) -> str:
    listed, batch = interactions(n, order), estimator.cost(n, order).batch
    if estimator.name == "PermutationSamplingSII" and batch:
        met, there = plan.coalitions // batch * (n - order + 1), comb(n, order)
        told = f"of {there:,} interactions of {order} units {met:,} at most were met in a row"
        return told if met < there else ""
    if batch or estimator.trees or plan.coalitions >= min(2 * listed, 2**n):
        return ""
    return f"{plan.coalitions:,} coalitions a row are few for {listed:,} interactions"
