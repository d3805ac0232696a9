"""Process -> all that it started: found, weighed and ended by force.

A process whose parent has ended is adopted by its nearest ancestor that is a *subreaper*, on
Linux (``man 2const PR_SET_CHILD_SUBREAPER``). Every cell is one, so that what a cell starts stays
its own in whatever session, and so is the fork server, for what is left of a cell that ended by
itself. Where there are no subreapers, such a process in a session of its own is out of reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection

import psutil

__all__ = ["adopt_orphans", "end_family", "end_orphans", "family", "resident"]

PR_SET_CHILD_SUBREAPER = 36
SWEEPS = 10


def adopt_orphans() -> bool:
    """Make this process adopt its descendants' orphans; return whether the system can."""
    if sys.platform != "linux":
        return False
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return prctl is not None and prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def family(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants; none once it is gone."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def resident(pid: int | None) -> int:
    """Bytes resident in a process and its descendants; 0 once it is gone."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def end_family(pid: int | None, *, spare: Collection[int] = ()) -> None:
    """Kill a process and its descendants, all but those to ``spare``."""
    for member in family(pid):
        if member.pid not in spare:
            with contextlib.suppress(psutil.Error):
                member.kill()


def end_orphans(adopter: int, living: Collection[int]) -> None:
    """Kill what the subreaper ``adopter`` has adopted from cells that have ended.

    These are its children in other sessions than its own that are not among the ``living``
    cells: a cell begins a session, and what else was forked from the adopter stays in its.
    Nothing is killed unless the adopter is a child of this process, as its fork server is.
    """
    for _ in range(SWEEPS):
        orphans = [pid for pid in _children(adopter) if pid not in living]
        if not orphans:
            return
        for pid in orphans:
            end_family(pid)


def _children(pid: int) -> list[int]:
    """Living children, in sessions of their own, of a process that is a child of this one."""
    found = []
    with contextlib.suppress(psutil.Error, OSError):
        process, session = psutil.Process(pid), os.getsid(pid)
        for child in process.children() if process.ppid() == os.getpid() else []:
            with contextlib.suppress(psutil.Error, OSError):
                ended = child.status() == psutil.STATUS_ZOMBIE
                if not ended and os.getsid(child.pid) != session:
                    found.append(child.pid)
    return found
