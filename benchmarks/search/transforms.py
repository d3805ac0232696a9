"""Walsh-Hadamard transforms side by side: seconds of each against the size of the array."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.fourier.spectrum import walsh_hadamard_
from actspec_bench.running.threads import one_thread_each

__all__ = ["OURS", "PASSES", "Timing", "transforms"]

PASSES = "twenty passes"
OURS = "walsh_hadamard_"
COUNT_OF_PASSES = 20
ROUNDS = 15
LONGEST_CALL = 2.0
# A round calls a short one until this has passed, since its first call finds cold caches.
LEAST_SECONDS = 2e-3
LARGEST_MATRIX = 2**12


@dataclass(frozen=True)
class Timing:
    """Seconds of one transform of 2^n numbers, the least of its rounds, or why there are none.

    ``error`` is the largest difference from the sums in float64, as a share of the largest.
    """

    transform: str
    threads: int
    n: int
    seconds: float | None = None
    error: float | None = None
    reason: str = ""


def _passes(x: Tensor) -> None:
    for _ in range(COUNT_OF_PASSES):
        x.mul_(1.0)


def _ours(x: Tensor) -> Callable[[], Any]:
    work = x.clone()
    # Zeros do not grow from round to round, and take as long.
    zeros = torch.zeros_like(x)
    calls = iter([work])
    return lambda: walsh_hadamard_(next(calls, zeros))


def _scipy(x: Tensor) -> Callable[[], Any]:
    from scipy.linalg import hadamard

    if len(x) > LARGEST_MATRIX:
        raise MemoryError(f"its matrix has {len(x):,} x {len(x):,} entries")
    matrix, values = hadamard(len(x), dtype=np.float32), x.numpy()
    return lambda: matrix @ values


def _sympy(x: Tensor) -> Callable[[], Any]:
    from sympy.discrete.transforms import fwht

    values = x.tolist()
    return lambda: fwht(values)


def _boofun(x: Tensor) -> Callable[[], Any]:
    from boofun.core.optimizations import get_best_wht_implementation

    best = get_best_wht_implementation()[0]
    values = x.double().numpy()
    # It divides by the number of values.
    return lambda: best(values.copy()) * len(values)


TRANSFORMS: dict[str, tuple[str, Callable[[Tensor], Callable[[], Any]]]] = {
    OURS: ("", _ours),
    PASSES: ("", lambda x: lambda: _passes(x)),
    "scipy hadamard @ x": ("", _scipy),
    "sympy fwht": ("sympy", _sympy),
    "boofun": ("boofun", _boofun),
}


def _measured(n: int, threads: int, slow: dict[str, str]) -> list[Timing]:
    """Time transforms of 2^n numbers in interleaved rounds; ``slow`` says who is left out.

    On more than one thread ours and the passes alone: the others run on one, or on threads of
    another library that keep the cores busy when its work is done.
    """
    x = torch.from_numpy(np.random.default_rng(n).standard_normal(2**n).astype(np.float32))
    exact = walsh_hadamard_(x.double()).numpy()
    done: dict[str, Timing] = {}
    works: dict[str, Callable[[], Any]] = {}
    times: dict[str, list[float]] = {}
    firsts: dict[str, float] = {}
    for name in TRANSFORMS if threads == 1 else (OURS, PASSES):
        package, make = TRANSFORMS[name]
        done[name] = Timing(name, threads, n)
        reason = slow.get(name, "")
        if package and find_spec(package) is None:
            reason = f"{package} not installed: pip install 'actspec-bench[search]'"
        try:
            work = None if reason else make(x)
        except MemoryError as error:
            work, reason = None, str(error)
        if work is None:
            done[name] = replace(done[name], reason=reason)
            continue
        began = time.perf_counter()
        result = work()
        first = time.perf_counter() - began
        if name != PASSES:
            off = np.abs(np.asarray(result, dtype=float) - exact).max() / np.abs(exact).max()
            done[name] = replace(done[name], error=float(off))
        if first < LONGEST_CALL:
            works[name], times[name], firsts[name] = work, [], first
        else:
            times[name] = [first]
    for _ in range(ROUNDS):
        for name, work in works.items():
            calls = max(1, round(LEAST_SECONDS / firsts[name]))
            began = time.perf_counter()
            for _ in range(calls):
                work()
            times[name].append((time.perf_counter() - began) / calls)
    return [
        replace(timing, seconds=min(times[name])) if name in times else timing
        for name, timing in done.items()
    ]


def _serve(connection: Any, threads: int, sizes: list[int]) -> None:
    torch.set_num_threads(threads)
    last: dict[str, Timing] = {}
    for n in sizes:
        slow = {
            name: f"2^{t.n} took {t.seconds:.2g} s"
            for name, t in last.items()
            if t.seconds is not None and t.seconds * 2 ** (n - t.n) > LONGEST_CALL
            if name not in {OURS, PASSES}
        }
        for timing in _measured(n, threads, slow):
            connection.send(timing)
            if timing.seconds is not None:
                last[timing.transform] = timing
    connection.send(None)


def transforms(sizes: list[int]) -> Iterator[Timing]:
    """Time all transforms of 2^n float32 numbers, on one thread and on all."""
    context = multiprocessing.get_context("spawn")
    for threads in sorted({1, os.cpu_count() or 1}):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, threads, sizes), daemon=True)
        if threads == 1:
            with one_thread_each():
                process.start()
        else:
            process.start()
        theirs.close()
        try:
            while (timing := ours.recv()) is not None:
                yield timing
        finally:
            ours.close()
            process.join(10)
            if process.is_alive():
                process.kill()
