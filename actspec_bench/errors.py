"""The ways work can stop: each exception is one status or one exit code."""

from __future__ import annotations

__all__ = [
    "BudgetExceeded",
    "DataError",
    "Missing",
    "NotApplicable",
    "StoreError",
    "Undefined",
    "UsageError",
    "nearest",
]


class UsageError(ValueError):
    """A user's mistake: nothing ran. One sentence with the remedy; exit code 2."""


class StoreError(UsageError):
    """A result folder that cannot be read or written. One sentence with the remedy."""


class DataError(Exception):
    """A data set that cannot be fetched, or is another than its name says. Exit code 1."""


class NotApplicable(Exception):
    """A method cannot serve this problem: the cell is ``skipped``."""


class Missing(NotApplicable):
    """A data set or optional package is not there: the cell is ``skipped`` until it is.

    Parameters
    ----------
    message
        One sentence with the remedy.
    lacks
        Name of what is not there, such as ``"mnist"``; the record keeps it.
    """

    def __init__(self, message: str, *, lacks: str) -> None:
        super().__init__(message)
        self.lacks = lacks


class BudgetExceeded(Exception):
    """The next rows would exceed the budget; none of them was evaluated."""


class Undefined(Exception):
    """A metric has no value for this outcome; the message is the stored reason."""


def nearest(name: str, known: list[str]) -> str:
    """Hint for a mistyped name: the close match, or the list of what there is."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}"
