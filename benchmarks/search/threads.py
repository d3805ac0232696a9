"""Environment of child processes that are to run on one thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_thread"]

THREADS = ("OMP", "MKL", "OPENBLAS", "NUMBA")


@contextmanager
def one_thread() -> Iterator[None]:
    """Environment of a child with one thread in every library that it may use."""
    names = [f"{library}_NUM_THREADS" for library in THREADS]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
