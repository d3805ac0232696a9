"""Digits -> trained network -> its hidden layer, and the patches of a digit."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from actspec_bench.caching import cached_tensors, recipe_digest
from actspec_bench.tasks.enumeration.parts import Parts
from actspec_bench.tasks.enumeration.patches import Patches, patch_parts
from actspec_bench.tasks.networks import training
from actspec_bench.tasks.networks.bottleneck import Bottleneck
from actspec_bench.tasks.networks.training import fit, initialise

WIDTHS = (64, 64, 32, 10)
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-4
TEST_SHARE = 0.25
PATCHES = Patches(side=8, blocks=4)
_RECIPE = recipe_digest(__file__, training.__file__)


@cache
def _data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Train and test rows in [0, 1], shape (rows, 64), and their labels; one fixed split."""
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images.astype(np.float32) / 16,
        labels,
        test_size=TEST_SHARE,
        stratify=labels,
        random_state=0,
    )
    x, test = torch.from_numpy(train_x), torch.from_numpy(test_x)
    return x, torch.from_numpy(train_y), test, torch.from_numpy(test_y)


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside in pairwise(WIDTHS):
        layers += [nn.Linear(inside, outside), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _train(seed: int) -> dict[str, Tensor]:
    x, y, _, _ = _data()
    generator = torch.Generator().manual_seed(seed)
    model = _network()
    initialise(model, generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    fit(model, x, y, optimizer=optimizer, epochs=EPOCHS, batch=BATCH, generator=generator)
    return model.state_dict()


def trained_network(seed: int) -> tuple[nn.Sequential, float]:
    """Return the network of ``seed`` and its share of test digits classified right."""
    x, y, test_x, test_y = _data()
    data = hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
    weights = cached_tensors(
        "digits",
        lambda: _train(seed),
        seed=seed,
        data=data,
        recipe=_RECIPE,
    )
    model = _network()
    model.load_state_dict(weights)
    model.requires_grad_(False).eval()
    return model, float((model(test_x).argmax(1) == test_y).float().mean())


def _images() -> Tensor:
    """Training digits as images, shape (rows, 8, 8)."""
    return _data()[0].reshape(-1, PATCHES.side, PATCHES.side)


def layer(seed: int) -> Bottleneck:
    """First hidden layer over the training digits."""
    model, accuracy = trained_network(seed)
    train_x, _, test_x, _ = _data()
    before, heldout = model[0](train_x), model[0](test_x)
    return Bottleneck(
        before, heldout, model[1], model[2:], _images, facts={"test_accuracy": accuracy}
    )


def patches(seed: int) -> Parts:
    """Patches of a test digit."""
    model, accuracy = trained_network(seed)
    _, _, test_x, test_y = _data()
    facts = {"test_accuracy": accuracy}
    return patch_parts("digits-patches", model, test_x, test_y, PATCHES, seed=seed, facts=facts)
