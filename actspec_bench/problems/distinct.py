"""Rows -> inputs: which rows are equal."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["first_rows", "in_order_met", "inputs_of", "numbered"]

DIGEST = 16
JUDGED = 1000


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


def in_order_met(numbers: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Number anew, from 0 in the order met."""
    _, number = torch.unique(numbers, return_inverse=True)
    return first_rows(number).argsort().argsort()[number] if len(number) else number


def inputs_of(rows: Float[Tensor, "rows n"]) -> Int[Tensor, " rows"]:
    """Number the independent inputs that rows are: equal rows are one, if not equal by chance.

    Rows of different inputs coincide where units have few values, as on/off states do: each row is
    then an input of its own. They do not where most distinct rows have some value to themselves,
    in a unit with more than two values, not all whole numbers.
    """
    number = numbered(rows)
    first = first_rows(number)
    if len(first) < len(rows) and _coincide(rows[first[:JUDGED]]):
        return torch.arange(len(rows))
    return number


def _coincide(distinct: Float[Tensor, "rows n"]) -> bool:
    own = torch.zeros(len(distinct), dtype=torch.bool)
    for values in distinct.T:
        _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
        if len(counts) > 2 and not torch.equal(values, values.round()):
            own |= counts[place] == 1
    return bool(own.double().mean() <= 0.5)
