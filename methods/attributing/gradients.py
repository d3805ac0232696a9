"""Problem -> contributions of units from gradients of the margin, on rows, paths and draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from actspec_bench.methods.attributing.adapter import (
    attributed,
    called,
    planned,
    rows_a_call,
    scored,
)
from actspec_bench.methods.attributing.backprop import rectifying
from actspec_bench.methods.attributing.network import after_layer
from actspec_bench.methods.attributing.relevance import Rule, propagating_relevance
from actspec_bench.problems.explaining import Aggregate, affordable_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["along_the_path", "expected", "on_rows", "relevance", "smoothed"]

# A gradient is one row forward and one backward.
GRADIENT_COST = 2
# Fewer steps are too coarse for networks; beyond the most, steps cost seconds to place.
LEAST_STEPS, MOST_STEPS = 8, 512
STEPS_OF_A_SAMPLE = 16
RANGE_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Explainer:
    """An explainer of Captum, the rows of budget that a row costs it, and its options."""

    of: Any
    cost: int = GRADIENT_COST
    options: dict[str, Any] = field(default_factory=dict)


def _explainer(problem: Problem, name: str) -> Explainer:
    from captum import attr

    if name == "saliency":
        return Explainer(attr.Saliency(problem.margin), options={"abs": False})
    if name == "input-x-gradient":
        return Explainer(attr.InputXGradient(problem.margin))
    if name == "guided-backprop":
        return Explainer(attr.GuidedBackprop(rectifying(problem)))
    if name == "deconvolution":
        return Explainer(attr.Deconvolution(rectifying(problem)))
    options = {"baselines": problem.baseline[None], "n_steps": STEPS_OF_A_SAMPLE}
    cost = GRADIENT_COST * STEPS_OF_A_SAMPLE
    return Explainer(attr.IntegratedGradients(problem.margin), cost, options)


def on_rows(problem: Problem, name: str, aggregate: Aggregate) -> Attribution:
    """Contributions from one gradient a row, by the explainer of this name."""
    explainer = _explainer(problem, name)
    rows = affordable_rows(problem, explainer.cost)
    return scored(attributed(problem, explainer.of, rows, **explainer.options), aggregate)


def relevance(problem: Problem, rule: Rule, gamma: float, aggregate: Aggregate) -> Attribution:
    """Layer-wise relevance of the margin."""
    from captum.attr import InputXGradient

    network = after_layer(problem, cost=GRADIENT_COST)
    explainer = InputXGradient(propagating_relevance(network, rule, gamma))
    rows = affordable_rows(problem, GRADIENT_COST)
    return scored(attributed(problem, explainer, rows), aggregate, rule=rule)


def along_the_path(
    problem: Problem, steps: int | None, aggregate: Aggregate, *, times_change: bool
) -> Attribution:
    """Mean gradient on the straight path from the baseline to each row, by Gauss and Legendre.

    Parameters
    ----------
    times_change
        Whether contributions are the mean gradient times what changes along the path
        (integrated gradients) or the mean gradient itself (internal influence).
    """
    from captum.attr import IntegratedGradients, InternalInfluence

    rows, affordable = planned(problem, cost=GRADIENT_COST, least=steps or LEAST_STEPS)
    points = min(affordable, steps or MOST_STEPS)
    explainer: Any = IntegratedGradients(problem.margin)
    if not times_change:
        entrance = _Entrance(problem.margin)
        explainer = InternalInfluence(entrance, entrance.layer)
    found = attributed(
        problem,
        explainer,
        rows,
        baselines=problem.baseline[None],
        n_steps=points,
        internal_batch_size=max(len(rows), rows_a_call(problem.n)),
    )
    return scored(found, aggregate, steps=points)


class _Entrance(nn.Module):
    """A function with the layer in front of it that its gradient is taken at."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(self.layer(x))


def expected(problem: Problem, samples: int, aggregate: Aggregate) -> Attribution:
    """Gradients at random points between each row and draws of D, times the change."""
    from captum.attr import GradientShap

    rows, draws = planned(problem, cost=GRADIENT_COST, least=samples)
    explainer = GradientShap(problem.margin)
    together = max(1, rows_a_call(problem.n) // len(rows))
    found = torch.zeros_like(rows)
    with called(problem):
        for start in range(0, draws, together):
            part = min(together, draws - start)
            baselines = problem.sample(part * len(rows))
            mean = explainer.attribute(rows, baselines=baselines, n_samples=part)
            found += part / draws * mean.detach()
    return scored(found, aggregate, samples=draws)


def smoothed(
    problem: Problem,
    name: str,
    kind: Literal["smoothgrad", "smoothgrad_sq", "vargrad"],
    noise: float,
    samples: int,
    aggregate: Aggregate,
) -> Attribution:
    """Contributions by an explainer, over normal noise on the rows."""
    from captum.attr import NoiseTunnel

    explainer = _explainer(problem, name)
    rows, draws = planned(
        problem, cost=explainer.cost, least=samples, fewest=2 if kind == "vargrad" else 1
    )
    seen = torch.cat([rows, problem.sample(RANGE_DRAWS)])
    deviation = noise * float(seen.max() - seen.min())
    together = max(1, rows_a_call(problem.n) * GRADIENT_COST // (explainer.cost * len(rows)))
    found = attributed(
        problem,
        NoiseTunnel(explainer.of),
        rows,
        nt_type=kind,
        nt_samples=draws,
        nt_samples_batch_size=together,
        stdevs=deviation,
        **explainer.options,
    )
    return scored(found, aggregate, samples=draws, deviation=deviation)
