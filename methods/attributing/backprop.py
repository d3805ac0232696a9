"""Network after a layer -> contributions of its units, by rules for its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.attributing.adapter import (
    attributed,
    called,
    planned,
    rows_a_call,
    scored,
)
from actspec_bench.methods.attributing.network import AfterLayer, after_layer
from actspec_bench.problems.explaining import Aggregate, affordable_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["deeplift", "deeplift_shap", "gap", "rectifying"]

# A pair of a row and a baseline: two rows forward, two backward.
PAIR_COST = 4
LARGEST_GAP = 0.05
ROUNDING = 1e-6
RECTIFIERS = {"relu", "relu_", "relu6", "threshold", "clamp", "clamp_", "clamp_min", "clamp_min_"}


def rectifying(problem: Problem) -> AfterLayer:
    """Return the network after the layer if its rectifiers can be hooked; costs one row.

    Raises
    ------
    NotApplicable
        It has no nn.ReLU, so that changing the gradients of those changes nothing; or it
        rectifies outside of them, or runs one twice, which Captum's hooks do not see.
    """
    network = after_layer(problem, cost=2)
    rectifiers = [module for module in network.way.runs if isinstance(module, nn.ReLU)]
    _refuse_unseen(network, rectifiers)
    if not rectifiers:
        raise NotApplicable(
            "the network after the layer has no nn.ReLU, so that this would be the plain gradient"
        )
    return network


def deeplift(problem: Problem, aggregate: Aggregate) -> Attribution:
    """Contributions of DeepLIFT against the baseline."""
    from captum.attr import DeepLift

    network = _complete(problem)
    rows = affordable_rows(problem, PAIR_COST)
    baselines = problem.baseline.expand(len(rows), -1)
    found = attributed(problem, DeepLift(network), rows, baselines=baselines)
    return scored(found, aggregate, gap=_checked(found, _change(network, len(rows))))


def deeplift_shap(problem: Problem, baselines: int, aggregate: Aggregate) -> Attribution:
    """Mean contributions of DeepLIFT against draws of D, the same for all rows."""
    from captum.attr import DeepLiftShap

    network = _complete(problem)
    rows, draws = planned(problem, cost=PAIR_COST, least=baselines, fewest=2)
    found = torch.zeros_like(rows)
    change = torch.zeros(len(rows))
    explainer = DeepLiftShap(network)
    with called(problem):
        for part in _parts(draws, rows_a_call(problem.n) // len(rows)):
            mean = explainer.attribute(rows, baselines=problem.sample(part)).detach()
            found += part / draws * mean
            change += part / draws * _change(network, len(rows))
    return scored(found, aggregate, baselines=draws, gap=_checked(found, change))


def _parts(whole: int, size: int) -> list[int]:
    """Near-equal parts of 2 or more, since Captum takes no single baseline."""
    count = max(1, min(whole // 2, -(-whole // max(size, 2))))
    return [whole // count + (part < whole % count) for part in range(count)]


def _complete(problem: Problem) -> AfterLayer:
    """Return the network after the layer if DeepLIFT can hook its nonlinear modules."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    network = after_layer(problem, cost=PAIR_COST)
    _refuse_unseen(network, [m for m in network.way.runs if type(m) in SUPPORTED_NON_LINEAR])
    return network


def _refuse_unseen(network: AfterLayer, hooked: Sequence[nn.Module]) -> None:
    """Refuse rectifiers that are not among the hooked modules, and any of these that runs twice."""
    way = network.way
    for call in way.calls:
        if call.function in RECTIFIERS and call.inside not in hooked:
            raise NotApplicable(
                f"the network rectifies by {call.function}() in {way.named(call.inside)}, which "
                "cannot be hooked: use nn.ReLU modules"
            )
    for module in hooked:
        if way.runs[module] > 1:
            raise NotApplicable(
                f"module {way.named(module)} runs {way.runs[module]} times in a pass, of which its "
                "hooks tell only one: use one module a run"
            )


def _change(network: AfterLayer, rows: int) -> Float[Tensor, " rows"]:
    """f(row) less the mean of f over its baselines, from the pass that was just made."""
    own, blank = network.latest.flatten().chunk(2)
    return (own - blank).view(rows, -1).mean(1)


def gap(contributions: Float[Tensor, "rows n"], change: Float[Tensor, " rows"]) -> float:
    r"""How far contributions are from complete, relative to the change that they explain.

    .. math:: \frac{\mathrm{median}_r |\sum_i c_{ri} - \Delta_r|}{\mathrm{median}_r |\Delta_r|},

    where completeness (Shrikumar, Greenside & Kundaje 2017, equation 1) asks for 0.
    """
    off = (contributions.sum(1) - change).abs().median()
    return float(off / change.abs().median().clamp(min=ROUNDING))


def _checked(contributions: Tensor, change: Tensor) -> float:
    found = gap(contributions, change)
    if not found <= LARGEST_GAP:
        raise NotApplicable(
            f"contributions miss the change of the margin by {found:.0%} in the median row, so "
            "the network has steps that DeepLIFT's rules do not cover"
        )
    return found
