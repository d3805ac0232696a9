"""Recipe -> tensors, such as trained weights: a cache keyed by everything they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from actspec_bench.seeds import digest

__all__ = ["cached_tensors", "one_thread", "recipe_digest", "weights_digest"]


@cache
def recipe_digest(*files: str) -> str:
    """SHA-256 of source files, for a key: a changed recipe is run anew."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(Path(file).read_bytes())
    return sha.hexdigest()


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of a network's weights and buffers, for the key of what is computed from them."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def cached_tensors(
    name: str, make: Callable[[], dict[str, Tensor]], **depends_on: Any
) -> dict[str, Tensor]:
    """Return the tensors that ``make`` makes, from the cache if it was run before.

    Parameters
    ----------
    name
        First part of the file's name.
    make
        Deterministic, such as a training run; called with one thread, under a lock that other
        processes wait for.
    **depends_on
        Everything the tensors depend on, as JSON: data digest, sizes, seed, source hash. The
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
            made = {k: v.detach().contiguous() for k, v in make().items()}
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            save_file(made, Path(scratch) / file.name)
            (Path(scratch) / file.name).replace(file)
        return made


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that sums are added in one order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
