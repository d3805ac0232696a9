"""Function of units -> game: coalitions of players, who are present or absent, to values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from numpy import ndarray
    from torch import Tensor

    Coalitions = Bool[ndarray, "coalitions n"] | Bool[ndarray, " n"]

__all__ = ["Game", "pattern_game", "row_game"]

Game = Callable[[Any], Any]


def pattern_game(function: Callable[[Tensor], Tensor], present: float) -> Game:
    r"""Return the game on patterns, (coalitions, n) -> (coalitions,).

    Parameters
    ----------
    present
        What a unit is while its player is present, -1.0 or +1.0; it is the other while absent.
        With -1.0 the library's characters, :math:`(-1)^{|S \cap T|}` of a coalition T, are
        :math:`\chi_S(x)`.
    """

    def values(coalitions: Coalitions) -> Float[ndarray, " coalitions"]:
        x = torch.as_tensor(np.atleast_2d(np.asarray(coalitions, dtype=np.float32)))
        return _numbers(function, present * (2 * x - 1))

    return values


def row_game(
    function: Callable[[Tensor], Tensor], row: Float[Tensor, " n"], baseline: Float[Tensor, " n"]
) -> Game:
    """Return the game of one row: who is present is as in the row, the others at the baseline."""

    def values(coalitions: Coalitions) -> Float[ndarray, " coalitions"]:
        there = torch.as_tensor(np.atleast_2d(np.asarray(coalitions, dtype=bool)))
        return _numbers(function, torch.where(there, row, baseline))

    return values


def _numbers(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "rows n"]
) -> Float[ndarray, " rows"]:
    with torch.no_grad():
        numbers: Float[ndarray, " rows"] = function(x).double().numpy()
    return numbers
