"""Hidden layer -> re-coded instance: the input, the units to be re-coded, and the problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from actspec_bench.problems.devices import chosen
from actspec_bench.problems.inputs import DataInputs
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import FOREGROUND_ROWS
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin
from actspec_bench.problems.source import Source
from actspec_bench.problems.truth import Truth
from actspec_bench.seeds import seed_from
from actspec_bench.tasks.networks.bottleneck import check_classes
from actspec_bench.tasks.planting.recoding import RecodedReader, Recoding

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.source import Readout
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

SEEN_ROWS = 4096
CARRIERS = 512
LEAST_SHARE = 0.01
SMALLEST_COEFFICIENT = 1e-9
OUTPUT_TOLERANCE = 1e-5


def recoded_instance(
    layer: Bottleneck,
    seed: int,
    *,
    classes: int,
    k: int,
    codes: int,
    idle: int,
    readout: Readout,
    target: int | None = None,
    subsets: int | None = None,
) -> Instance:
    """Build the instance of a re-coded layer; see `kinds.recoded.recoded_task`.

    What does not depend on k (the input, the coded units) is drawn alike for every k.

    Raises
    ------
    ValueError
        The layer has another nonlinearity than a ReLU, or another number of classes.
    RuntimeError
        The re-coded network does not compute the same outputs, or no input serves.
    """
    check_classes(layer, classes)
    if not torch.equal(layer.activate(layer.before), layer.before.relu()):
        raise ValueError("only a layer of ReLUs can be re-coded: its units must be on or off")
    if target is None:
        target = seed % classes
    generator = torch.Generator().manual_seed(seed)
    carrier, coded, magnitude = _held(layer, codes, target, generator)
    n = (codes + idle) * k
    members = torch.randperm(n, generator=generator)[: codes * k].reshape(codes, k)
    reader = RecodedReader(layer.read, members, coded)
    found = Recoding(layer, target, layer.activate(carrier), magnitude, reader, n)
    difference = found.largest_difference(k, generator)
    if difference > OUTPUT_TOLERANCE:
        raise RuntimeError(f"re-coding changes a logit by {difference:g}")
    spectrum, facts = found.spectrum(readout)
    sampler = found.sample(k)
    source = Source(
        kind="interchange",
        n=n,
        margin=found.margin(),
        sampler=sampler,
        uniform=True,
        readout=readout,
        foreground=sampler(FOREGROUND_ROWS, generator),
        baseline=torch.zeros(n),
        threshold=torch.zeros(n),
        notes=("the units that carry no code are held at one input's values",),
        device=chosen(),
    )
    facts |= {"target": target, "largest_output_difference": difference, **layer.facts}

    def inputs() -> DataInputs:
        draws = torch.Generator().manual_seed(seed_from(seed, "inputs"))
        return DataInputs(found.encoded(layer.before, k, draws), layer.inputs().originals)

    truth = _largest(spectrum, n, codes if subsets is None else subsets)
    return Instance(Problem(source), truth, facts, None if layer.originals is None else inputs)


def _held(
    layer: Bottleneck, codes: int, target: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Input whose decision hangs on a few units, those units, and their typical activations.

    Of 4,096 random inputs the 512 nearest to the decision boundary are tried, nearest first. The
    units are those whose state changes the margin most there.
    """
    rows = layer.before[torch.randperm(len(layer.before), generator=generator)[:SEEN_ROWS]]
    typical = _typical_activations(rows)
    usable = torch.nonzero(typical.isfinite())[:, 0]
    if len(usable) < codes:
        raise RuntimeError(
            f"{len(usable)} units of the layer are on and off often enough to be re-coded, and "
            f"{codes} are asked for"
        )
    with torch.no_grad():
        certainty = class_margin(layer.read(layer.activate(rows)), target).abs()
    for carrier in rows[certainty.argsort(stable=True)[:CARRIERS]]:
        coded = _by_effect(layer, carrier, usable, typical, target)[:codes]
        nothing = torch.empty(codes, 0, dtype=torch.long)
        reader = RecodedReader(layer.read, nothing, coded)
        tried = Recoding(layer, target, layer.activate(carrier), typical[coded], reader, 0)
        if tried.decides():
            return carrier, coded, typical[coded]
    raise RuntimeError(
        f"{codes} units decide nothing at the {CARRIERS} least certain inputs; ask for more"
    )


def _typical_activations(rows: Float[Tensor, "rows units"]) -> Float[Tensor, " units"]:
    """Median pre-activation of each unit where it is on.

    NaN for a unit that is on, or off, in less than a hundredth of the rows.
    """
    found = torch.full((rows.shape[1],), torch.nan)
    for unit, column in enumerate(rows.T):
        on = column[column > 0]
        if LEAST_SHARE <= len(on) / len(column) <= 1 - LEAST_SHARE:
            found[unit] = on.median()
    return found


def _by_effect(
    layer: Bottleneck,
    carrier: Float[Tensor, " units"],
    usable: Tensor,
    typical: Float[Tensor, " units"],
    target: int,
) -> Tensor:
    """The usable units, those first whose state changes the margin most at this input."""
    margins = []
    for values in (typical, torch.zeros_like(typical)):
        activations = layer.activate(carrier).repeat(len(usable), 1)
        activations[torch.arange(len(usable)), usable] = values[usable]
        with torch.no_grad():
            margins.append(class_margin(layer.read(activations), target))
    effect = (margins[0] - margins[1]).abs()
    return usable[effect.argsort(descending=True, stable=True)]


def _largest(spectrum: dict[Subset, float], n: int, subsets: int) -> Truth:
    """Truth of the largest coefficients; the others are real, and too small to be asked for."""
    real = {s: c for s, c in spectrum.items() if abs(c) > SMALLEST_COEFFICIENT}
    ranked = sorted(real, key=lambda subset: -abs(real[subset]))
    least = abs(real[ranked[:subsets][-1]])
    asked = {subset: real[subset] for subset in ranked if abs(real[subset]) >= least}
    return Truth(asked, n, minor=frozenset(real.keys() - asked.keys()))
