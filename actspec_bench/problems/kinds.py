"""Function or rows -> source: the kinds of problem there are, and their distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.devices import rows_per_batch
from actspec_bench.problems.source import CPU, Readout, Sampler, Source, check_units

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = [
    "FOREGROUND_ROWS",
    "binary",
    "empirical",
    "given",
    "interchange",
    "masked",
    "uniform_patterns",
]

FOREGROUND_ROWS = 32


def uniform_patterns(n: int) -> Sampler:
    """Sampler of the uniform distribution on {-1, +1}^n."""
    check_units(n)

    def sample(k: int, generator: torch.Generator) -> Tensor:
        return torch.randint(0, 2, (k, n), generator=generator).float() * 2 - 1

    return sample


def empirical(rows: Float[Tensor, "rows n"]) -> Sampler:
    """Sampler that draws whole rows of ``rows`` with replacement."""

    def sample(k: int, generator: torch.Generator) -> Tensor:
        return rows[torch.randint(0, len(rows), (k,), generator=generator)]

    return sample


def binary(
    function: Callable[[Tensor], Any],
    n: int,
    *,
    seed: int,
    readout: Readout,
    sampler: Sampler | None = None,
    mean: Float[Tensor, " n"] | None = None,
    noise: float = 0.0,
    device: torch.device = CPU,
) -> Source:
    """Source of a function of patterns; D is uniform, with mean 0, unless ``sampler`` is given.

    The baseline is D's ``mean``; the foreground is drawn from ``seed``. ``noise`` is the standard
    deviation of what is added to every metered evaluation. ``function`` gets its rows on
    ``device``.
    """
    uniform = sampler is None
    sampler = sampler or uniform_patterns(n)
    return Source(
        kind="binary",
        n=n,
        margin=function,
        sampler=sampler,
        uniform=uniform,
        readout=readout,
        foreground=sampler(FOREGROUND_ROWS, torch.Generator().manual_seed(seed)),
        baseline=torch.zeros(n) if mean is None else mean,
        threshold=torch.zeros(n),
        noise=noise,
        device=device,
    )


def given(x: Any, y: Any) -> Source:
    """Source of rows and values that cannot be queried further; see `Problem.from_samples`."""
    rows = torch.as_tensor(x, dtype=torch.get_default_dtype())
    values = torch.as_tensor(y, dtype=torch.get_default_dtype())
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"x must have shape (rows, n) with rows, not {tuple(rows.shape)}")
    if values.shape != (len(rows),):
        raise ValueError(f"y must have shape ({len(rows)},), not {tuple(values.shape)}")
    if not (torch.isfinite(rows).all() and torch.isfinite(values).all()):
        raise ValueError("x and y must be finite; drop or fill the rows that are not")
    distinct, position, counts = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    means = torch.zeros(len(distinct)).index_add(0, position, values) / counts
    answers = {row.numpy().tobytes(): value for row, value in zip(distinct, means, strict=True)}

    def look_up(queries: Tensor) -> Tensor:
        try:
            return torch.stack([answers[row.detach().numpy().tobytes()] for row in queries])
        except KeyError:
            raise NotApplicable(
                "this problem answers only at the rows it was given; "
                "query rows of `foreground` or `sample`"
            ) from None

    return Source(
        kind="interchange",
        n=rows.shape[1],
        margin=look_up,
        sampler=empirical(rows),
        foreground=distinct,
        baseline=rows.mean(0),
        threshold=torch.zeros(rows.shape[1]),
        any_pattern=False,
    )


def masked(
    function: Callable[[Tensor], Tensor],
    n: int,
    *,
    readout: Readout,
    layout: tuple[int, ...] | None = None,
    unit_names: tuple[str, ...] = (),
    device: torch.device = CPU,
    batch_rows: int | None = None,
) -> Source:
    """Source of one input of a network whose n parts are switched on (+1) and off (-1).

    ``function`` maps (B, n) coordinates in [-1, +1] to margins; +1 stands for the input's own
    value, -1 for the baseline's, anything between for the affine mixture of both. It gets them on
    ``device``, at most ``batch_rows`` at a time; if that is not given, as many as
    `devices.rows_per_batch` measures.
    """
    row = torch.ones(1, n, device=device)
    return Source(
        kind="masked",
        n=n,
        margin=function,
        sampler=uniform_patterns(n),
        uniform=True,
        readout=readout,
        foreground=torch.ones(1, n),
        baseline=-torch.ones(n),
        threshold=torch.zeros(n),
        layout=layout,
        unit_names=unit_names,
        device=device,
        batch_rows=batch_rows or rows_per_batch(lambda k: function(row.expand(k, -1)), device),
    )


def interchange(
    function: Callable[[Tensor], Tensor],
    activations: Float[Tensor, "rows n"],
    *,
    readout: Readout,
    foreground: Float[Tensor, "explained n"],
    heldout: Float[Tensor, "heldout n"] | None = None,
    layout: tuple[int, ...] | None = None,
    unit_names: tuple[str, ...] = (),
    threshold: Float[Tensor, " n"] | None = None,
    notes: tuple[str, ...] = (),
    device: torch.device = CPU,
    batch_rows: int | None = None,
) -> Source:
    """Source of a layer's real activations over a data set; D draws whole rows of them.

    ``function`` maps (B, n) activations on ``device`` to margins, at most ``batch_rows`` at a time;
    if that is not given, as many as `devices.rows_per_batch` measures. The
    baseline is the rows' mean, and a unit is on where it exceeds ``threshold``, zero if not
    given. Scores use the rows ``heldout``, which methods never see.
    """
    n = activations.shape[1]
    row = activations[:1].to(device)
    return Source(
        kind="interchange",
        n=n,
        margin=function,
        sampler=empirical(activations),
        heldout=None if heldout is None else empirical(heldout),
        readout=readout,
        foreground=foreground,
        baseline=activations.mean(0),
        threshold=torch.zeros(n) if threshold is None else threshold,
        layout=layout,
        unit_names=unit_names,
        notes=notes,
        device=device,
        batch_rows=batch_rows or rows_per_batch(lambda k: function(row.expand(k, -1)), device),
    )
