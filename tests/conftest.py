"""Shared settings: one thread, and a cache of trained networks that all test processes share."""

from __future__ import annotations

import os

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    os.environ["ACTSPEC_BENCH_CACHE"] = str(config.rootpath / ".pytest_cache" / "actspec_bench")
    torch.set_num_threads(1)
