"""Task -> source: what a problem is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from actspec_bench.problems.devices import MOST_ROWS
from actspec_bench.problems.modules import separate_copy

__all__ = ["CPU", "Empirical", "Kind", "Readout", "Sampler", "Source", "check_units"]

CPU = torch.device("cpu")
Kind = Literal["binary", "masked", "interchange"]
Readout = Literal["margin", "decision"]
Sampler = Callable[[int, torch.Generator], Tensor]


def check_units(n: object) -> None:
    """Raise ValueError unless ``n`` is a number of units."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be a whole number of units, at least 1, not {n!r}")


@dataclass(frozen=True, eq=False)
class Empirical:
    """Sampler of a data set: draws whole rows of it, with replacement.

    Attributes
    ----------
    rows
        (N, n) one row an input, as often as it was given.
    values
        (N,) what was measured at each, if nothing else is known of the function.
    inputs
        (N,) number of the independent input that each row is, or what tells it when it is asked;
        None if each is one.
    """

    rows: Tensor
    values: Tensor | None = None
    inputs: Tensor | Callable[[], Tensor] | None = None

    @cached_property
    def number(self) -> Tensor:
        """Number of the independent input that each row is, (N,)."""
        if self.inputs is None:
            return torch.arange(len(self.rows))
        return self.inputs if isinstance(self.inputs, Tensor) else self.inputs()

    def __call__(self, k: int, generator: torch.Generator) -> Tensor:
        """Draw ``k`` rows."""
        return self.rows[torch.randint(0, len(self.rows), (k,), generator=generator)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What a problem is made of; the harness wraps it afresh for each method and metric.

    Attributes
    ----------
    kind
        ``"binary"``, ``"masked"`` or ``"interchange"`` (see the README's words).
    margin
        (B, n) -> (B,), differentiable where the function is.
    module
        Makes ``margin`` as a network of modules that may be hooked, apart from all others; None
        where ``margin`` is none, or is noisy, which a network is not. A ``margin`` that is a
        network itself is copied.
    sampler
        ``(k, generator) -> (k, n)``: draws from the problem's distribution D; an `Empirical`
        where D is a data set.
    readout
        ``"margin"``: the value is the margin; ``"decision"``: its sign, in {-1, +1}.
    foreground, baseline, threshold
        (R, n) rows to explain; (n,) the value of an ablated unit; (n,) pattern thresholds.
    heldout
        Like ``sampler``, for scores on rows that methods never saw; ``None`` means D itself.
    noise
        Standard deviation of the noise added to every metered evaluation of the margin; each
        derivative is then as noisy as a central difference of two such values.
    any_pattern
        Whether the function answers at any x, not only at rows of its sample.
    uniform
        Whether the units' states are independent fair coins under D, so that characters are
        orthonormal.
    notes
        Sentences a reader of the results must know, such as a fixed carrier input.
    device, batch_rows
        Where ``margin`` gets its rows, and how many at most at a time. All else is on the CPU.
    """

    kind: Kind
    n: int
    margin: Callable[[Tensor], Tensor]
    sampler: Sampler
    foreground: Tensor
    baseline: Tensor
    threshold: Tensor
    readout: Readout = "margin"
    heldout: Sampler | None = None
    noise: float = 0.0
    any_pattern: bool = True
    uniform: bool = False
    unit_names: Sequence[str] = ()
    layout: tuple[int, ...] | None = None
    module: Callable[[], nn.Module] | None = None
    notes: Sequence[str] = ()
    device: torch.device = CPU
    batch_rows: int = MOST_ROWS

    def __post_init__(self) -> None:
        check_units(self.n)
        if self.noise:
            object.__setattr__(self, "module", None)
        elif self.module is None and isinstance(self.margin, nn.Module):
            network = self.margin
            object.__setattr__(self, "module", lambda: separate_copy(network))
        if self.readout not in get_args(Readout):
            raise ValueError(f"readout must be 'margin' or 'decision', not {self.readout!r}")
        for name, shape in (("baseline", (self.n,)), ("threshold", (self.n,))):
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(
                    f"{name} must have shape {shape}, not {tuple(getattr(self, name).shape)}"
                )
        if self.foreground.ndim != 2 or self.foreground.shape[1] != self.n:
            raise ValueError(
                f"foreground must have shape (rows, {self.n}), not {tuple(self.foreground.shape)}"
            )
