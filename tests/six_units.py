"""A function of six units at all its patterns, and what subsets explain of it, exactly."""

from __future__ import annotations

import numpy as np
import torch

from actspec_bench.fourier.spectrum import all_patterns, characters, membership

PATTERNS = all_patterns(6)
TERMS = {(0, 1): 1.0, (2,): 0.6, (0, 1, 3): 0.5, (4, 5): 0.3, (3,): 0.2}
FOUND = [(0, 1), (2,), (0, 1, 3), (4,), (1, 2)]


def function(terms: dict[tuple[int, ...], float]) -> torch.Tensor:
    """Values at all patterns of six units."""
    weights = torch.tensor(list(terms.values()), dtype=torch.float64)
    return characters(PATTERNS, membership(list(terms), 6)).double() @ weights


def explained(values: torch.Tensor, found: list[tuple[int, ...]], chances: np.ndarray) -> float:
    """Share of the variance that the best function of the characters explains, exactly."""
    design = characters(PATTERNS, membership([(), *found], 6)).double().numpy()
    f, root = values.numpy(), np.sqrt(chances)
    weights = np.linalg.lstsq(design * root[:, None], f * root, rcond=None)[0]
    rest = np.sum(chances * (f - design @ weights) ** 2)
    return 1 - rest / (np.sum(chances * f**2) - np.sum(chances * f) ** 2)
