"""A call of a method -> what came of it: its result, or a status with the reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from actspec_bench.errors import BudgetExceeded, Missing, NotApplicable

__all__ = ["Attempt", "Status", "attempt"]

Status = Literal["ok", "error", "timeout", "over-budget", "absent", "unsupported", "skipped"]


@dataclass(frozen=True)
class Attempt:
    """What a call returned (None unless its status is ``ok``), and the seconds that it took."""

    status: Status
    reason: str
    seconds: float
    result: Any = None


def attempt(work: Callable[[], Any]) -> Attempt:
    """Call ``work``; whatever it raises becomes a status."""
    status: Status = "ok"
    reason, result = "", None
    began = time.perf_counter()
    try:
        result = work()
    except Missing as error:
        status, reason = "absent", str(error)
    except NotApplicable as error:
        status, reason = "unsupported", str(error)
    except BudgetExceeded as error:
        status, reason = "over-budget", str(error)
    except Exception as error:
        status, reason = "error", f"{type(error).__name__}: {error}"
    return Attempt(status, reason, time.perf_counter() - began, result)
