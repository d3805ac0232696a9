"""MNIST -> trained networks: the perceptron of the tasks and a small convolutional network."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.caching import cached_tensors, recipe_digest
from actspec_bench.data import read_mnist
from actspec_bench.tasks.networks import training
from actspec_bench.tasks.networks.training import fit, initialise

SIDE = 14
PIXELS = SIDE * SIDE
HIDDEN = 256
DROPOUT = 0.2
EPOCHS = 10
CONVOLUTION_EPOCHS = 5
BATCH = 128
LEARNING_RATE = 1e-3
CHANNELS = 16
_RECIPE = recipe_digest(__file__, training.__file__)


@cache
def images() -> dict[str, Tensor]:
    """``train_x``, ``test_x`` (rows, 196) in [0, 1], pooled 2x2 by the mean, and their labels."""

    def pooled() -> dict[str, Tensor]:
        parts = {}
        for split in ("train", "test"):
            pixels, labels = read_mnist(split)
            x = torch.from_numpy(pixels.copy()).float()[:, None] / 255
            parts[f"{split}_x"] = functional.avg_pool2d(x, 2).reshape(-1, PIXELS)
            parts[f"{split}_y"] = torch.from_numpy(labels.astype("int64"))
        return parts

    return cached_tensors("mnist-pooled", pooled, recipe=_RECIPE)


def perceptron() -> nn.Sequential:
    """196-256-10 with ReLU, and dropout on the hidden layer."""
    return nn.Sequential(
        nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, 10)
    )


def convolutional() -> nn.Sequential:
    """Two 3x3 convolutions with ReLU and pooling, 16 and 32 channels, then a linear layer."""
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, CHANNELS, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * CHANNELS * (SIDE // 4) ** 2, 10),
    )


NETWORKS = {
    "perceptron": (perceptron, EPOCHS),
    "convolutional": (convolutional, CONVOLUTION_EPOCHS),
}


def trained_network(kind: str, seed: int) -> tuple[nn.Sequential, float]:
    """Return the network of ``seed`` and its share of the 10,000 test digits it gets right."""
    make, epochs = NETWORKS[kind]
    data = images()

    def train() -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        model = make()
        initialise(model, generator)
        fit(
            model,
            data["train_x"],
            data["train_y"],
            optimizer=torch.optim.Adam(model.parameters(), lr=LEARNING_RATE),
            epochs=epochs,
            batch=BATCH,
            generator=generator,
        )
        model.eval()
        accuracy = (model(data["test_x"]).argmax(1) == data["test_y"]).double().mean()
        return {**model.state_dict(), "test_accuracy": accuracy}

    weights = cached_tensors(f"mnist-{kind}", train, seed=seed, recipe=_RECIPE)
    accuracy = float(weights.pop("test_accuracy"))
    model = make()
    model.load_state_dict(weights)
    return model.requires_grad_(False).eval(), accuracy
