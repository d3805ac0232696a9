"""Networks small enough to be followed by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 4))


class Shared(nn.Module):
    """Runs one of its modules twice."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.cell(torch.tanh(self.cell(x)))))


def of_class(logits: Tensor, target: int) -> Tensor:
    """Margin of a class: its logit minus the best other one."""
    rivals = [c for c in range(logits.shape[1]) if c != target]
    return logits[:, target] - logits[:, rivals].amax(1)


def state_of(model: nn.Module) -> list:
    """All that using a network might change, in it and in the random numbers."""
    return [
        [module.training for module in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [p.grad is None for p in model.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        {k: v.tolist() for k, v in model.state_dict().items()},
        torch.get_rng_state().tolist(),
    ]
