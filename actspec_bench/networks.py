"""Training recipe -> trained weights: a cache keyed by everything the weights depend on."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from actspec_bench.seeds import digest

__all__ = ["cached_weights", "one_thread"]


def cached_weights(
    name: str, train: Callable[[], dict[str, Tensor]], **depends_on: Any
) -> dict[str, Tensor]:
    """Return the weights that ``train`` makes, from the cache if it was run before.

    Parameters
    ----------
    name
        First part of the file's name.
    train
        Deterministic training run; called with one thread, under a lock that other processes
        wait for.
    **depends_on
        Everything the weights depend on, as JSON: data digest, sizes, seed, source hash. The
        version of torch is added here.

    Notes
    -----
    Files are safetensors in the user's cache folder, or in ``ACTSPEC_BENCH_CACHE``. A damaged
    file is made again.
    """
    folder = Path(
        os.environ.get("ACTSPEC_BENCH_CACHE") or user_cache_path("actspec_bench", appauthor=False)
    )
    folder = folder / "networks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(
            f"trained networks cannot be kept in {folder} ({error.strerror}); set "
            "ACTSPEC_BENCH_CACHE to a folder that can be written"
        ) from None
    key = digest(name, depends_on, torch.__version__)
    file = folder / f"{name}-{key[:32]}.safetensors"
    with FileLock(f"{file}.lock"):
        if file.exists():
            try:
                return load_file(file)
            except (SafetensorError, OSError) as error:
                warnings.warn(f"{file.name} is damaged and is made again: {error}", stacklevel=2)
        with one_thread():
            weights = {k: v.detach().contiguous() for k, v in train().items()}
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            save_file(weights, Path(scratch) / file.name)
            (Path(scratch) / file.name).replace(file)
        return weights


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that sums are added in one order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
