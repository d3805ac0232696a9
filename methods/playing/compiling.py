"""Code -> SPEX's decoder, compiled: once a process, and apart from the search itself.

Its arithmetic in finite fields is compiled by numba when it is first used, field by field, and
cannot be kept on disk: the compiled functions hold the tables of their field. That takes 5 to 40
seconds, where a search takes one.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from actspec_bench.methods.playing.codes import bch_code, least_masks
from actspec_bench.methods.playing.library import approximator, one_thread

__all__ = ["compiled", "without_loops_in_threads"]

_seconds: dict[tuple[int, int], float] = {}


def compiled(n: int, degree: int) -> float:
    """Have the decoder for n units and a degree ready, and return the seconds that this took.

    In all in this process, or in the one it was forked from, up to and with this decoder: they
    share fields, and the first of them takes most.
    """
    code = degree, bch_code(n, degree).m
    if code not in _seconds:
        began = time.perf_counter()
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            with one_thread(), without_loops_in_threads():
                spex = approximator("SPEX")(
                    n=n, index="FBII", max_order=n, degree_parameter=degree, random_state=0
                )
                spex.approximate(least_masks(n, degree), _first_unit)
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
        _seconds[code] = max(_seconds.values(), default=0.0) + time.perf_counter() - began
    return _seconds[code]


def _first_unit(coalitions: Any) -> Any:
    return 1.0 - 2.0 * np.asarray(coalitions)[:, 0]


@contextlib.contextmanager
def without_loops_in_threads() -> Iterator[bool]:
    """Have galois compile its loops for one thread meanwhile; yields whether it can be told so.

    A loop of theirs runs over the dozen roots of a code, and is 20 to 60 times slower in
    threads. Threads would also make every later fork of the process fatal, as GNU OpenMP does
    not survive one. The library has no public setting for it.
    """
    try:
        base = importlib.import_module("galois._domains._function").Function
    except (ImportError, AttributeError):
        yield False
        return
    threaded = [kind for kind in _below(base) if vars(kind).get("_PARALLEL")]
    for kind in threaded:
        kind._PARALLEL = False
    try:
        yield hasattr(base, "_PARALLEL")
    finally:
        for kind in threaded:
            kind._PARALLEL = True


def _below(kind: Any) -> Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
