"""Tasks hand out what their units' activations came from."""

from __future__ import annotations

import pytest
import torch
from marks import needs_mnist, needs_sst2
from scoring import built

from actspec_bench.problems.inputs import DataInputs, MaskedImage
from actspec_bench.tasks.networks import digits, mnist_training, sst2_training


def test_digits_come_with_the_images_that_give_their_activations() -> None:
    instance = built("digits-hidden")
    inputs = instance.inputs()
    assert isinstance(inputs, DataInputs)
    model, _ = digits.trained_network(0)
    flat = torch.as_tensor(inputs.originals).reshape(-1, 64)
    assert torch.equal(model[1](model[0](flat)), inputs.activations)
    known = {tuple(row) for row in inputs.activations.tolist()}
    assert {tuple(row) for row in instance.problem.sample(50).tolist()} <= known


def test_recoded_digits_carry_their_own_states() -> None:
    """The parity of a code is on where the network's own hidden unit is on, image by image."""
    instance = built("digits-recoded[k=2,codes=3,idle=1]", 1)
    inputs = instance.inputs()
    assert torch.equal(inputs.activations, instance.inputs().activations)
    own = torch.where(digits.layer(1).before > 0, 1.0, -1.0)
    pattern = instance.problem.pattern(inputs.activations)
    codes = [s for s in instance.truth.spectrum if len(s) == 2]
    assert codes
    for code in codes:
        parity = pattern[:, list(code)].prod(1)
        assert (own == parity[:, None]).all(0).any()


@needs_sst2
def test_sentences_come_with_the_units_that_they_give() -> None:
    instance = built("sst2-pooler", 3)
    inputs = instance.inputs()
    network = sst2_training.network()
    places = [0, 7, 2047]
    texts = [inputs.originals[place] for place in places]
    encoded = sst2_training.encoded(network.model, sst2_training.numbers(texts, network.places))
    assert torch.allclose(encoded.relu(), inputs.activations[places], atol=1e-4)
    assert {tuple(row) for row in instance.problem.sample(50).tolist()} <= {
        tuple(row) for row in inputs.activations.tolist()
    }


@needs_mnist
def test_images_of_two_digits_alone_are_behind_a_problem_of_two_digits() -> None:
    inputs = built("mnist-hidden[target=7,against=1]").inputs()
    labels = mnist_training.images()["train_y"]
    assert len(inputs.originals) == int(((labels == 7) | (labels == 1)).sum())
    model, _ = mnist_training.trained_network("perceptron", 0)
    flat = torch.as_tensor(inputs.originals[:20]).reshape(20, -1)
    assert torch.allclose(model[1](model[0](flat)), inputs.activations[:20], atol=1e-5)


def test_a_masked_digit_is_the_image_that_the_network_sees_whole() -> None:
    instance = built("digits-patches[readout=margin]")
    shown = instance.inputs()
    assert isinstance(shown, MaskedImage)
    model, _ = digits.trained_network(0)
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
