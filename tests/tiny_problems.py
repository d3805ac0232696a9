"""Tiny problems of each kind, which count what is asked of them and can be listed in other orders.

Units may be listed in another order, or some of them negated; the draws are then the same rows,
listed or negated in the same way, so that a method that takes its rows from the problem alone must
return the very same answer, listed or negated in this way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from actspec_bench.problems.kinds import binary, given, interchange, masked, uniform_patterns
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.source import Source

N = 6
# The last unit does nothing.
PLANTED = {(0,): 0.9, (1,): -0.75, (2, 3): 0.6, (0, 4): 0.35}


@dataclass
class Count:
    """Rows that a function was asked for, forward and backward; copies count with the original."""

    forward: int = 0
    backward: int = 0

    def __deepcopy__(self, memo: dict) -> Count:
        return self


class _Tally(torch.autograd.Function):
    @staticmethod
    def forward(ctx, output: Tensor, count: Count) -> Tensor:
        ctx.count = count
        return output.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.count.backward += len(gradients[0])
        return gradients[0], None


def counted(function: Callable[[Tensor], Tensor], count: Count) -> Callable[[Tensor], Tensor]:
    def asked(x: Tensor) -> Tensor:
        count.forward += len(x)
        return _Tally.apply(function(x), count)

    return asked


class Layer(nn.Module):
    """What comes after a layer: two linear maps and a ReLU, to one margin."""

    def __init__(self, order: Sequence[int], count: Count) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(5)
        weights = torch.randn(5, N, generator=draws)
        weights[:, N - 1] = 0
        self.hidden, self.relu, self.head = nn.Linear(N, 5), nn.ReLU(), nn.Linear(5, 1)
        self.count = count
        with torch.no_grad():
            self.hidden.weight.copy_(weights[:, list(order)])
            self.hidden.bias.copy_(torch.randn(5, generator=draws) / 4)
            self.head.weight.copy_(torch.randn(1, 5, generator=draws))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        self.count.forward += len(x)
        return _Tally.apply(self.head(self.relu(self.hidden(x)))[:, 0], self.count)


@dataclass
class Tiny:
    """A problem, what was asked of its function, and the source that it shows."""

    problem: Problem
    source: Source
    count: Count = field(default_factory=Count)


def planted(x: Tensor) -> Tensor:
    return sum(c * x[:, list(s)].prod(1) for s, c in PLANTED.items())


def products(
    order: Sequence[int] = range(N), negated: Sequence[int] = (), *, function=planted, n: int = N
) -> tuple[Source, Count]:
    """A binary problem: a function of patterns, of which it knows all n units' own order."""
    count = Count()
    signs = torch.tensor([-1.0 if i in negated else 1.0 for i in range(n)])
    back = [list(order).index(i) for i in range(n)]

    def listed(rows: Tensor) -> Tensor:
        return (rows * signs)[:, list(order)]

    source = binary(
        counted(lambda x: function(x[:, back] * signs), count), n, seed=0, readout="margin"
    )
    draw = uniform_patterns(n)
    return replace(
        source,
        sampler=lambda k, generator: listed(draw(k, generator)),
        foreground=listed(source.foreground),
    ), count


def parts(order: Sequence[int] = range(N)) -> tuple[Source, Count]:
    """A masked problem, its decision, with a layout."""
    count, back = Count(), [list(order).index(i) for i in range(N)]
    function = counted(lambda x: planted(x[:, back]) - 0.2, count)
    source = masked(function, N, readout="decision", layout=(2, 3), batch_rows=10_000)
    draw = uniform_patterns(N)
    return replace(source, sampler=lambda k, generator: draw(k, generator)[:, list(order)]), count


def layer(order: Sequence[int] = range(N)) -> tuple[Source, Count]:
    """An interchange problem, of dependent units before a network that may be hooked."""
    count = Count()
    rows = torch.randn(300, N, generator=torch.Generator().manual_seed(1))
    rows[:, 2] += 2 * rows[:, 4]
    rows[:, 3] -= 2 * rows[:, 1]
    rows = rows[:, list(order)]
    source = interchange(
        Layer(order, count),
        rows,
        readout="decision",
        foreground=rows[:32],
        heldout=rows[280:],
        batch_rows=10_000,
    )
    return source, count


def rows_given(order: Sequence[int] = range(N)) -> tuple[Source, Count]:
    """Rows and values, and no free queries; nothing is counted."""
    x = torch.randint(0, 2, (240, N), generator=torch.Generator().manual_seed(2)).float() * 2 - 1
    return given(x[:, list(order)], planted(x)), Count()


def noisy(order: Sequence[int] = range(N)) -> tuple[Source, Count]:
    """A binary problem of which every evaluation is noisy."""
    source, count = products(order)
    return replace(source, noise=0.1), count


KINDS = {
    "products": products,
    "noisy": noisy,
    "parts": parts,
    "layer": layer,
    "rows given": rows_given,
}


def tiny(kind: str, *, budget: int, seed: int = 0, **listed: Sequence[int]) -> Tiny:
    """Make a problem of a kind anew."""
    source, count = KINDS[kind](**listed)
    count.forward = count.backward = 0
    return Tiny(Problem(source, budget=budget, seed=seed), source, count)


@dataclass(frozen=True)
class Known:
    """A problem of which it is known which units matter, as one set or each by itself."""

    problem: Problem
    units: tuple[int, ...]
    together: bool = False


def network(
    after: Callable[[Tensor], Tensor] = lambda margins: margins, *, budget: int
) -> tuple[Problem, list[bool]]:
    """A layer of which units 1 and 4, which go together, matter; and whether NaN was met.

    What comes after it is a linear map, a ReLU and another linear map, then ``after``.
    """
    rows = torch.randn(300, N, generator=torch.Generator().manual_seed(3))
    rows[:, 1] = 0.8 * rows[:, 1] + 0.6 * rows[:, 4]
    model = TwoUnits(after)
    source = interchange(model, rows, readout="decision", foreground=rows[:32], heldout=rows[280:])
    return Problem(source, budget=budget), model.met


class TwoUnits(nn.Module):
    """A network that reads two units, with ``after`` at its end; notes NaN, and so do copies."""

    def __init__(self, after: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.hidden, self.relu, self.head = nn.Linear(N, 3), nn.ReLU(), nn.Linear(3, 1)
        self.after, self.met = after, Met()
        with torch.no_grad():
            self.hidden.weight.zero_()
            self.hidden.weight[:, 1] = torch.tensor([1.0, -1.0, 1.0])
            self.hidden.weight[:, 4] = torch.tensor([1.5, -1.5, 1.5])
            self.hidden.bias.copy_(torch.tensor([0.3, 0.2, -0.4]))
            self.head.weight.copy_(torch.tensor([[1.0, -1.0, 0.5]]))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        margins = self.after(self.head(self.relu(self.hidden(x)))[:, 0])
        self.met.append(bool(margins.isnan().any()))
        return margins


class Met(list):
    """Of all copies of a network, which stay one list."""

    def __deepcopy__(self, memo: dict) -> Met:
        return self


def of_layout(function: Callable[[Tensor], Tensor], *, budget: int) -> Problem:
    """A masked problem whose units are in two rows of three."""
    source = masked(function, N, readout="margin", layout=(2, 3), batch_rows=10_000)
    return Problem(source, budget=budget)


KNOWN: dict[str, Callable[[int], Known]] = {
    "one unit": lambda b: Known(of_function(lambda x: 2 * x[:, 5], budget=b), (5,), True),
    "one pair": lambda b: Known(of_function(lambda x: x[:, 1] * x[:, 3], budget=b), (1, 3), True),
    "a layout": lambda b: Known(of_layout(lambda x: 2 * x[:, 3], budget=b), (3,), True),
    "a network": lambda b: Known(network(budget=b)[0], (1, 4)),
}


def of_function(function: Callable[[Tensor], Tensor], *, budget: int, n: int = N) -> Problem:
    """A binary problem of another function."""
    return Problem(products(range(n), function=function, n=n)[0], budget=budget)


def tensors_of(source: Source) -> list[Tensor]:
    """Copies of all that a method could write over in a source."""
    held = [source.foreground, source.baseline, source.threshold]
    held += list(vars(source.sampler).values()) if hasattr(source.sampler, "rows") else []
    return copy.deepcopy([t for t in held if isinstance(t, Tensor)])


def used_network() -> tuple[nn.Sequential, Tensor]:
    """A network in the middle of somebody's work, and inputs of it; units are after its "1"."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, N), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(N), nn.Linear(N, 3)
    )
    model[0].eval()
    model[0].weight.requires_grad_(False)
    model[4].weight.grad = torch.ones(3, N)
    model[1].register_forward_hook(lambda *_: None)
    model[4].register_full_backward_hook(lambda *_: None)
    return model, torch.randn(120, 4)


def hooks_and_gradients(model: nn.Module) -> list:
    """What hangs on each module and parameter."""
    return [
        [{k: list(v) for k, v in vars(m).items() if "hooks" in k and v} for m in model.modules()],
        [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
    ]
