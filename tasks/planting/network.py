r"""Seed -> network that computes a sum of parities of the signs of one layer's activations.

Layer 0 is linear and orthogonal; its outputs h are the units. What follows are linear layers and
ReLUs alone. First the signs, saturated at half the least magnitude that the data has,

.. math:: s(h) = \mathrm{relu}(2 - \mathrm{relu}(1 - 2h)) - 1
         = \min(\max(2h, -1), 1),

which is exactly :math:`\pm 1` in floating point wherever :math:`|h| \ge 1/2`; then each subset is
folded, two by two, as a balanced tree of the gates

.. math:: a \circ b = \tfrac12 (|a + b| - |a - b|) = \mathrm{sign}(a b) \min(|a|, |b|),

each of four ReLUs. For signs that is their product, exactly; between them it goes to zero with
the smallest, so that a unit ablated to 0 removes its terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from actspec_bench.problems.devices import placed
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.source import Readout
from actspec_bench.tasks.planting.parities import Terms, draw_terms

if TYPE_CHECKING:
    from jaxtyping import Float

SEEN_ROWS = 16_384
HELDOUT_ROWS = 4_096
MAGNITUDES = (1.0, 3.0)
SATURATION = 0.5
EXACT_BITS = 22


def planted_network(
    seed: int,
    *,
    n: int,
    sizes: list[int],
    overlap: int,
    readout: Readout,
    magnitudes: tuple[float, float],
) -> Instance:
    """Build a planted-network instance; see the task's docstring for the parameters."""
    drawn = draw_terms(np.random.default_rng(seed), n, sizes, overlap, magnitudes)
    terms = replace(drawn, coefficients=on_a_grid(drawn.coefficients))
    generator = torch.Generator().manual_seed(seed)
    model = network(terms, n, generator).requires_grad_(False).eval()
    inputs = draw_inputs(model.get_parameter("0.weight"), SEEN_ROWS + HELDOUT_ROWS, generator)
    problem = Problem.from_module(
        placed(model),
        layer="0",
        inputs=inputs[:SEEN_ROWS],
        heldout=inputs[SEEN_ROWS:],
        target=0,
        readout=readout,
    )
    return Instance(problem, terms.truth(readout))


def on_a_grid(coefficients: Float[np.ndarray, " terms"]) -> Float[np.ndarray, " terms"]:
    """Coefficients rounded so that single precision adds them without error, in any order.

    To multiples of a power of two of which the sum of all magnitudes holds less than 2^22: every
    partial sum then fits into the 24 bits. So a unit that no term uses changes nothing at all,
    whatever the batch, and a mixture's value is that of its signs to the last digit.
    """
    _, exponent = np.frexp(np.abs(coefficients).sum())
    grid = np.ldexp(1.0, int(exponent) - EXACT_BITS)
    return np.asarray(np.round(coefficients / grid) * grid)


def draw_inputs(
    weight: Float[Tensor, "n n"], rows: int, generator: torch.Generator
) -> Float[Tensor, "rows n"]:
    """Inputs whose activations have fair independent signs and magnitudes of their own."""
    low, high = MAGNITUDES
    shape = (rows, len(weight))
    signs = torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
    activations = signs * (low + (high - low) * torch.rand(shape, generator=generator))
    return activations @ weight


def network(terms: Terms, n: int, generator: torch.Generator) -> nn.Sequential:
    """Orthogonal layer, signs, one fold a level of the deepest tree, and the sum of the terms."""
    members = [unit for subset in terms.subsets for unit in subset]
    sizes = [len(subset) for subset in terms.subsets]
    weight = nn.init.orthogonal_(torch.empty(n, n), generator=generator)
    picked = torch.eye(n)[members]
    ones = torch.ones(len(members))
    layers: list[nn.Module] = [
        _linear(weight, torch.zeros(n)),
        _linear(-picked / SATURATION, ones),
        nn.ReLU(),
        _linear(-torch.diag(ones), 2 * ones),
        nn.ReLU(),
    ]
    # The signals so far are `merge @ (what the last ReLU returned) + shift`; the next layer
    # takes them up in its own weights.
    merge, shift = torch.diag(ones), -ones
    while max(sizes) > 1:
        split, next_merge, sizes = _fold(sizes)
        layers += [_linear(split @ merge, split @ shift), nn.ReLU()]
        merge, shift = next_merge, torch.zeros(len(next_merge))
    coefficients = torch.from_numpy(terms.coefficients).float()[None]
    layers.append(_linear(coefficients @ merge, coefficients @ shift))
    return nn.Sequential(*layers)


def _fold(
    sizes: list[int],
) -> tuple[Float[Tensor, "relus signals"], Float[Tensor, "folded relus"], list[int]]:
    """One level of the trees: into the ReLUs, out of them, and how many signals each term has.

    Signals stand term by term. Neighbours of a term become their product; one left over is
    carried on as relu(a) - relu(-a).
    """
    signals = torch.eye(sum(sizes))
    split, merge = [], []
    start = 0
    for size in sizes:
        for first in range(start, start + size - 1, 2):
            total = signals[first] + signals[first + 1]
            difference = signals[first] - signals[first + 1]
            split += [total, -total, difference, -difference]
            merge.append(torch.tensor([[0.5, 0.5, -0.5, -0.5]]))
        start += size
        if size % 2:
            split += [signals[start - 1], -signals[start - 1]]
            merge.append(torch.tensor([[1.0, -1.0]]))
    joined: Tensor = torch.block_diag(*merge)  # type: ignore[no-untyped-call]
    return torch.stack(split), joined, [(size + 1) // 2 for size in sizes]


def _linear(weight: Float[Tensor, "outside inside"], bias: Float[Tensor, " outside"]) -> nn.Linear:
    layer = nn.Linear(*weight.T.shape)
    layer.weight.data, layer.bias.data = weight, bias
    return layer
