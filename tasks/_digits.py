"""Digits -> trained network -> problems of its neurons and of an input's patches."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from actspec_bench.tasks._enumeration import enumeration
from actspec_bench.tasks._hidden import Bottleneck, hidden_units
from actspec_bench.tasks._patches import Patches, patch_problem, searched
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.instance import Instance
from actspec_bench.networks import cached_weights
from actspec_bench.problem import Readout

WIDTHS = (64, 64, 32, 10)
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-4
TEST_SHARE = 0.25
PATCHES = Patches(side=8, blocks=4)


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
    for parameter in model.parameters():
        fan_in = parameter.shape[-1] if parameter.ndim > 1 else None
        if fan_in is None:
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5, generator=generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(x), generator=generator), BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.state_dict()


def trained_network(seed: int) -> tuple[nn.Sequential, float]:
    """Return the network of ``seed`` and its share of test digits classified right."""
    x, y, test_x, test_y = _data()
    data = hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    weights = cached_weights("digits", lambda: _train(seed), seed=seed, data=data, recipe=recipe)
    model = _network()
    model.load_state_dict(weights)
    model.requires_grad_(False).eval()
    return model, float((model(test_x).argmax(1) == test_y).float().mean())


def bottleneck(seed: int) -> tuple[Bottleneck, float]:
    """First hidden layer over the training digits, and the network's test accuracy."""
    model, accuracy = trained_network(seed)
    train_x, _, test_x, _ = _data()
    return Bottleneck(model[0](train_x), model[0](test_x), model[1], model[2:]), accuracy


def hidden(seed: int, *, readout: Readout, target: int | None) -> Instance:
    """Build a digits-hidden instance."""
    layer, accuracy = bottleneck(seed)
    target = seed % WIDTHS[-1] if target is None else target
    problem = hidden_units(layer, readout=readout, target=target)
    return Instance(problem, None, {"test_accuracy": accuracy, "target": target})


def patches(seed: int, *, readout: Readout, subsets: int) -> Instance:
    """Build a digits-patches instance."""
    model, accuracy = trained_network(seed)
    _, _, test_x, test_y = _data()
    image, label, margins = searched(model, test_x, test_y, PATCHES, seed)
    found = enumeration(margins, readout=readout, subsets=subsets)
    problem = patch_problem(model, image, label, PATCHES, readout=readout)
    return Instance(
        problem, found.truth, {"test_accuracy": accuracy, "digit": label, **found.facts}
    )
