r"""Hidden layer -> the same layer with the states of some units in a code of known membership.

A hidden ReLU unit with pre-activation z is on where z > 0. Its state is carried by k new units

.. math:: u_i = r_i m_i, \qquad r_i \in \{-1, +1\}, \qquad \prod_{i=1}^k r_i = \mathrm{sign}(z)

with k - 1 of the signs fair coins and magnitudes m_i drawn from [1, 3] independently of all else.
Each new unit is on or off by a fair coin, any k - 1 of them say nothing about the state or about
which units belong together, and the parity of all k *is* the state. How large z is passes by in
a channel of its own, |z|. The next step decodes exactly: signs are saturated, as
:math:`\min(\max(2u, -1), 1)`, and folded by

.. math:: a \circ b = \tfrac12 (|a + b| - |a - b|) = \mathrm{sign}(a b) \min(|a|, |b|)

to the state s, which gates the magnitude: :math:`|z| (1 + s) / 2 = \mathrm{relu}(z)`. So the
network computes what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.readouts import class_margin, decision
from actspec_bench.tasks.enumeration.choosing import SMALLEST_CHANGE
from actspec_bench.tasks.enumeration.truth import energy_shares

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.source import Readout
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

MAGNITUDES = (1.0, 3.0)


def encode(
    on: Float[Tensor, "rows codes"], k: int, generator: torch.Generator
) -> Float[Tensor, "rows codes k"]:
    """Carry states in {-1, +1} by k units each, with fresh random signs and magnitudes."""
    coins = torch.randint(0, 2, (*on.shape, k - 1), generator=generator).float() * 2 - 1
    signs = torch.cat([coins, (on * coins.prod(-1))[..., None]], dim=-1)
    low, high = MAGNITUDES
    return signs * (low + (high - low) * torch.rand(signs.shape, generator=generator))


class RecodedReader(nn.Module):
    """All of a network that follows its re-coded layer.

    Parameters
    ----------
    read
        The trained network after the layer.
    members
        (codes, k) which of the new units carry each code.
    coded
        (codes,) the units of the layer whose states they are.
    """

    members: Tensor
    coded: Tensor

    def __init__(self, read: nn.Module, members: Tensor, coded: Tensor) -> None:
        super().__init__()
        self.read = read
        self.register_buffer("members", members)
        self.register_buffer("coded", coded)

    def states(self, x: Float[Tensor, "rows n"]) -> Float[Tensor, "rows codes"]:
        """Parity of each code's signs."""

        def fold(a: Tensor, b: Tensor) -> Tensor:
            return ((a + b).abs() - (a - b).abs()) / 2

        return reduce(fold, (2 * x[:, self.members]).clamp(-1, 1).unbind(-1))

    def forward(
        self,
        x: Float[Tensor, "rows n"],
        magnitude: Float[Tensor, "rows codes"],
        others: Float[Tensor, "rows units"],
    ) -> Float[Tensor, "rows classes"]:
        """Logits of new units, the coded units' |z|, and the layer's other activations."""
        layer = others.expand(len(x), -1).clone()
        layer[:, self.coded] = magnitude * (1 + self.states(x)) / 2
        logits: Tensor = self.read(layer)
        return logits


@dataclass(frozen=True, eq=False)
class Recoding:
    """Codes in a layer whose other units are held at one input's.

    Attributes
    ----------
    layer, target
        The trained layer, and the class whose margin is explained.
    carrier
        (units,) activations of the input at which the rest of the layer is held.
    magnitude
        (codes,) activation of each coded unit when it is on.
    reader
        What follows the layer.
    n
        New units, those of codes that nothing reads among them.
    """

    layer: Bottleneck
    target: int
    carrier: Float[Tensor, " units"]
    magnitude: Float[Tensor, " codes"]
    reader: RecodedReader
    n: int

    @property
    def codes(self) -> list[Subset]:
        """The units of each code that is read."""
        return [tuple(sorted(units)) for units in self.reader.members.tolist()]

    def margin(self) -> Callable[[Tensor], Tensor]:
        """Return the margin as a function of the new units, on the device of problems."""
        reader, device = placed(self.reader), chosen()
        magnitude, carrier = self.magnitude.to(device), self.carrier.to(device)[None]

        def margin(x: Tensor) -> Tensor:
            return class_margin(reader(x, magnitude, carrier), self.target)

        return margin

    @cached_property
    def by_state(self) -> Float[Tensor, " states"]:
        """Margins at all 2^codes states of the codes, in the order of `all_patterns`."""
        states = all_patterns(len(self.magnitude))
        layer = self.carrier.repeat(len(states), 1)
        layer[:, self.reader.coded] = torch.where(states > 0, self.magnitude, 0.0)
        with torch.no_grad():
            return class_margin(self.reader.read(layer), self.target)

    def decides(self) -> bool:
        """Whether the codes change the decision in a tenth of all states, and keep it in one."""
        changed = float((self.by_state < 0).float().mean())
        return SMALLEST_CHANGE <= changed <= 1 - SMALLEST_CHANGE

    def sample(self, k: int) -> Callable[[int, torch.Generator], Tensor]:
        """Return the sampler of D: fair independent states, each in a fresh code."""
        codes = self.reader.members.reshape(-1)

        def sample(rows: int, generator: torch.Generator) -> Tensor:
            signs = torch.randint(0, 2, (rows, self.n // k), generator=generator).float() * 2 - 1
            units = encode(signs, k, generator).flatten(1)
            x = torch.empty(rows, self.n)
            x[:, codes] = units[:, : len(codes)]
            x[:, self.idle] = units[:, len(codes) :]
            return x

        return sample

    @cached_property
    def idle(self) -> Tensor:
        """The units of codes that nothing reads."""
        read = torch.zeros(self.n, dtype=torch.bool)
        read[self.reader.members.reshape(-1)] = True
        return torch.nonzero(~read)[:, 0]

    def spectrum(self, readout: Readout) -> tuple[dict[Subset, float], dict[str, Any]]:
        r"""Every coefficient of the problem that is not zero by construction, and facts.

        The function is g(s), s the states of the codes, each the parity of its own units: so
        :math:`\hat f(\bigcup_{j \in T} C_j) = \hat g(T)`, and every subset that holds a code in
        part has coefficient 0. Unit-wise mixtures of draws of D are draws of D again.
        """
        f = decision(self.by_state) if readout == "decision" else self.by_state
        coefficients = walsh_hadamard(f)
        spectrum = {}
        for position in range(1, len(f)):
            held = [code for j, code in enumerate(self.codes) if position >> j & 1]
            union = tuple(sorted(unit for code in held for unit in code))
            spectrum[union] = float(coefficients[position])
        facts = {
            "energy_by_number_of_codes": energy_shares(coefficients),
            "decision_changes": float((self.by_state < 0).float().mean()),
        }
        return spectrum, facts

    def largest_difference(self, k: int, generator: torch.Generator) -> float:
        """Largest change of a logit, over all held-out inputs, by the re-coding.

        Every input's own states are encoded with fresh signs among fresh idle units, and what
        follows is the very module that the problem explains.
        """
        before = self.layer.heldout
        x = self.encoded(before, k, generator)
        with torch.no_grad():
            activations = self.layer.activate(before)
            old = self.layer.read(activations)
            new = self.reader(x, before[:, self.reader.coded].abs(), activations)
        return float((old - new).abs().max())

    def encoded(
        self, before: Float[Tensor, "rows units"], k: int, generator: torch.Generator
    ) -> Float[Tensor, "rows n"]:
        """New units that carry the coded units' states at real inputs, idle ones drawn from D."""
        x = self.sample(k)(len(before), generator)
        signs = torch.where(before[:, self.reader.coded] > 0, 1.0, -1.0)
        x[:, self.reader.members.reshape(-1)] = encode(signs, k, generator).flatten(1)
        return x
