"""Reasons to skip a test: what it needs is not on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
import torch

from actspec_bench.data import present
from actspec_bench.data.finding import VARIABLE
from actspec_bench.tasks.networks.encoder import PACKAGE

needs_mnist = pytest.mark.skipif(not present("mnist"), reason="MNIST is not on this machine")
needs_sst2 = pytest.mark.skipif(not present("sst2"), reason="SST-2 is not on this machine")
needs_data_folder = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"the real data: {VARIABLE} is not set"
)
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)
_encoder = find_spec(PACKAGE) is not None and find_spec("transformers") is not None
needs_encoder = pytest.mark.skipif(not _encoder, reason="the extra minilm is not installed")
needs_minilm = pytest.mark.skipif(
    not (_encoder and present("sst2")),
    reason="the extra minilm is not installed, or SST-2 is not on this machine",
)
