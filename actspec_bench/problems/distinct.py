"""Rows -> inputs: which rows are equal."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["first_rows", "inputs_of", "numbered"]

DIGEST = 16
NOISE_SHARE = 0.01


def numbered(rows: Float[Tensor, "rows n"]) -> Int[Tensor, " rows"]:
    """Number distinct rows in the order met: equal rows have one number; 0 and -0 are equal."""
    numbers: dict[bytes, int] = {}
    found = [
        numbers.setdefault(blake2b(row.tobytes(), digest_size=DIGEST).digest(), len(numbers))
        for row in (rows.detach() + 0.0).contiguous().numpy()
    ]
    return torch.tensor(found, dtype=torch.long)


def first_rows(numbers: Int[Tensor, " rows"]) -> Int[Tensor, " inputs"]:
    """Return the position of the first row of each number; numbers are in the order met."""
    count = int(numbers.max()) + 1 if len(numbers) else 0
    first = torch.full((count,), len(numbers))
    return first.scatter_reduce(0, numbers, torch.arange(len(numbers)), "amin")


def inputs_of(
    rows: Float[Tensor, "rows n"], values: Float[Tensor, " rows"] | None = None
) -> Int[Tensor, " rows"]:
    """Number the independent inputs that rows are: equal rows are one.

    But where every unit has two values at most, few rows are distinct whatever the number of inputs
    that they come from. If then equal rows differ in their values, by a hundredth of the variance
    or more, each row is an observation of its own.
    """
    number = numbered(rows)
    if values is None or not len(rows):
        return number
    count = int(number.max()) + 1
    size = torch.bincount(number, minlength=count).double()
    mean = torch.zeros(count, dtype=torch.float64).index_add(0, number, values.double()) / size
    within = (values.double() - mean[number]).square().mean()
    spread = values.double().var(correction=0)
    extremes = torch.stack([rows.amin(0), rows.amax(0)])
    of_two = bool(((rows == extremes[0]) | (rows == extremes[1])).all())
    if of_two and float(within) > NOISE_SHARE * float(spread):
        return torch.arange(len(rows))
    return number
