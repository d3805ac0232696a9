"""Rows -> Markdown, and a figure's verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

__all__ = ["Verdict", "grid", "reasons", "short"]

LONGEST = 160


@dataclass(frozen=True)
class Verdict:
    """What was measured for a figure, and whether it is reached; None if nothing was."""

    measured: str
    reached: bool | None

    @property
    def text(self) -> str:
        """As a table shows it."""
        return {True: "reached", False: "**not reached**", None: "not measured"}[self.reached]


def grid(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Return a Markdown table of texts as they are."""
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def short(reason: str) -> str:
    """Return a reason as one cell of a table shows it."""
    text = reason.replace("\n", " ").replace("|", "/")
    return text if len(text) < LONGEST else f"{text[: LONGEST - 3]}..."


def reasons(told: Mapping[tuple[str, str], Iterable[str]], places: str) -> list[str]:
    """Tell every way in which something has no result, with the places it holds in.

    Parameters
    ----------
    told
        Reasons by place and method.
    places
        What several places are called.
    """
    where: dict[tuple[str, str], list[str]] = {}
    for (place, method), found in told.items():
        for reason in dict.fromkeys(found):
            where.setdefault((method, short(reason)), []).append(place)
    if not where:
        return []
    rows = [
        [method, reason, names[0] if len(names) == 1 else f"{len(names)} {places}"]
        for (method, reason), names in where.items()
    ]
    return ["## What has no result", grid(rows, ["method", "reason", "where"])]
