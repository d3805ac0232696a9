"""Network and labelled rows -> trained network, the same on every machine and rerun."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    r"""Draw weights from :math:`N(0, 2 / \text{fan-in})`, and set biases to 0.

    He, Zhang, Ren & Sun 2015, equation 10 (arXiv:1502.01852).
    """
    for parameter in model.parameters():
        if parameter.ndim > 1:
            fan_in = parameter[0].numel()
            nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5, generator=generator)
        else:
            nn.init.zeros_(parameter)


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch: int,
    generator: torch.Generator,
) -> None:
    """Minimise the cross-entropy over shuffled batches, in training mode.

    Dropout draws from the global generator, which is seeded as ``generator`` was and put back.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        model.train()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(x), generator=generator), batch):
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(x[rows]), y[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
