"""What a process has that a method may use and must leave as it was."""

from __future__ import annotations

import random
import warnings

import numpy as np
import torch


def set_global_generators(seed: int) -> None:
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)


def global_states() -> list:
    of_numpy = np.random.get_state()  # noqa: NPY002
    return [random.getstate(), str(of_numpy), torch.get_rng_state().tolist()]


def settings() -> list:
    return [
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        np.geterr(),
        list(warnings.filters),
    ]
