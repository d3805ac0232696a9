"""MNIST networks -> a hidden layer, pixels as a layer, patches of an image, channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from actspec_bench.caching import cached_tensors, recipe_digest, weights_digest
from actspec_bench.problems.devices import placed
from actspec_bench.tasks.enumeration.choosing import CHUNK_ROWS
from actspec_bench.tasks.enumeration.parts import Parts
from actspec_bench.tasks.enumeration.patches import Patches, in_random_order, patch_parts
from actspec_bench.tasks.enumeration.switched import Switched
from actspec_bench.tasks.networks.bottleneck import Bottleneck
from actspec_bench.tasks.networks.mnist_training import CHANNELS, SIDE, images, trained_network

FIRST_BLOCK = 4
PATCHES = Patches(side=SIDE, blocks=4)


def layer(seed: int) -> Bottleneck:
    """Hidden layer of the perceptron over the training digits."""
    model, accuracy = trained_network("perceptron", seed)
    return _layer(model[0], model[1], model[3], accuracy)


def pixels(seed: int) -> Bottleneck:
    """The input of the perceptron as a layer whose units pass unchanged."""
    model, accuracy = trained_network("perceptron", seed)
    return _layer(nn.Identity(), nn.Identity(), model, accuracy, layout=(SIDE, SIDE))


def _layer(
    enter: nn.Module,
    activate: nn.Module,
    read: nn.Module,
    accuracy: float,
    layout: tuple[int, ...] | None = None,
) -> Bottleneck:
    data = images()
    return Bottleneck(
        before=enter(data["train_x"]),
        heldout=enter(data["test_x"]),
        activate=activate,
        read=read,
        originals=lambda: data["train_x"].reshape(-1, SIDE, SIDE),
        labels=(data["train_y"], data["test_y"]),
        layout=layout,
        facts={"test_accuracy": accuracy},
    )


def patches(seed: int) -> Parts:
    """Patches of a test image."""
    model, accuracy = trained_network("perceptron", seed)
    x, y = images()["test_x"], images()["test_y"]
    facts = {"test_accuracy": accuracy}
    return patch_parts("mnist-patches", model, x, y, PATCHES, seed=seed, facts=facts)


def channels(seed: int) -> Parts:
    """Channels of the first convolution: a test image's own map, or the mean map."""
    model, accuracy = trained_network("convolutional", seed)
    data = images()
    x, y = data["test_x"], data["test_y"]
    first, rest = model[:FIRST_BLOCK], model[FIRST_BLOCK:]
    network = weights_digest(model)

    def mean_maps() -> dict[str, Tensor]:
        parts = torch.split(data["train_x"], CHUNK_ROWS)
        total = torch.stack([first(part).double().sum(0) for part in parts]).sum(0)
        return {"mean": (total / len(data["train_x"])).float()}

    off = cached_tensors("mnist-channel-means", mean_maps, network=network)["mean"]

    def margin_of(position: int, *, on_device: bool) -> Callable[[Tensor], Tensor]:
        own, label = first(x[position : position + 1])[0], int(y[position])
        made = Switched(rest, label, own, off, torch.arange(CHANNELS)[:, None, None])
        return placed(made) if on_device else made

    return Parts(
        "mnist-channels",
        candidates=lambda: in_random_order(model, x, y, seed),
        margin=margin_of,
        names=lambda _: tuple(map(str, range(CHANNELS))),
        facts=lambda position: {"test_accuracy": accuracy, "digit": int(y[position])},
        depends_on={"network": network, "recipe": recipe_digest(__file__)},
    )
