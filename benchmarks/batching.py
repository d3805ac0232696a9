"""Perturbation methods against Captum called with its defaults: ``python -m benchmarks.batching``.

Captum evaluates one perturbation at a time unless it is told otherwise. Both sides do the same work
on the same rows, in turns: digits-hidden, its 64 units drawn 8 x 8 where a method needs a layout,
and a network of 6 units where Captum goes through all orders. Prints milliseconds, how many times
faster the methods here are, and whether the scores are equal, or how they correlate where both
sides draw samples of their own.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, Any

import captum.attr
import click
import torch
from captum._utils.models.linear_model import SkLearnRidge
from tabulate import tabulate

from actspec_bench import Attribution, Problem, attribute
from actspec_bench.problems.explaining import global_generators_seeded, spread_rows
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import ScoringView, restarted
from benchmarks.command import package_version
from benchmarks.instances import FIRST_SEED, instance_of

if TYPE_CHECKING:
    from torch import Tensor

    Direct = Callable[[Problem, dict[str, Any]], Tensor]

AIM = 3.0
EQUAL = 1e-5
FEW_UNITS = 6
HEADER = (
    "method",
    "units",
    "rows asked",
    "Captum ms",
    "here ms",
    "times faster",
    "least",
    "most",
    f"aim {AIM:g}",
    "scores",
)


@lru_cache
def digits() -> Problem:
    """Return the problem that most methods are timed on."""
    return instance_of("digits-hidden", FIRST_SEED).problem


@lru_cache
def drawn() -> Problem:
    """Return the same with its units drawn 8 x 8."""
    view = ScoringView(digits(), 0)
    assert view.rows is not None
    return Problem(
        interchange(
            view.margin,
            view.rows,
            readout="decision",
            foreground=view.foreground,
            layout=(8, 8),
        )
    )


@lru_cache
def few() -> Problem:
    """Return a network of so few units that all orders of them can be gone through."""
    hidden, last = torch.randn(
        2, 32, FEW_UNITS, generator=torch.Generator().manual_seed(FIRST_SEED)
    )
    return Problem.from_function(lambda x: torch.relu(x @ hidden.T) @ last[:, 0], FEW_UNITS)


def ablation(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's FeatureAblation."""
    rows, baseline = _explained(problem, info)
    found: Tensor = captum.attr.FeatureAblation(problem.margin).attribute(rows, baselines=baseline)
    return found


def permutation(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's FeaturePermutation of as many draws."""
    draws = problem.sample(info["rows"])
    found: Tensor = captum.attr.FeaturePermutation(problem.margin).attribute(draws)
    return found


def occlusion(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's Occlusion with the same window."""
    rows, baseline = _explained(problem, info)
    layout = problem.layout
    assert layout is not None
    explainer = captum.attr.Occlusion(lambda x: problem.margin(x.flatten(1)))
    found: Tensor = explainer.attribute(
        rows.reshape(-1, *layout),
        sliding_window_shapes=tuple(info["window"]),
        baselines=baseline.reshape(1, *layout),
    )
    return found.flatten(1)


def sampling(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's ShapleyValueSampling with as many permutations."""
    rows, baseline = _explained(problem, info)
    explainer = captum.attr.ShapleyValueSampling(problem.margin)
    found: Tensor = explainer.attribute(rows, baselines=baseline, n_samples=info["permutations"])
    return found


def orders(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's ShapleyValues, over all orders."""
    rows, baseline = _explained(problem, info)
    found: Tensor = captum.attr.ShapleyValues(problem.margin).attribute(rows, baselines=baseline)
    return found


def kernel(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's KernelShap with as many coalitions of its own."""
    rows, baseline = _explained(problem, info)
    explainer = captum.attr.KernelShap(problem.margin)
    found: Tensor = explainer.attribute(rows, baselines=baseline, n_samples=info["samples"] + 2)
    return found


def lime(problem: Problem, info: dict[str, Any]) -> Tensor:
    """Captum's Lime with as many samples of its own, the same kernel and ridge regression."""
    rows, baseline = _explained(problem, info)

    def similarity(_row: Tensor, _perturbed: Tensor, on: Tensor, **_: Any) -> Tensor:
        return (-(1 - on).sum() / (2 * 0.75**2 * problem.n)).exp()

    explainer = captum.attr.Lime(problem.margin, SkLearnRidge(alpha=1.0), similarity)
    found: Tensor = explainer.attribute(rows, baselines=baseline, n_samples=info["samples"])
    return found


def _explained(problem: Problem, info: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return spread_rows(problem.foreground, info["rows"]), problem.baseline[None]


CALLS: dict[str, tuple[Callable[[], Problem], Direct]] = {
    "feature-ablation": (digits, ablation),
    "feature-permutation": (digits, permutation),
    "occlusion": (drawn, occlusion),
    "shapley-sampling": (digits, sampling),
    "shapley-values": (few, orders),
    "kernel-shap": (digits, kernel),
    "lime": (digits, lime),
}


@dataclass(frozen=True)
class Turn:
    """Seconds of both sides on the same work, what was asked for it here, and both's scores."""

    captum: float
    here: float
    rows: int
    scores: tuple[Tensor, Tensor]


def turn(name: str, budget: int, seed: int) -> Turn:
    """Run a method and Captum's with its defaults, one after the other, from the same seed."""
    made, direct = CALLS[name]
    own = restarted(made(), budget=budget, seed=seed)
    began = time.perf_counter()
    found: Attribution = attribute(name, own)
    here = time.perf_counter() - began
    other = restarted(made(), budget=2**40, seed=seed)
    with warnings.catch_warnings(), global_generators_seeded(other):
        warnings.filterwarnings("ignore", module="captum")
        began = time.perf_counter()
        theirs = direct(other, found.info).abs().mean(0)
        seconds = time.perf_counter() - began
    scores = (torch.from_numpy(found.units(own.n)), theirs.detach().double())
    return Turn(seconds, here, sum(own.spent.values()), scores)


def agreement(one: Tensor, other: Tensor) -> str:
    """Whether scores are equal up to rounding, or how they correlate over units."""
    if float((one - other).abs().max()) <= EQUAL * float(other.abs().max()):
        return "equal"
    return f"r = {float(torch.corrcoef(torch.stack([one, other]))[0, 1]):.3f}"


def row(name: str, turns: list[Turn]) -> list[str]:
    """What the turns of one method tell, under `HEADER`."""
    faster = [one.captum / one.here for one in turns]
    return [
        name,
        str(len(turns[0].scores[0])),
        f"{turns[0].rows:,}",
        f"{1000 * median(one.captum for one in turns):,.1f}",
        f"{1000 * median(one.here for one in turns):,.1f}",
        f"{median(faster):.1f}",
        f"{min(faster):.1f}",
        f"{max(faster):.1f}",
        "reached" if median(faster) >= AIM else "missed",
        agreement(*turns[-1].scores),
    ]


@click.command()
@click.option("--methods", "-m", multiple=True, default=tuple(CALLS), type=click.Choice([*CALLS]))
@click.option("--budget", "-b", type=click.IntRange(200), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="A budget of 2,000 and 3 rounds.")
def main(methods: tuple[str, ...], budget: int, rounds: int, *, quick: bool) -> None:
    """Time every perturbation method beside Captum's defaults, in interleaved rounds."""
    torch.set_num_threads(1)
    if quick:
        budget, rounds = 2000, 3
    for name in methods:
        turn(name, budget, 0)
    turns = [{name: turn(name, budget, seed) for name in methods} for seed in range(rounds)]
    rows = [row(name, [one[name] for one in turns]) for name in methods]
    click.echo(tabulate(rows, HEADER, disable_numparse=True, colalign=["left", *["right"] * 9]))
    versions = [f"{package} {package_version(package)}" for package in ("captum", "torch")]
    click.echo(f"Budget {budget:,}, medians of {rounds} rounds; {', '.join(versions)}.")


if __name__ == "__main__":
    main()
