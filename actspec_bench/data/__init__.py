"""Name -> arrays: the real data sets, which are found or fetched and never shipped."""

from __future__ import annotations

from actspec_bench.data.finding import present
from actspec_bench.data.reading import read_mnist, read_sst2

__all__ = ["catalogue", "fetching", "finding", "present", "read_mnist", "read_sst2"]
