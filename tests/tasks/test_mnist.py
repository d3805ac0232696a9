"""MNIST tasks on the real data; skipped where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from marks import needs_mnist
from scoring import built
from torch.nn import functional

from actspec_bench.data import read_mnist
from actspec_bench.fourier.spectrum import all_patterns, energy_by_order, walsh_hadamard
from actspec_bench.problems.views import ScoringView
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.tasks.networks import mnist, mnist_training
from actspec_bench.tasks.networks.mnist_training import images, trained_network


def margin_of(logits: torch.Tensor, label: int) -> torch.Tensor:
    others = logits.clone()
    others[:, label] = -torch.inf
    return logits[:, label] - others.amax(1)


@needs_mnist
def test_pooled_images_are_means_of_two_by_two_pixels() -> None:
    pixels, labels = read_mnist("test")
    data = images()
    block = torch.from_numpy(pixels[:50].astype("float32")).reshape(50, 14, 2, 14, 2)
    assert torch.allclose(data["test_x"][:50].reshape(50, 14, 14), block.mean((2, 4)) / 255)
    assert data["train_x"].shape == (60_000, 196)
    assert data["test_y"].tolist() == labels.tolist()


@needs_mnist
def test_both_networks_are_as_good_as_the_cards_say() -> None:
    model, accuracy = trained_network("perceptron", 0)
    assert [tuple(p.shape) for p in model.parameters()] == [(256, 196), (256,), (10, 256), (10,)]
    assert 0.97 <= accuracy <= 0.985
    data = images()
    right = (model(data["test_x"]).argmax(1) == data["test_y"]).float().mean()
    assert right.item() == pytest.approx(accuracy, abs=1e-6)
    assert trained_network("convolutional", 0)[1] >= 0.975


@needs_mnist
def test_hidden_units_are_the_network_s_own() -> None:
    instance = built("mnist-hidden[target=3]", 0)
    model, _ = trained_network("perceptron", 0)
    data, view = images(), ScoringView(instance.problem, 0)
    rows = data["test_x"][:500]
    decided = torch.where(margin_of(model(rows), 3) >= 0, 1.0, -1.0)
    assert torch.equal(view.value(model[:2](rows)), decided)
    assert view.value(view.foreground).tolist() == [1] * 16 + [-1] * 16
    assert view.n == 256


@needs_mnist
def test_the_two_digit_setting_has_images_and_logits_of_the_two_alone() -> None:
    instance = built("mnist-hidden[target=7,against=1,readout=margin]", 0)
    model, _ = trained_network("perceptron", 0)
    data, view = images(), ScoringView(instance.problem, 0)
    two = data["train_x"][(data["train_y"] == 7) | (data["train_y"] == 1)]
    hidden = model[:2](two)
    logits = model(two)
    assert torch.allclose(view.value(hidden), logits[:, 7] - logits[:, 1], atol=1e-4)
    drawn = {tuple(row.tolist()) for row in view.sample(200)}
    assert drawn <= {tuple(row.tolist()) for row in hidden}
    assert torch.allclose(view.baseline, hidden.mean(0), atol=1e-5)


@needs_mnist
@pytest.mark.parametrize("name", ["mnist-hidden", "mnist-pixels"])
def test_the_authors_two_digits_are_those_predicted_balanced_and_decided_by_argmax(
    name: str,
) -> None:
    instance = built(f"{name}[target=7,against=1,rows=predicted,balanced=true]", 0)
    model, _ = trained_network("perceptron", 0)
    data, problem = images(), instance.problem
    taken_for = model(data["train_x"]).argmax(1)
    sevens, ones = (torch.nonzero(taken_for == digit)[:, 0] for digit in (7, 1))
    size = min(len(sevens), len(ones))
    assert size > 5000
    left = torch.cat([sevens[:size], ones[:size]]).sort().values
    enter = model[:2] if name == "mnist-hidden" else torch.nn.Identity()
    assert torch.equal(problem.rows, enter(data["train_x"])[left])
    assert torch.equal(instance.inputs().originals, data["train_x"][left].reshape(-1, 14, 14))
    x, y = problem.sample(300), problem.sample(300)
    mixed = torch.where(torch.arange(problem.n) % 2 == 0, x, y)
    read = model[3] if name == "mnist-hidden" else model
    by_argmax = torch.where(read(mixed).argmax(1) == 7, 1.0, -1.0)
    assert torch.equal(problem.value(mixed), by_argmax)
    assert 0.1 < (by_argmax > 0).float().mean() < 0.9


@needs_mnist
@pytest.mark.parametrize("name", ["mnist-hidden", "mnist-pixels"])
def test_two_digits_have_an_accuracy_of_their_own(name: str) -> None:
    """Of the test images of the two digits, those whose own logit is the larger of the two."""
    facts = built(f"{name}[target=4,against=9]", 0).facts
    model, accuracy = trained_network("perceptron", 0)
    data = images()
    right = [
        (logits[label] > logits[13 - label]).item()
        for logits, label in zip(model(data["test_x"]), data["test_y"].tolist(), strict=True)
        if label in (4, 9)
    ]
    assert facts["two_class_accuracy"] == pytest.approx(sum(right) / len(right))
    assert facts["two_class_accuracy"] > facts["test_accuracy"] == accuracy
    assert "two_class_accuracy" not in built(f"{name}[target=4]", 0).facts


@needs_mnist
def test_pixels_are_on_where_there_is_ink() -> None:
    instance = built("mnist-pixels[readout=margin]", 3)
    view = ScoringView(instance.problem, 0)
    assert (view.n, view.layout) == (196, (14, 14))
    rows = view.sample(100)
    assert torch.equal(view.pattern(rows) > 0, rows > 0)
    model, _ = trained_network("perceptron", 3)
    expected = margin_of(model(rows), instance.facts["target"])
    assert torch.allclose(view.value(rows), expected, atol=1e-5)


@needs_mnist
@pytest.mark.parametrize("task", ["mnist-patches", "mnist-channels"])
def test_the_truth_is_the_enumerated_spectrum(task: str) -> None:
    instance = built(task, 0)
    values = ScoringView(instance.problem, 0).value(all_patterns(16))
    spectrum = walsh_hadamard(values)
    largest = spectrum.abs()
    largest[0] = 0
    for subset, coefficient in instance.truth.spectrum.items():
        position = sum(1 << unit for unit in subset)
        assert spectrum[position].item() == pytest.approx(coefficient, abs=1e-9)
    cut = min(map(abs, instance.truth.spectrum.values()))
    assert int((largest > cut + 1e-9).sum()) < 10
    shares = instance.facts["energy_by_order_decision"]
    assert shares == pytest.approx(energy_by_order(spectrum).tolist(), abs=1e-5)
    assert 0.1 <= float((values < 0).float().mean()) <= 0.9
    assert instance.facts["decision_changes"] == pytest.approx(float((values < 0).float().mean()))


@needs_mnist
def test_patches_show_the_image_or_a_blank() -> None:
    instance = built("mnist-patches[readout=margin]", 1)
    view = ScoringView(instance.problem, 0)
    model, _ = trained_network("perceptron", 1)
    data, digit = images(), instance.facts["digit"]
    whole = view.value(torch.ones(1, 16)).item()
    of_class = data["test_x"][data["test_y"] == digit]
    distance = (margin_of(model(of_class), digit) - whole).abs()
    image = of_class[distance.argmin()].reshape(14, 14).clone()
    assert distance.min() < 1e-4
    image[7:11, 4:7] = 0  # rows 7 to 10 are the third of four bands, columns 4 to 6 the second
    cut = torch.ones(1, 16)
    cut[0, 2 * 4 + 1] = -1
    expected = margin_of(model(image.reshape(1, 196)), digit).item()
    assert view.value(cut).item() == pytest.approx(expected, abs=1e-4)


@needs_mnist
def test_channels_are_maps_of_the_image_or_the_mean_map() -> None:
    instance = built("mnist-channels[readout=margin]", 0)
    view = ScoringView(instance.problem, 0)
    model, _ = trained_network("convolutional", 0)
    data, digit = images(), instance.facts["digit"]

    def maps(x: torch.Tensor) -> torch.Tensor:
        seen = functional.conv2d(
            x.reshape(-1, 1, 14, 14), model[1].weight, model[1].bias, padding=1
        )
        return functional.max_pool2d(seen.relu(), 2)

    mean = torch.stack([maps(part).mean(0) for part in data["train_x"].split(1000)]).mean(0)
    blank = margin_of(model[4:](mean[None]), digit).item()
    assert view.value(-torch.ones(1, 16)).item() == pytest.approx(blank, abs=1e-3)
    whole = view.value(torch.ones(1, 16)).item()
    of_class = data["test_x"][data["test_y"] == digit]
    distance = (margin_of(model(of_class), digit) - whole).abs()
    assert distance.min() < 1e-4
    own = maps(of_class[distance.argmin()][None])[0]
    own[5] = mean[5]
    cut = torch.ones(1, 16)
    cut[0, 5] = -1
    expected = margin_of(model[4:](own[None]), digit).item()
    assert view.value(cut).item() == pytest.approx(expected, abs=1e-3)


def test_the_same_digit_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="are the same class"):
        Spec.parse("mnist-hidden[target=3,against=3]", tasks)


def test_without_the_data_the_reason_names_the_remedy(tmp_path: Path, monkeypatch) -> None:
    from actspec_bench.errors import Missing

    monkeypatch.setenv("ACTSPEC_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path / "cache"))
    mnist_training.images.cache_clear()
    try:
        with pytest.raises(Missing, match="data fetch mnist") as caught:
            mnist.layer(0)
    finally:
        mnist_training.images.cache_clear()
    assert caught.value.lacks == "mnist"
