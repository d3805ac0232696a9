"""Tracing: classes of inputs and joint tables against counting one row at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scoring import parity_sum, rng

from actspec_bench import Problem
from actspec_bench.data import present
from actspec_bench.problems.inputs import DataInputs, MaskedImage
from actspec_bench.registry.entries import tasks
from actspec_bench.spectra.tracing import mean_images, traced

ROWS = 300


@pytest.fixture
def inputs() -> DataInputs:
    """Images whose mean is the first unit's activation, which is often exactly off."""
    draw = rng(0)
    x = torch.from_numpy(draw.standard_normal((ROWS, 4)).clip(0)).float()
    return DataInputs(x, torch.from_numpy(draw.random((ROWS, 3, 2))).float())


def problem_of(readout: str) -> Problem:
    return parity_sum({(0,): 0.2, (1, 2): 1.0}, 4, readout=readout)


@pytest.mark.parametrize("readout", ["margin", "decision"])
def test_the_joint_table_is_what_counting_gives(inputs: DataInputs, readout: str) -> None:
    problem = problem_of(readout)
    (told,) = traced({(1, 2): 1.0}, problem, inputs)
    values = problem.value(inputs.activations).numpy()
    on = np.where(inputs.activations.numpy() > 0, 1, -1)
    assert told.of == "inputs"
    assert sorted(row.states for row in told.table) == sorted(product((-1, 1), repeat=2))
    assert [row.share for row in told.table] == sorted((r.share for r in told.table), reverse=True)
    for row in told.table:
        there = [r for r in range(ROWS) if tuple(on[r, [1, 2]]) == row.states]
        assert row.share == len(there) / ROWS
        assert row.mean is not None
        assert row.mean.value == pytest.approx(values[there].mean(), abs=1e-6)
        assert row.mean.low < row.mean.value <= row.mean.high + 1e-12
    for side in told.sides:
        there = [r for r in range(ROWS) if on[r, 1] * on[r, 2] == side.character]
        assert (side.rows, side.share) == (len(there), len(there) / ROWS)


def test_the_strongest_examples_are_furthest_from_the_thresholds(inputs: DataInputs) -> None:
    problem = problem_of("margin")
    (told,) = traced({(1, 2): -0.5}, problem, inputs, strongest=ROWS)
    x = inputs.activations
    far = (x / x.std(0))[:, [1, 2]].sum(1)
    margins = problem.margin(x)
    for side in told.sides:
        rows = list(side.strongest)
        assert len(rows) == side.rows
        assert (far[rows].diff() <= 1e-5).all()
        tied = [r for r in rows if far[r] == 0]
        # A negative coefficient: character +1 goes with low margins.
        assert (side.character * margins[tied].diff() >= 0).all()
        assert side.character == -1 or len(tied) > 10


def test_mean_images_are_those_of_the_classes(inputs: DataInputs) -> None:
    told = traced({(1, 2): 1.0, (3,): 1.0}, problem_of("margin"), inputs)
    pattern = torch.where(inputs.activations > 0, 1.0, -1.0)
    assert isinstance(inputs.originals, torch.Tensor)
    means = mean_images(told, inputs.originals, pattern)
    on = pattern[:, 3].numpy() > 0
    assert means[1, 0] == pytest.approx(inputs.originals.numpy()[on].mean(0), abs=1e-6)
    assert means[1, 1] == pytest.approx(inputs.originals.numpy()[~on].mean(0), abs=1e-6)
    always = mean_images(told, inputs.originals, torch.ones_like(pattern))
    assert np.isnan(always[:, 1]).all()


def test_without_inputs_draws_are_traced_and_none_is_named() -> None:
    (told,) = traced({(1, 2): 1.0}, problem_of("margin"))
    assert (told.of, told.rows) == ("draws", 16_384)
    assert all(side.strongest == () for side in told.sides)
    for row in told.table:
        assert row.share == pytest.approx(0.25, abs=0.02)
        assert row.mean is not None
        # Four standard errors of a mean of +-0.2 over about 4,096 draws.
        assert row.mean.value == pytest.approx(np.prod(row.states), abs=4 * 0.2 / 64)
        assert row.mean.high - row.mean.low == pytest.approx(2 * 1.96 * 0.2 / 64, rel=0.05)


def test_the_interval_of_a_mean_decision_is_wilsons() -> None:
    from scipy.stats import binomtest

    problem = problem_of("decision")
    (told,) = traced({(1, 2): 1.0}, problem)
    for row in told.table:
        assert row.mean is not None
        rows = round(row.share * told.rows)
        test = binomtest(round(rows * (row.mean.value + 1) / 2), rows)
        low, high = test.proportion_ci(method="wilson")
        assert (row.mean.low, row.mean.high) == pytest.approx((2 * low - 1, 2 * high - 1))
        assert row.mean.high - row.mean.low > 1e-4


def test_inputs_must_be_as_many_as_their_rows() -> None:
    with pytest.raises(ValueError, match="3 rows of activations come from 2 inputs"):
        DataInputs(torch.zeros(3, 4), ["one", "two"])


def test_digits_come_with_the_images_that_give_their_activations() -> None:
    from actspec_bench.tasks.networks import digits as _digits

    instance = tasks["digits-hidden"].function(0)
    inputs = instance.inputs()
    assert isinstance(inputs, DataInputs)
    model, _ = _digits.trained_network(0)
    flat = torch.as_tensor(inputs.originals).reshape(-1, 64)
    assert torch.equal(model[1](model[0](flat)), inputs.activations)
    known = {tuple(row) for row in inputs.activations.tolist()}
    assert {tuple(row) for row in instance.problem.sample(50).tolist()} <= known


def test_recoded_digits_carry_their_own_states() -> None:
    """The parity of a code is on where the network's own hidden unit is on, image by image."""
    from actspec_bench.tasks.networks import digits as _digits

    instance = tasks["digits-recoded"].function(1, k=2, codes=3, idle=1)
    inputs = instance.inputs()
    assert torch.equal(inputs.activations, instance.inputs().activations)
    layer, _ = _digits.bottleneck(1)
    own = torch.where(layer.before > 0, 1.0, -1.0)
    pattern = instance.problem.pattern(inputs.activations)
    codes = [s for s in instance.truth.spectrum if len(s) == 2]
    assert codes
    for code in codes:
        parity = pattern[:, list(code)].prod(1)
        assert (own == parity[:, None]).all(0).any()


@pytest.mark.skipif(not present("sst2"), reason="SST-2 is not on this machine")
def test_sentences_come_with_the_units_that_they_give() -> None:
    from actspec_bench.tasks.networks import sst2_training as _sst2

    instance = tasks["sst2-pooler"].function(3)
    inputs = instance.inputs()
    network = _sst2.network()
    places = [0, 7, 2047]
    texts = [inputs.originals[place] for place in places]
    encoded = _sst2.encoded(network.model, _sst2.numbers(texts, network.places))
    assert torch.allclose(encoded.relu(), inputs.activations[places], atol=1e-4)
    assert {tuple(row) for row in instance.problem.sample(50).tolist()} <= {
        tuple(row) for row in inputs.activations.tolist()
    }


@pytest.mark.skipif(not present("mnist"), reason="MNIST is not on this machine")
def test_images_of_two_digits_alone_are_behind_a_problem_of_two_digits() -> None:
    from actspec_bench.tasks.networks import mnist_training as _mnist_networks

    inputs = tasks["mnist-hidden"].function(0, target=7, against=1).inputs()
    labels = _mnist_networks.images()["train_y"]
    assert len(inputs.originals) == int(((labels == 7) | (labels == 1)).sum())
    model, _ = _mnist_networks.trained_network("perceptron", 0)
    flat = torch.as_tensor(inputs.originals[:20]).reshape(20, -1)
    assert torch.allclose(model[1](model[0](flat)), inputs.activations[:20], atol=1e-5)


def test_a_masked_digit_is_the_image_that_the_network_sees_whole() -> None:
    from actspec_bench.tasks.networks import digits as _digits

    instance = tasks["digits-patches"].function(0, readout="margin")
    shown = instance.inputs()
    assert isinstance(shown, MaskedImage)
    model, _ = _digits.trained_network(0)
    logits = model(shown.image.reshape(1, -1))[0]
    label = instance.facts["digit"]
    others = logits[torch.arange(10) != label]
    assert float(instance.problem.value(torch.ones(1, 16))) == pytest.approx(
        float(logits[label] - others.max()), abs=1e-5
    )
    blank = torch.ones(1, 16)
    blank[0, 5] = -1
    hidden = torch.where(shown.unit_of_pixel == 5, 0.0, shown.image)
    logits = model(hidden.reshape(1, -1))[0]
    assert float(instance.problem.value(blank)) == pytest.approx(
        float(logits[label] - logits[torch.arange(10) != label].max()), abs=1e-5
    )
