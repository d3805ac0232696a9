"""Rows -> count: the budget that every method is held to."""

from __future__ import annotations

from typing import Literal

from actspec_bench.errors import BudgetExceeded

__all__ = ["DEFAULT_BUDGET", "UNMETERED", "Meter"]

DEFAULT_BUDGET = 10_000
UNMETERED = 2**62


class Meter:
    """Counts rows through a function, forward and backward apart, and enforces the budget.

    Both directions draw on the one budget. A request that would exceed it is refused whole:
    none of its rows is evaluated or counted.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.forward = 0
        self.backward = 0

    @property
    def remaining(self) -> int:
        """Rows, of either direction, that may still be asked for."""
        return self.budget - self.forward - self.backward

    def spend(self, rows: int, direction: Literal["forward", "backward"]) -> None:
        """Count ``rows`` or raise `BudgetExceeded`."""
        if rows > self.remaining:
            raise BudgetExceeded(
                f"{rows:,} {direction} rows were asked for and {self.remaining:,} of the budget of "
                f"{self.budget:,} remain"
            )
        if direction == "forward":
            self.forward += rows
        else:
            self.backward += rows
