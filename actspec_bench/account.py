"""An attribution's ``info`` -> the method's account of its own answer, as far as its form is right.

Any method may give one, a plug-in too, so nothing is taken for granted: a part that is not what
it should be is taken as not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Account"]

Units = tuple[int, ...]


@dataclass(frozen=True)
class Account:
    """What a method says of its own answer.

    Attributes
    ----------
    intervals_95
        (low, high) of each coefficient reported; empty if not told of each.
    stand_ins
        For each subset reported, those that could stand in its place; empty if not told of each.
    unexplained
        Share of the variance that the reported subsets leave, and its 95% interval.
    warnings
        Sentences.
    units_left_out
        Reason -> units that were not searched.
    reason
        Why nothing was found.
    """

    intervals_95: tuple[tuple[float, float], ...] = ()
    stand_ins: tuple[tuple[Units, ...], ...] = ()
    unexplained: tuple[float, float, float] | None = None
    warnings: tuple[str, ...] = ()
    units_left_out: Mapping[str, Units] | None = None
    reason: str = ""

    @classmethod
    def of(cls, info: Mapping[str, Any], subsets: int) -> Account:
        """Read the account from the ``info`` of an attribution of so many subsets."""
        from pydantic import ValidationError

        told = {}
        for name, form in _forms().items():
            if info.get(name) is None:
                continue
            try:
                told[name] = form.validate_python(info[name])
            except ValidationError:
                continue
        for name in ("intervals_95", "stand_ins"):
            if name in told and len(told[name]) != subsets:
                del told[name]
        if "stand_ins" in told:
            told["stand_ins"] = tuple(
                tuple(tuple(sorted(other)) for other in others) for others in told["stand_ins"]
            )
        return cls(**told)


@cache
def _forms() -> dict[str, Any]:
    from typing import get_type_hints

    from pydantic import TypeAdapter

    return {name: TypeAdapter(form) for name, form in get_type_hints(Account).items()}
