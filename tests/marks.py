"""Reasons to skip a test: what it needs is not on this machine."""

from __future__ import annotations

import os

import pytest
import torch

from actspec_bench.data import present
from actspec_bench.data.finding import VARIABLE

needs_mnist = pytest.mark.skipif(not present("mnist"), reason="MNIST is not on this machine")
needs_sst2 = pytest.mark.skipif(not present("sst2"), reason="SST-2 is not on this machine")
needs_data_folder = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"the real data: {VARIABLE} is not set"
)
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)
