"""Layers whose units depend on each other, with functions that are known."""

from __future__ import annotations

import torch
from torch import nn

from actspec_bench import Problem


def latent_layer(units: int, rows: int, seed: int, latent: int = 6) -> torch.Tensor:
    """Activations of units that share a few latent causes, so that all depend on each other."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, latent, generator=generator)
    x = z @ torch.randn(latent, units, generator=generator)
    return x + 0.3 * torch.randn(units, generator=generator)


class Parities(nn.Module):
    """A sum of parities of the units' states."""

    def __init__(self, terms: dict[tuple[int, ...], float]) -> None:
        super().__init__()
        self.terms = terms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = torch.where(x > 0, 1.0, -1.0)
        return sum(c * states[:, list(s)].prod(1) for s, c in self.terms.items())


def behind_a_layer(
    terms: dict[tuple[int, ...], float], x: torch.Tensor, budget: int = 10_000
) -> Problem:
    model = nn.Sequential(nn.Identity(), Parities(terms))
    return Problem.from_module(
        model, layer="0", inputs=x, target=lambda y: y, readout="margin", budget=budget
    )
