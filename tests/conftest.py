"""Shared settings: one thread, and one cache of trained networks for all test processes.

Fixtures that tests of several wings use are here too.
"""

from __future__ import annotations

import os
from pathlib import Path

import mirror
import pytest
import torch
from command_line import QUICK, run

from actspec_bench.data.catalogue import CATALOGUE
from actspec_bench.data.finding import VARIABLE


def pytest_configure(config: pytest.Config) -> None:
    cache = config.rootpath / ".pytest_cache" / "actspec_bench"
    os.environ.setdefault("ACTSPEC_BENCH_CACHE", str(cache))
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_arithmetic() -> None:
    """What an earlier test or a library it loaded may have changed, and sums depend on."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of data, and a small MNIST in the catalogue."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "mnist", mirror.small_mnist())
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one cell."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    assert run("run", *QUICK, "--out", folder).returncode == 0
    return folder
