"""Digits -> trained network -> problems of its neurons and of an input's patches."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.devices import chosen
from actspec_bench.instance import Instance
from actspec_bench.layers import from_module
from actspec_bench.networks import cached_weights
from actspec_bench.problem import Problem, Readout
from actspec_bench.sources import FOREGROUND_ROWS, masked
from actspec_bench.spectrum import all_patterns, energy_by_order, walsh_hadamard
from actspec_bench.truth import Truth

WIDTHS = (64, 64, 32, 10)
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-4
TEST_SHARE = 0.25
PATCH = 2
SMALLEST_CHANGE = 0.1


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


def hidden(seed: int, *, readout: Readout, target: int | None) -> Instance:
    """Build a digits-hidden instance."""
    model, accuracy = trained_network(seed)
    train_x, _, test_x, _ = _data()
    target = seed % WIDTHS[-1] if target is None else target
    is_target = model(train_x).argmax(1) == target
    half = FOREGROUND_ROWS // 2
    problem = from_module(
        model.to(chosen()),
        layer="1",
        inputs=train_x,
        heldout=test_x,
        foreground=torch.cat([train_x[is_target][:half], train_x[~is_target][:half]]),
        target=target,
        readout=readout,
    )
    return Instance(problem, None, {"test_accuracy": accuracy, "target": target})


def patches(seed: int, *, readout: Readout, subsets: int) -> Instance:
    """Build a digits-patches instance."""
    model, accuracy = trained_network(seed)
    _, _, test_x, test_y = _data()
    right = torch.nonzero(model(test_x).argmax(1) == test_y)[:, 0]
    order = torch.randperm(len(right), generator=torch.Generator().manual_seed(seed))
    side = round(WIDTHS[0] ** 0.5)
    blocks = side // PATCH
    patch_of_pixel = (
        (torch.arange(blocks).reshape(blocks, 1) * blocks + torch.arange(blocks))
        .repeat_interleave(PATCH, 0)
        .repeat_interleave(PATCH, 1)
        .reshape(-1)
    )
    n = blocks * blocks
    everything = all_patterns(n)
    for position in right[order].tolist():
        image, label = test_x[position], int(test_y[position])

        def margin(x: Tensor, image: Tensor = image, label: int = label) -> Tensor:
            shown = (x[:, patch_of_pixel] + 1) / 2 * image.to(x.device)
            logits: Tensor = model(shown)
            rivals = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1)
            return logits[:, label] - rivals.amax(1)

        margins = torch.cat([margin(part) for part in torch.split(everything, 8192)])
        changed = float((margins < 0).float().mean())
        if SMALLEST_CHANGE <= changed <= 1 - SMALLEST_CHANGE:
            break
    else:
        raise RuntimeError("no test digit's decision changes in a tenth of the patterns")
    # The instance was made on the CPU, so that it is the same whatever device it then runs on.
    model.to(chosen())
    values = margins if readout == "margin" else torch.where(margins >= 0, 1.0, -1.0)
    spectrum = walsh_hadamard(values)
    names = tuple(f"row {i // blocks}, column {i % blocks}" for i in range(n))
    source = masked(
        margin,
        n,
        readout=readout,
        layout=(blocks, blocks),
        unit_names=names,
        device=chosen(),
    )
    facts = {
        "test_accuracy": accuracy,
        "digit": label,
        "decision_changes": changed,
        "energy_by_order": energy_by_order(spectrum).tolist(),
    }
    return Instance(
        Problem(source), Truth.from_coefficients(spectrum.numpy(), subsets=subsets), facts
    )
