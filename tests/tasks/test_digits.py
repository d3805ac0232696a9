"""The digits network, its hidden layer and its patches."""

from __future__ import annotations

import hashlib

import pytest
import torch
from scoring import built, full_spectrum

from actspec_bench.fourier.spectrum import all_patterns, energy_by_order, walsh_hadamard
from actspec_bench.problems.views import ScoringView
from actspec_bench.tasks.networks import digits


@pytest.mark.parametrize("seed", range(5))
def test_the_digits_network_is_good_and_deterministic(seed: int) -> None:
    model, accuracy = digits.trained_network(seed)
    assert accuracy >= 0.96
    trained = digits._train(seed)
    cached = model.state_dict()
    assert all(torch.equal(trained[key], cached[key]) for key in cached)


def test_digits_hidden_is_the_network_s_own_decision() -> None:
    instance = built("digits-hidden")
    problem, target = instance.problem, instance.facts["target"]
    train_x, _, test_x, _ = digits._data()
    model, _ = digits.trained_network(0)
    logits = model(train_x)
    hidden = model[:2](train_x)
    view = ScoringView(problem, 0)
    best_other = logits[:, [c for c in range(10) if c != target]].amax(1)
    decided = torch.where(logits[:, target] >= best_other, 1.0, -1.0)
    assert torch.equal(view.value(hidden), decided)
    assert view.value(problem.foreground).tolist() == [1] * 16 + [-1] * 16
    seen = {tuple(row.tolist()) for row in view.sample(4000)}
    unseen = {tuple(row.tolist()) for row in view.sample_heldout(2000)}
    assert not seen & unseen
    assert unseen <= {tuple(row.tolist()) for row in model[:2](test_x)}


@pytest.mark.parametrize("seed", range(3))
def test_digits_patches_shows_the_digit_and_knows_its_spectrum(seed: int) -> None:
    instance = built("digits-patches[readout=margin]", seed)
    view = ScoringView(instance.problem, 0)
    model, _ = digits.trained_network(seed)
    _, _, test_x, _ = digits._data()
    digit = instance.facts["digit"]

    def margin(image: torch.Tensor) -> torch.Tensor:
        logits = model(image)
        return logits[:, digit] - logits[:, [c for c in range(10) if c != digit]].amax(1)

    whole, blank = view.value(torch.stack([torch.ones(16), -torch.ones(16)])).tolist()
    distances = (margin(test_x) - whole).abs()
    image = test_x[distances.argmin()]
    assert distances.min() < 1e-5
    assert blank == pytest.approx(margin(torch.zeros(1, 64)).item(), abs=1e-5)
    half = torch.ones(1, 16)
    half[0, 5] = -1
    cut = image.reshape(8, 8).clone()
    cut[2:4, 2:4] = 0
    assert view.value(half).item() == pytest.approx(margin(cut.reshape(1, 64)).item(), abs=1e-4)
    found = full_spectrum(instance)
    largest = sorted(found, key=lambda s: -abs(found[s]))[:10]
    assert set(largest) == set(instance.truth.spectrum)
    assert 0.1 <= instance.facts["decision_changes"] <= 0.9
    assert sum(instance.facts["energy_by_order_margin"]) == pytest.approx(1, abs=1e-4)


def test_energy_by_order_of_patches_counts_every_subset() -> None:
    instance = built("digits-patches")
    found = full_spectrum(instance)
    total = sum(v**2 for v in found.values())
    by_order = [sum(v**2 for s, v in found.items() if len(s) == k) / total for k in range(1, 17)]
    assert instance.facts["energy_by_order_decision"] == pytest.approx(by_order, abs=1e-5)
    patterns = ScoringView(instance.problem, 0).value(all_patterns(16))
    assert energy_by_order(walsh_hadamard(patterns)).sum().item() == pytest.approx(1)


def test_a_damaged_network_file_is_made_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    first, _ = digits.trained_network(0)
    (file,) = (tmp_path / "networks").glob("*.safetensors")
    whole = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged and is made again"):
        second, _ = digits.trained_network(0)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == whole
    assert torch.equal(first[0].weight, second[0].weight)


def test_the_digits_network_s_key_holds_its_data_and_recipe(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(
        digits, "cached_tensors", lambda *_, **key: seen.append(key) or digits._train(0)
    )
    digits.trained_network(3)
    assert seen[0]["seed"] == 3
    x, y, _, _ = digits._data()
    assert seen[0]["data"] == hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
    assert len(seen[0]["recipe"]) == 64


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="set ACTSPEC_BENCH_CACHE to a folder"):
        digits.trained_network(0)
