"""Function or rows -> source: the kinds of problem there are, and their distributions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.devices import rows_per_batch
from actspec_bench.problems.distinct import inputs_of, numbered
from actspec_bench.problems.source import CPU, Empirical, Readout, Sampler, Source, check_units

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = [
    "FOREGROUND_ROWS",
    "binary",
    "given",
    "interchange",
    "masked",
    "uniform_patterns",
]

FOREGROUND_ROWS = 32
ASIDE = 0.25
LEAST_SPLIT = 80
COINCIDE = (
    "the {rows:,} rows have {distinct:,} distinct patterns of few values, and each counts as an "
    "input of its own: if some are copies of one input, say so by inputs="
)


def uniform_patterns(n: int) -> Sampler:
    """Sampler of the uniform distribution on {-1, +1}^n."""
    check_units(n)

    def sample(k: int, generator: torch.Generator) -> Tensor:
        return torch.randint(0, 2, (k, n), generator=generator).float() * 2 - 1

    return sample


def kept_aside(
    number: Int[Tensor, " rows"], *, explained: int = 0
) -> tuple[Int[Tensor, " seen"], Int[Tensor, " aside"], str]:
    """Split rows into those that methods see and those of a quarter of the inputs, for scores.

    ``number`` tells each row's input, all rows of which stay together. Inputs among the first
    ``explained`` rows are always seen. Of fewer than 80 inputs nothing is kept aside; else a
    sentence tells it.
    """
    inputs = int(number.max()) + 1
    aside = int(ASIDE * inputs) if inputs >= LEAST_SPLIT else 0
    order = torch.randperm(inputs, generator=torch.Generator().manual_seed(0))
    free = torch.ones(inputs, dtype=torch.bool)
    free[number[:explained]] = False
    apart = torch.zeros(inputs, dtype=torch.bool)
    apart[order[free[order]][:aside]] = True
    told = (
        f"{aside:,} of the {inputs:,} inputs are kept aside: methods do not see them, and scores "
        "and energies are estimated on them"
    )
    seen, kept = (torch.nonzero(part[number])[:, 0] for part in (~apart, apart))
    return seen, kept, told if aside else ""


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


def given(x: Any, y: Any, *, heldout: tuple[Any, Any] | None = None, inputs: Any = None) -> Source:
    """Source of rows and values that cannot be queried further; see `Problem.from_samples`."""
    rows, values = _checked_rows(x, y)
    number = inputs_of(rows) if inputs is None else _numbers(inputs, len(rows))
    notes: tuple[str, ...] = ()
    if inputs is None and not torch.equal(number, numbered(rows)):
        notes = (COINCIDE.format(rows=len(rows), distinct=int(numbered(rows).max()) + 1),)
    apart: tuple[Tensor, Tensor] | None = None
    if heldout is not None:
        if not isinstance(heldout, tuple | list) or len(heldout) != 2:
            raise ValueError("heldout must be a pair (x, y), rows and their values")
        apart = _checked_rows(*heldout, "heldout ", width=rows.shape[1])
        notes = (*notes, *_seen_before(rows, apart[0]))
    else:
        seen, aside, told = kept_aside(number)
        apart = (rows[aside], values[aside]) if told else None
        notes = (*notes, told) if told else notes
        rows, values, number = rows[seen], values[seen], number[seen]
    answers = {} if apart is None else _means(*apart)
    answers |= _means(rows, values)

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
        sampler=Empirical(rows, values, number),
        heldout=None if apart is None else Empirical(*apart),
        foreground=torch.unique(rows, dim=0),
        baseline=rows.mean(0),
        threshold=torch.zeros(rows.shape[1]),
        any_pattern=False,
        notes=notes,
    )


def _numbers(inputs: Any, rows: int) -> Tensor:
    labels = np.asarray(inputs)
    if labels.shape != (rows,):
        raise ValueError(f"inputs must have shape ({rows},), a label a row, not {labels.shape}")
    return torch.from_numpy(np.unique(labels, return_inverse=True)[1])


def _checked_rows(
    x: Any, y: Any, of: str = "", *, width: int | None = None
) -> tuple[Tensor, Tensor]:
    rows = torch.as_tensor(x, dtype=torch.get_default_dtype())
    values = torch.as_tensor(y, dtype=torch.get_default_dtype())
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"{of}x must have shape (rows, n) with rows, not {tuple(rows.shape)}")
    if width is not None and rows.shape[1] != width:
        raise ValueError(f"heldout rows must have {width} units, not {rows.shape[1]}")
    if values.shape != (len(rows),):
        raise ValueError(f"{of}y must have shape ({len(rows)},), not {tuple(values.shape)}")
    if not (torch.isfinite(rows).all() and torch.isfinite(values).all()):
        raise ValueError(f"{of}x and y must be finite; drop or fill the rows that are not")
    return rows, values


def _seen_before(rows: Tensor, heldout: Tensor) -> tuple[str, ...]:
    """A sentence where held-out rows are among those that methods see, not just equal by chance."""
    sums, held = rows.sum(1, dtype=torch.double), heldout.sum(1, dtype=torch.double)
    some, others = rows[torch.isin(sums, held)], heldout[torch.isin(held, sums)]
    number = inputs_of(torch.cat([some, others]))
    again = int(torch.isin(number[len(some) :], number[: len(some)]).sum())
    if not again:
        return ()
    seen = f"{again:,} of the {len(heldout):,} held-out rows are among the rows that methods see"
    return (f"{seen}: what is estimated on them says little of fresh inputs",)


def _means(rows: Tensor, values: Tensor) -> dict[bytes, Tensor]:
    """Mean value of each distinct row, by its bytes."""
    distinct, position, counts = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    means = torch.zeros(len(distinct)).index_add(0, position, values) / counts
    return {row.numpy().tobytes(): value for row, value in zip(distinct, means, strict=True)}


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
    module: Callable[[], nn.Module] | None = None,
) -> Source:
    """Source of a layer's real activations over a data set; D draws whole rows of them.

    ``function`` maps (B, n) activations on ``device`` to margins, at most ``batch_rows`` at a time;
    if that is not given, as many as `devices.rows_per_batch` measures. The
    baseline is the rows' mean, and a unit is on where it exceeds ``threshold``, zero if not
    given. ``module`` makes the function as a network that may be hooked, if it is no network
    itself. Scores use the rows ``heldout``, which methods never see; if there are none, a quarter
    of the activations is kept aside for them (`kept_aside`).
    """
    n = activations.shape[1]
    baseline = activations.mean(0)
    for what, rows in (("inputs", activations), ("heldout", heldout)):
        if rows is not None and not (rows.ndim == 2 and rows.shape[1] == n and len(rows)):
            raise ValueError(
                f"the layer has {n} units for the inputs, and shape {tuple(rows.shape)} for {what}"
            )
        # A sum that is finite has finite terms, and takes a tenth of the time of looking at each.
        if rows is not None and not (rows.sum().isfinite() or torch.isfinite(rows).all()):
            raise ValueError(f"the layer's activations for {what} are not all finite: drop those")
    number: Tensor | Callable[[], Tensor] = partial(inputs_of, activations)
    if heldout is None:
        number = inputs_of(activations)
        seen, aside, told = kept_aside(number, explained=FOREGROUND_ROWS)
        if told:
            notes = (*notes, told)
            heldout, activations, number = activations[aside], activations[seen], number[seen]
    else:
        notes = (*notes, *_seen_before(activations, heldout))
    row = activations[:1].to(device)
    return Source(
        kind="interchange",
        n=n,
        margin=function,
        sampler=Empirical(activations, inputs=number),
        heldout=None if heldout is None else Empirical(heldout),
        readout=readout,
        foreground=foreground,
        baseline=baseline,
        threshold=torch.zeros(n) if threshold is None else threshold,
        layout=layout,
        unit_names=unit_names,
        notes=notes,
        device=device,
        module=module,
        batch_rows=batch_rows or rows_per_batch(lambda k: function(row.expand(k, -1)), device),
    )
