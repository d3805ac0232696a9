"""Other people's search that is no registered method: problem -> subset -> coefficient.

Its package is imported when it runs and belongs to the extra ``search``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["Spectrum", "boofun_search"]

Spectrum = dict["Subset", float]
BOOFUN_THRESHOLD = 0.3


def boofun_search(problem: Problem, seed: int) -> Spectrum:
    """Boofun's ``goldreich_levin``; it reads (0, 1) with 0 as +1, one point a call."""
    import boofun
    from boofun.analysis.learning import goldreich_levin

    n = problem.n

    def point(bits: Any) -> int:
        x = 1.0 - 2.0 * torch.as_tensor(np.asarray(bits, dtype=np.float32))[None]
        return int(problem.value(x)[0] < 0)

    oracle = boofun.create(point, n=n, storage="lazy")
    generator = np.random.default_rng(seed)
    heavy = goldreich_levin(oracle, threshold=BOOFUN_THRESHOLD, rng=generator)
    return {tuple(i for i in range(n) if int(mask) >> i & 1): c for mask, c in heavy if mask}
