"""MNIST networks -> problems of hidden units, pixels, patches and channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from actspec_bench.caching import cached_tensors, recipe_digest, weights_digest
from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin
from actspec_bench.problems.source import Readout
from actspec_bench.tasks.enumeration.choosing import CHUNK_ROWS, enumeration, searched
from actspec_bench.tasks.enumeration.patches import Patches, in_random_order, patch_instance
from actspec_bench.tasks.networks.bottleneck import Bottleneck, hidden_units
from actspec_bench.tasks.networks.mnist_training import CHANNELS, SIDE, images, trained_network

CLASSES = 10
FIRST_BLOCK = 4
PATCHES = Patches(side=SIDE, blocks=4)


def bottleneck(seed: int) -> tuple[Bottleneck, float]:
    """Hidden layer of the perceptron over the training digits, and its test accuracy."""
    model, accuracy = trained_network("perceptron", seed)
    data = images()
    before, heldout = model[0](data["train_x"]), model[0](data["test_x"])
    return Bottleneck(before, heldout, model[1], model[3], _train_images), accuracy


def _train_images() -> Tensor:
    """Training images, shape (60000, 14, 14)."""
    return images()["train_x"].reshape(-1, SIDE, SIDE)


def hidden(seed: int, *, readout: Readout, target: int | None, against: int | None) -> Instance:
    """Build a mnist-hidden instance."""
    layer, accuracy = bottleneck(seed)
    return _of_class(layer, accuracy, seed, readout=readout, target=target, against=against)


def pixels(seed: int, *, readout: Readout, target: int | None, against: int | None) -> Instance:
    """Build a mnist-pixels instance: the input is a layer too, whose units pass unchanged."""
    model, accuracy = trained_network("perceptron", seed)
    data = images()
    layer = Bottleneck(data["train_x"], data["test_x"], nn.Identity(), model, _train_images)
    return _of_class(
        layer, accuracy, seed, readout=readout, target=target, against=against, layout=(SIDE, SIDE)
    )


def _of_class(
    layer: Bottleneck,
    accuracy: float,
    seed: int,
    *,
    readout: Readout,
    target: int | None,
    against: int | None,
    layout: tuple[int, ...] | None = None,
) -> Instance:
    """One digit against the rest over all images, or against one other over theirs alone."""
    if target is None:
        target = next(t for t in range(seed % CLASSES, 2 * CLASSES) if t % CLASSES != against)
        target %= CLASSES
    facts = {"test_accuracy": accuracy, "target": target}
    if against is not None:
        data = images()
        tested = _either(data["test_y"], target, against)
        trained = _either(data["train_y"], target, against)
        layer = replace(
            layer,
            before=layer.before[trained],
            heldout=layer.heldout[tested],
            originals=lambda: _train_images()[trained],
        )
        margin = class_margin(layer.read(layer.activate(layer.heldout)), target, against)
        right = (margin >= 0) == (data["test_y"][tested] == target)
        facts["two_class_accuracy"] = float(right.double().mean())
    problem = hidden_units(layer, readout=readout, target=target, against=against, layout=layout)
    return Instance(problem, None, facts, layer.inputs)


def _either(labels: Tensor, one: int, other: int) -> Tensor:
    return (labels == one) | (labels == other)


def patches(seed: int, *, readout: Readout, subsets: int) -> Instance:
    """Build a mnist-patches instance."""
    model, accuracy = trained_network("perceptron", seed)
    data = images()
    instance = patch_instance(
        "mnist-patches",
        model,
        data["test_x"],
        data["test_y"],
        PATCHES,
        seed=seed,
        readout=readout,
        subsets=subsets,
    )
    return replace(instance, facts={"test_accuracy": accuracy, **instance.facts})


def channels(seed: int, *, readout: Readout, subsets: int) -> Instance:
    """Build a mnist-channels instance."""
    model, accuracy = trained_network("convolutional", seed)
    data = images()
    first, rest = model[:FIRST_BLOCK], model[FIRST_BLOCK:]
    network = weights_digest(model)

    def mean_maps() -> dict[str, Tensor]:
        parts = torch.split(data["train_x"], CHUNK_ROWS)
        total = torch.stack([first(part).double().sum(0) for part in parts]).sum(0)
        return {"mean": (total / len(data["train_x"])).float()}

    off = cached_tensors("mnist-channel-means", mean_maps, network=network)["mean"]

    def margin_of(position: int, rest: nn.Module = rest) -> Callable[[Tensor], Tensor]:
        own, label = first(data["test_x"][position : position + 1])[0], data["test_y"][position]
        middle, half = (own + off) / 2, (own - off) / 2

        def margin(x: Tensor) -> Tensor:
            maps = torch.addcmul(middle.to(x.device), x[:, :, None, None], half.to(x.device))
            return class_margin(rest(maps), int(label))

        return margin

    position, margins = searched(
        "mnist-channels",
        lambda: in_random_order(model, data["test_x"], data["test_y"], seed),
        margin_of,
        CHANNELS,
        network=network,
        seed=seed,
        recipe=recipe_digest(__file__),
    )
    found = enumeration(margins, readout=readout, subsets=subsets)
    margin = margin_of(position, placed(rest))
    source = masked(margin, CHANNELS, readout=readout, device=chosen())
    facts = {"test_accuracy": accuracy, "digit": int(data["test_y"][position])}
    return Instance(Problem(source), found.truth, {**facts, **found.facts})
