"""Seed -> network and inputs: small random networks whose inputs are few, or whose units are many.

Nothing is trained, so that they cost nothing; their units depend on each other because they
are functions of a few numbers, the latent ones, as the units of trained networks do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from actspec_bench import Problem
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.views import ScoringView
from benchmarks.layers.cases import Case

__all__ = ["relu_case", "relu_problem", "residual_case", "transformer_problem"]

FEW, FRESH = 150, 4000
IMAGES, FRESH_IMAGES = 200, 2000
LATENT, SIDE = 12, 16
CHANNELS, HIDDEN = 16, 64
TOKENS, WIDTH, HEADS = 4, 64, 4


class _Residual(nn.Module):
    """Image -> logits, with one residual block of 64 hidden channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 4, stride=4), nn.ReLU())
        self.widen = nn.Conv2d(CHANNELS, HIDDEN, 3, padding=1)
        self.hidden = nn.ReLU()
        self.narrow = nn.Conv2d(HIDDEN, CHANNELS, 3, padding=1)
        self.head = nn.Linear(CHANNELS, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 3, 16, 16) -> (rows, 2)."""
        x = self.stem(x)
        x = torch.relu(x + self.narrow(self.hidden(self.widen(x))))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class _Transformer(nn.Module):
    """Tokens -> logits of the first, through one block whose MLP has ``units`` hidden units."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.widen, self.hidden = nn.Linear(WIDTH, units), nn.GELU()
        self.narrow, self.head = nn.Linear(units, WIDTH), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 4, 64) -> (rows, 2)."""
        seen = self.before(x)
        x = x + self.attention(seen, seen, seen, need_weights=False)[0]
        x = x + self.narrow(self.hidden(self.widen(self.between(x))))
        return self.head(x[:, 0])  # type: ignore[no-any-return]


def _balanced(model: nn.Module, inputs: Tensor, fresh: Tensor, **options: Any) -> Case:
    """Case of the sign of a network's first output, +1 on half of the ``fresh`` inputs."""

    def problem(shift: float, **more: Any) -> Problem:
        return Problem.from_module(
            model.eval(), inputs=inputs, target=lambda y: y[:, 0] - shift, **options, **more
        )

    margin = problem(0.0, readout="margin", foreground=fresh)
    rows = margin.foreground
    middle = float(ScoringView(margin, 0).value(rows).median())
    return Case(Instance(problem(middle)), rows)


def relu_case(seed: int) -> Case:
    """24 ReLUs of 10 normal numbers, 150 inputs given and 4,000 fresh ones."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 2))
    return _balanced(model, torch.randn(FEW, 10), torch.randn(FRESH, 10), layer="1")


def residual_case(seed: int) -> Case:
    """64 channels in a residual block, 200 images given and 2,000 fresh ones."""
    torch.manual_seed(seed)
    model = _Residual()
    decode = torch.randn(LATENT, 3 * SIDE * SIDE) / LATENT**0.5

    def images(count: int) -> Tensor:
        flat = torch.tanh(torch.randn(count, LATENT) @ decode)
        return flat.reshape(count, 3, SIDE, SIDE) + 0.1 * torch.randn(count, 3, SIDE, SIDE)

    return _balanced(model, images(IMAGES), images(FRESH_IMAGES), layer="hidden", units="channels")


def transformer_problem(units: int, rows: int, seed: int) -> Problem:
    """``units`` hidden units of a random transformer's MLP at its first token."""
    torch.manual_seed(seed)
    model = _Transformer(units)
    decode = torch.randn(LATENT, TOKENS * WIDTH) / LATENT**0.5
    inputs = (torch.randn(rows, LATENT) @ decode).reshape(rows, TOKENS, WIDTH)
    case = _balanced(model, inputs, inputs[:FRESH], layer="hidden", units="features", position=0)
    return case.instance.problem


def relu_problem(units: int, rows: int, seed: int) -> Problem:
    """``units`` ReLUs of 12 normal numbers in a random network, over ``rows`` inputs."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(LATENT, units), nn.ReLU(), nn.Linear(units, 2))
    inputs = torch.randn(rows, LATENT)
    return _balanced(model, inputs, inputs[:FRESH], layer="1").instance.problem
