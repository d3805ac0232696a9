"""Inputs -> the first whose decision changes often enough, with its margins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.caching import cached_tensors, recipe_digest
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.problems.kinds import uniform_patterns

if TYPE_CHECKING:
    from jaxtyping import Float

SMALLEST_CHANGE = 0.1
SCREENED_ROWS = 1024
DRAWN_ROWS = 256
CHUNK_ROWS = 4096
# 2^64 times the golden ratio (Knuth, TAOCP 3, section 6.4): exact for turns of any size.
GOLDEN_STEP = 0x9E3779B97F4A7C15


def enumerated_margins(
    margin: Callable[[Tensor], Tensor], n: int
) -> Float[Tensor, " patterns"] | None:
    """Margins of all 2^n patterns, or None if hardly any of them changes the decision.

    An input is taken only if its decision changes in at least a tenth of the patterns (and stays
    in at least a tenth): otherwise the decision is nearly constant, and its spectrum tells
    little. Inputs that are far from it on 1,024 random patterns are not enumerated: of an input
    that serves, the share of changes found there is below a twentieth about once in ten million
    times (binomial, 5.3 standard deviations).
    """
    with torch.no_grad():
        if 2**n > SCREENED_ROWS:
            drawn = uniform_patterns(n)(SCREENED_ROWS, torch.Generator().manual_seed(0))
            share = float((margin(drawn) < 0).float().mean())
            if not SMALLEST_CHANGE / 2 <= share <= 1 - SMALLEST_CHANGE / 2:
                return None
        margins = torch.cat([margin(part) for part in torch.split(all_patterns(n), CHUNK_ROWS)])
    changed = float((margins < 0).float().mean())
    return margins if SMALLEST_CHANGE <= changed <= 1 - SMALLEST_CHANGE else None


def drawn_margins(margin: Callable[[Tensor], Tensor], n: int) -> Float[Tensor, " rows"] | None:
    """Margins of 256 random patterns, or None if hardly any of them changes the decision.

    For inputs with too many parts to be enumerated; the share of changes among those that are
    drawn, whose standard error is at most 0.03, is held to the same limits.
    """
    with torch.no_grad():
        margins = margin(uniform_patterns(n)(DRAWN_ROWS, torch.Generator().manual_seed(0)))
    changed = float((margins < 0).float().mean())
    return margins if SMALLEST_CHANGE <= changed <= 1 - SMALLEST_CHANGE else None


def in_turn(inputs: Sequence[int], turn: int) -> list[int]:
    """Inputs in a fixed random order, which each ``turn`` starts elsewhere.

    Each start is the golden ratio of the list after the last, because such starts lie far apart
    (Knuth, TAOCP 3, section 6.4, theorem S), so that turns seldom meet the same input.
    """
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    shift = len(inputs) * (turn * GOLDEN_STEP % 2**64) >> 64
    return [inputs[i] for i in order.roll(-shift).tolist()]


def searched(
    name: str,
    inputs: Callable[[], Sequence[int]],
    margin_of: Callable[[int], Callable[[Tensor], Tensor]],
    n: Callable[[int], int],
    depends_on: dict[str, Any],
    *,
    margins_of: Callable[[Callable[[Tensor], Tensor], int], Tensor | None] = enumerated_margins,
) -> tuple[int, Float[Tensor, " patterns"]]:
    """First of the inputs whose decision changes often enough, and its margins; from the cache.

    Parameters
    ----------
    name, depends_on
        The cache's key: everything that the margins depend on (see `caching.cached_tensors`).
    inputs
        Makes the inputs, in the order in which they are tried.
    margin_of
        Input -> its margin as a function of (B, n) patterns.
    n
        Input -> its number of units.
    margins_of
        `enumerated_margins`, or `drawn_margins` where n is too large for it.

    Raises
    ------
    RuntimeError
        None of the inputs serves.
    """

    def search() -> dict[str, Tensor]:
        for position in inputs():
            units = n(position)
            margins = margins_of(margin_of(position), units)
            if margins is not None:
                return {"position": torch.tensor(position), "margins": margins}
        raise RuntimeError(f"{name}: no input's decision changes in a tenth of the patterns")

    found = cached_tensors(name, search, search=recipe_digest(__file__), key=depends_on)
    return int(found["position"]), found["margins"]
