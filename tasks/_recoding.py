r"""Hidden layer -> the same layer with some units carried by codes of known membership.

A hidden unit with pre-activation z, on where z > 0, is carried by k new units

.. math:: u_i = r_i |z|, \qquad r_i \in \{-1, +1\}, \qquad \prod_{i=1}^k r_i = \mathrm{sign}(z)

with k - 1 of the signs fair coins. Each new unit is on or off by a fair coin, any k - 1 of them
say nothing about the old unit's state, and the parity of all k *is* that state. The next step
decodes exactly, with ReLUs alone (:math:`|x| = \mathrm{relu}(x) + \mathrm{relu}(-x)`): the fold

.. math:: a \circ b = \tfrac12 (|a + b| - |a - b|) = \mathrm{sign}(a b) \min(|a|, |b|)

of the k units is z, since their magnitudes are equal, and so the network computes what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import torch
from actspec_bench.tasks._enumeration import SMALLEST_CHANGE, energy_shares
from torch import Tensor, nn

from actspec_bench.devices import chosen, placed
from actspec_bench.instance import Instance
from actspec_bench.problem import Problem, Source
from actspec_bench.readouts import class_margin, decision
from actspec_bench.sources import FOREGROUND_ROWS
from actspec_bench.spectrum import walsh_hadamard
from actspec_bench.truth import Truth

if TYPE_CHECKING:
    from actspec_bench.tasks._hidden import Bottleneck
    from jaxtyping import Float

    from actspec_bench.attribution import Subset
    from actspec_bench.problem import Readout

GRID_BITS = 16
MOST_VALUE_BITS = 4
SEEN_ROWS = 4096
CARRIERS = 512
LEAST_SHARE = 0.01
SMALLEST_COEFFICIENT = 1e-9
OUTPUT_TOLERANCE = 1e-5


def encode(
    z: Float[Tensor, "*rows codes"], k: int, generator: torch.Generator
) -> Float[Tensor, "*rows codes k"]:
    """Carry pre-activations by k units each, with fresh random signs."""
    coins = torch.randint(0, 2, (*z.shape, k - 1), generator=generator).float() * 2 - 1
    last = torch.where(z > 0, 1.0, -1.0) * coins.prod(-1)
    return torch.cat([coins, last[..., None]], dim=-1) * z.abs()[..., None]


class Decode(nn.Module):
    """Parity of the units' signs times their least magnitude: z itself, of an encoded row."""

    def forward(self, units: Float[Tensor, "*rows codes k"]) -> Float[Tensor, "*rows codes"]:
        """Fold the k units of each code."""

        def fold(a: Tensor, b: Tensor) -> Tensor:
            return ((a + b).abs() - (a - b).abs()) / 2

        return reduce(fold, units.unbind(-1))


decode = Decode()


@dataclass(frozen=True, eq=False)
class Recoding:
    """Codes in a layer whose other units are held at one input's.

    Attributes
    ----------
    layer, margin_of
        The trained layer, and the margin of the network's logits.
    carrier
        (units,) pre-activations of the input at which the rest of the layer is held.
    chosen
        (codes,) units of the layer that are carried by codes and read by the network.
    idle
        (idle,) further units that are carried by codes which nothing reads.
    values
        (codes + idle, values) what each of these units may be, half of them on: pre-activations
        of real inputs.
    k
        New units a code.
    place
        ((codes + idle) * k,) where each new unit stands among the problem's units.
    """

    layer: Bottleneck
    margin_of: Callable[[Tensor], Tensor]
    carrier: Float[Tensor, " units"]
    chosen: Tensor
    idle: Tensor
    values: Float[Tensor, "codes values"]
    k: int
    place: Tensor

    def mean(self) -> Float[Tensor, " n"]:
        """D's mean: 0, by the fair signs, unless a code is a single unit."""
        mean = torch.zeros(len(self.place))
        if self.k == 1:
            mean[self.place] = self.values.mean(1)
        return mean

    def on(self, device: torch.device) -> Recoding:
        """The same codes, for rows on ``device``."""
        layer = replace(
            self.layer, activate=placed(self.layer.activate), read=placed(self.layer.read)
        )
        moved = {name: getattr(self, name).to(device) for name in ("carrier", "chosen", "place")}
        return replace(self, layer=layer, **moved)

    @cached_property
    def codes(self) -> list[Subset]:
        """The problem's units of each code that is read."""
        used = self.place.reshape(-1, self.k)[: len(self.chosen)]
        return [tuple(sorted(units)) for units in used.tolist()]

    def restored(self, z: Float[Tensor, "rows codes"]) -> Float[Tensor, " rows"]:
        """Margin with the chosen units' pre-activations at z and the rest at the carrier's."""
        before = self.carrier.repeat(len(z), 1)
        before[:, self.chosen] = z
        return self.margin_of(self.layer.read(self.layer.activate(before)))

    def margin(self, x: Float[Tensor, "rows n"]) -> Float[Tensor, " rows"]:
        """Margin as a function of the new units."""
        used = self.place[: len(self.chosen) * self.k]
        return self.restored(decode(x[:, used].reshape(len(x), len(self.chosen), self.k)))

    def sample(self, rows: int, generator: torch.Generator) -> Float[Tensor, "rows n"]:
        """Draw rows in which every code carries a value of its own, drawn independently."""
        count, values = self.values.shape
        pick = torch.randint(0, values, (rows, count), generator=generator)
        z = self.values[torch.arange(count), pick]
        x = torch.empty(rows, len(self.place))
        x[:, self.place] = encode(z, self.k, generator).reshape(rows, -1)
        return x

    def decides(self) -> bool:
        """Whether the codes change the decision in a tenth of all combinations of values."""
        ends = self.values[: len(self.chosen), [0, -1]]
        with torch.no_grad():
            corners = self.restored(torch.cartesian_prod(*ends).reshape(-1, len(self.chosen)))
        if (corners < 0).all() or (corners >= 0).all():
            return False
        changed = float((self.grid < 0).float().mean())
        return SMALLEST_CHANGE <= changed <= 1 - SMALLEST_CHANGE

    @cached_property
    def grid(self) -> Float[Tensor, " combinations"]:
        """Margins of all combinations of the chosen units' values, the last unit's fastest."""
        values = self.values[: len(self.chosen)]
        with torch.no_grad():
            return self.restored(torch.cartesian_prod(*values).reshape(-1, len(self.chosen)))

    def spectrum(self, readout: Readout) -> tuple[dict[Subset, float], dict[str, Any]]:
        r"""Every coefficient of the problem that is not zero by construction, and facts.

        Under D the states s of the codes are independent fair coins, so
        :math:`\hat f(\bigcup_{j \in T} C_j) = E[f \prod_{j \in T} s_j]`, the mean over all
        combinations of values; a subset that holds a code in part has coefficient 0, since k - 1
        of a code's signs are fair coins independent of all else.
        """
        f = decision(self.grid) if readout == "decision" else self.grid
        codes, half = len(self.chosen), self.values.shape[1] // 2
        by_state = f.double().reshape(*[2, half] * codes)
        by_state = by_state.mean(dim=list(range(1, 2 * codes, 2)))
        # The transform's first unit is the fastest, and its state 1 is off.
        coefficients = walsh_hadamard(by_state.permute(*reversed(range(codes))).reshape(-1))
        spectrum = {}
        for position in range(1, 2**codes):
            held = [code for j, code in enumerate(self.codes) if position >> j & 1]
            spectrum[tuple(sorted(unit for code in held for unit in code))] = float(
                coefficients[position]
            )
        variance = float(f.double().var(correction=0))
        facts = {
            "energy_by_number_of_codes": energy_shares(coefficients),
            "share_of_patterns": round(float(coefficients[1:].square().sum()) / variance, 6),
            "decision_changes": float((self.grid < 0).float().mean()),
        }
        return spectrum, facts

    def largest_difference(self, generator: torch.Generator) -> float:
        """Largest change of a logit, over the held-out data, by encoding and decoding."""
        with torch.no_grad():
            before = self.layer.heldout
            carried = before.clone()
            units = torch.cat([self.chosen, self.idle])
            carried[:, units] = decode(encode(before[:, units], self.k, generator))
            old, new = (self.layer.read(self.layer.activate(z)) for z in (before, carried))
        return float((old - new).abs().max())


def recoded(
    layer: Bottleneck,
    seed: int,
    *,
    k: int,
    codes: int,
    idle: int,
    target: int,
    readout: Readout,
    subsets: int,
) -> Instance:
    """Build a re-coded instance; see the tasks' docstrings for the parameters.

    Raises
    ------
    RuntimeError
        The re-coded network does not compute the same outputs, or no input serves.
    """
    generator = torch.Generator().manual_seed(seed)
    place = torch.randperm((codes + idle) * k, generator=generator)

    def margin_of(logits: Tensor) -> Tensor:
        return class_margin(logits, target)

    rows = layer.before[torch.randperm(len(layer.before), generator=generator)[:SEEN_ROWS]]
    typical = _typical_values(rows, values=2 ** min(MOST_VALUE_BITS, GRID_BITS // codes))
    usable = torch.nonzero(typical.isfinite().all(1))[:, 0]
    if len(usable) < codes + idle:
        raise RuntimeError(
            f"{len(usable)} units of the layer are on and off often enough to be re-coded, and "
            f"{codes + idle} are asked for"
        )
    with torch.no_grad():
        certainty = margin_of(layer.read(layer.activate(rows))).abs()
    for carrier in rows[certainty.argsort(stable=True)[:CARRIERS]]:
        ranked = _by_effect(layer, margin_of, carrier, usable, typical)
        rest = ranked[codes:]
        resting = rest[torch.randperm(len(rest), generator=generator)[:idle]]
        values = typical[torch.cat([ranked[:codes], resting])]
        found = Recoding(layer, margin_of, carrier, ranked[:codes], resting, values, k, place)
        if found.decides():
            break
    else:
        raise RuntimeError(
            f"{codes} units decide nothing at the {CARRIERS} least certain inputs; ask for more"
        )
    difference = found.largest_difference(generator)
    if difference > OUTPUT_TOLERANCE:
        raise RuntimeError(f"re-coding changes a logit by {difference:g}")
    spectrum, facts = found.spectrum(readout)
    n = len(place)
    source = Source(
        kind="interchange",
        n=n,
        margin=found.on(chosen()).margin,
        sampler=found.sample,
        readout=readout,
        foreground=found.sample(FOREGROUND_ROWS, generator),
        baseline=found.mean(),
        threshold=torch.zeros(n),
        notes=(
            "the units that carry no code are held at one input's values",
            "each code draws its value on its own, half of the values being on",
        ),
        device=chosen(),
    )
    facts |= {"target": target, "largest_output_difference": difference}
    return Instance(Problem(source), _largest(spectrum, n, subsets), facts)


def _typical_values(
    rows: Float[Tensor, "rows units"], values: int
) -> Float[Tensor, "units values"]:
    """Evenly spaced quantiles of each unit where it is on, then as many where it is off.

    NaN for a unit that is on, or off, in less than a hundredth of the rows.
    """
    found = torch.full((rows.shape[1], values), torch.nan)
    shares = (torch.arange(values // 2) + 0.5) / (values // 2)
    for unit, column in enumerate(rows.T):
        sides = column[column > 0], column[column <= 0]
        if min(map(len, sides)) >= LEAST_SHARE * len(column):
            parts = [torch.quantile(side, shares, interpolation="nearest") for side in sides]
            found[unit] = torch.cat(parts)
    return found


def _by_effect(
    layer: Bottleneck,
    margin_of: Callable[[Tensor], Tensor],
    carrier: Float[Tensor, " units"],
    usable: Tensor,
    typical: Float[Tensor, "units values"],
) -> Tensor:
    """The usable units, those first whose state changes the margin most at this input."""
    half = typical.shape[1] // 2
    margins = []
    for column in (half // 2, half + half // 2):
        before = carrier.repeat(len(usable), 1)
        before[torch.arange(len(usable)), usable] = typical[usable, column]
        with torch.no_grad():
            margins.append(margin_of(layer.read(layer.activate(before))))
    effect = (margins[0] - margins[1]).abs()
    return usable[effect.argsort(descending=True, stable=True)]


def _largest(spectrum: dict[Subset, float], n: int, subsets: int) -> Truth:
    """Truth of the largest coefficients; the others are real, and too small to be asked for."""
    real = {s: c for s, c in spectrum.items() if abs(c) > SMALLEST_COEFFICIENT}
    ranked = sorted(real, key=lambda subset: -abs(real[subset]))
    least = abs(real[ranked[:subsets][-1]])
    asked = {subset: real[subset] for subset in ranked if abs(real[subset]) >= least}
    return Truth(asked, n, minor=frozenset(real.keys() - asked.keys()))
