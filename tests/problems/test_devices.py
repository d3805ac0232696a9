"""Which device there is, and how many rows it is given at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from actspec_bench import Problem
from actspec_bench.errors import UsageError
from actspec_bench.problems import devices


def test_batches_are_sized_by_what_a_row_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of width w makes w floats, then 2w, then one: 12 w + 4 bytes."""
    width = 1_000
    weight = torch.ones(width, 2 * width)

    def run(rows: int) -> Tensor:
        return (torch.ones(rows, width) @ weight).sum(1)

    cpu = torch.device("cpu")
    for rows in (1, 64, 4096):
        monkeypatch.setattr(devices, "CPU_BATCH_BYTES", rows * (12 * width + 4))
        assert devices.rows_per_batch(run, cpu) == rows
        monkeypatch.setattr(devices, "CPU_BATCH_BYTES", rows * (12 * width + 4) - 1)
        assert devices.rows_per_batch(run, cpu) == max(1, rows // 2)
    monkeypatch.undo()
    assert devices.rows_per_batch(torch.ones, cpu) == devices.MOST_ROWS


def test_a_network_with_large_maps_gets_small_batches() -> None:
    maps = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    images = torch.randn(4, 1, 40, 40)
    maps(images)
    problem = Problem.from_module(maps, layer="1", inputs=images, target=0, readout="margin")
    each = 64 * 40 * 40 * 4
    rows = problem._source.batch_rows
    assert devices.CPU_BATCH_BYTES / 8 < rows * each <= devices.CPU_BATCH_BYTES


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.resolve("auto") == devices.resolve("cuda") == "cuda"
    assert devices.resolve("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve("auto") == "cpu"
    with pytest.raises(UsageError, match="no CUDA device here; use --device cpu"):
        devices.resolve("cuda")
    with pytest.raises(UsageError, match="must be auto, cpu or cuda, not 'tpu'"):
        devices.resolve("tpu")
