"""Shared settings: one thread, and one cache of trained networks for all test processes."""

from __future__ import annotations

import os

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    cache = config.rootpath / ".pytest_cache" / "actspec_bench"
    os.environ.setdefault("ACTSPEC_BENCH_CACHE", str(cache))
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_arithmetic() -> None:
    """What an earlier test or a library it loaded may have changed, and sums depend on."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)
