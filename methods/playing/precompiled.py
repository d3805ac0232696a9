"""Importing this compiles SPEX's decoder for up to 92 units, for 5 to 40 s, if shapiq is there.

A card names it, so that a harness which imports such modules beforehand, in the process that it
forks its cells from, compiles once and not in every cell. The decoder of degree 5 takes its
arithmetic from GF(64) for 12 to 36 units, and from GF(128) up to 92; others are compiled when
they are used.
"""

from __future__ import annotations

import contextlib
from importlib.util import find_spec

from actspec_bench.methods.playing.compiling import compiled, without_loops_in_threads

DEGREE = 5
UNITS = (36, 92)


def _compile() -> None:
    with without_loops_in_threads() as can_fork:
        # Threads that ran here would be fatal to cells forked from here.
        if can_fork:
            for n in UNITS:
                compiled(n, DEGREE)


if find_spec("shapiq") and find_spec("sparse_transform"):
    # What fails here fails again, and is told, where it is used.
    with contextlib.suppress(Exception):
        _compile()
