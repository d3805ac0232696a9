from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from actspec_bench.errors import Missing
from actspec_bench.fourier.spectrum import all_patterns, energy_by_order, walsh_hadamard
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.tasks.networks import digits as _digits
from actspec_bench.tasks.planting.parities import decision_spectrum


def build(text: str, seed: int = 0):
    spec = Spec.parse(text, tasks)
    return tasks[spec.name].function(seed, **spec.parameters)


def full_spectrum(instance) -> dict[tuple[int, ...], float]:
    """All coefficients above rounding, by enumeration of the noise-free function."""
    view = ScoringView(instance.problem, 0)
    coefficients = walsh_hadamard(view.value(all_patterns(view.n)))
    return {
        tuple(i for i in range(view.n) if position >> i & 1): value
        for position, value in enumerate(coefficients.tolist())
        if position and abs(value) > 1e-6
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    [
        "planted-parity[n=12,terms=3]",
        "planted-parity[n=12,terms=4,orders=(1,2,3,4)]",
        "planted-parity[n=12,terms=4,order=3,overlap=2,noise=0.5]",
        "planted-parity[n=12,terms=3,readout=decision]",
        "planted-parity[n=10,terms=5,order=4,overlap=3,readout=decision]",
        "planted-parity[n=12,terms=2,order=2,duplicates=3,constants=2]",
        "planted-parity[n=12,terms=2,order=3,correlation=0.6]",
        "planted-nothing[n=8]",
    ],
)
def test_the_planted_truth_is_the_enumerated_spectrum(text: str, seed: int) -> None:
    instance = build(text, seed)
    found = full_spectrum(instance)
    assert instance.truth.spectrum.keys() == found.keys()
    for subset, value in instance.truth.spectrum.items():
        assert value == pytest.approx(found[subset], abs=1e-5)


def test_the_majority_of_three_has_its_known_spectrum() -> None:
    found = decision_spectrum({(0, 1): 1.0, (1, 2): 1.1, (3,): 1.2})
    assert found == {(0, 1): 0.5, (1, 2): 0.5, (3,): 0.5, (0, 2, 3): -0.5}


@pytest.mark.parametrize("seed", range(4))
def test_subsets_have_the_orders_and_overlaps_asked_for(seed: int) -> None:
    instance = build("planted-parity[n=64,terms=6,orders=(4,5),overlap=2]", seed)
    subsets = list(instance.truth.spectrum)
    assert [len(s) for s in subsets] == [4, 5] * 3
    seen: set[int] = set()
    for subset in subsets:
        assert len(seen & set(subset)) == (2 if seen else 0)
        seen |= set(subset)
    magnitudes = np.abs(list(instance.truth.spectrum.values()))
    assert ((magnitudes >= 0.5) & (magnitudes <= 1.5)).all()


def test_the_distribution_has_the_twins_constants_and_correlations_asked_for() -> None:
    text = "planted-parity[n=24,terms=2,order=3,duplicates=4,constants=2,correlation=0.6]"
    instance = build(text)
    problem = instance.problem
    x = problem.sample(40_000)
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    mean, relevant = x.mean(0), torch.from_numpy(instance.truth.relevant())
    assert int((mean == 1).sum()) == 2
    assert torch.equal(mean == 1, problem.baseline == 1)
    inner = (x.T @ x / len(x)).fill_diagonal_(0)
    to_relevant = inner[~relevant][:, relevant]
    strongest = to_relevant.abs().amax(1).sort(descending=True).values
    assert torch.equal(strongest[:4], torch.ones(4))
    assert int((to_relevant == -1).sum()) == 2
    assert torch.allclose(strongest[4:10], torch.full((6,), 0.6), atol=0.02)
    assert inner[relevant][:, relevant].abs().max() < 0.03


def test_noise_is_a_share_of_the_signal() -> None:
    instance = build("planted-parity[n=16,noise=0.5,terms=3]")
    signal = np.sqrt(sum(c**2 for c in instance.truth.spectrum.values()))
    problem = restarted(instance.problem, budget=10**6, seed=0)
    x = problem.sample(50_000)
    noise = problem.value(x) - ScoringView(problem, 0).value(x)
    assert noise.std().item() == pytest.approx(0.5 * signal, rel=0.03)


def test_instances_differ_by_seed_and_repeat_with_it() -> None:
    for entry in tasks:
        try:
            one, same, other = (entry.function(seed, **entry.resolve({})) for seed in (0, 0, 1))
        except Missing:
            continue
        rows = one.problem.foreground
        assert torch.equal(rows, same.problem.foreground)
        views = [ScoringView(i.problem, 0) for i in (one, same)]
        assert torch.equal(views[0].value(rows), views[1].value(rows))
        if one.truth is not None:
            assert one.truth == same.truth
        if entry.name != "planted-nothing":
            assert one.facts != other.facts or one.truth != other.truth


@pytest.mark.parametrize("seed", range(5))
def test_the_digits_network_is_good_and_deterministic(seed: int) -> None:
    model, accuracy = _digits.trained_network(seed)
    assert accuracy >= 0.96
    trained = _digits._train(seed)
    cached = model.state_dict()
    assert all(torch.equal(trained[key], cached[key]) for key in cached)


def test_digits_hidden_is_the_network_s_own_decision() -> None:
    instance = build("digits-hidden")
    problem, target = instance.problem, instance.facts["target"]
    train_x, _, test_x, _ = _digits._data()
    model, _ = _digits.trained_network(0)
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
    instance = build("digits-patches[readout=margin]", seed)
    view = ScoringView(instance.problem, 0)
    model, _ = _digits.trained_network(seed)
    _, _, test_x, _ = _digits._data()
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
    instance = build("digits-patches")
    found = full_spectrum(instance)
    total = sum(v**2 for v in found.values())
    by_order = [sum(v**2 for s, v in found.items() if len(s) == k) / total for k in range(1, 17)]
    assert instance.facts["energy_by_order_decision"] == pytest.approx(by_order, abs=1e-5)
    patterns = ScoringView(instance.problem, 0).value(all_patterns(16))
    assert energy_by_order(walsh_hadamard(patterns)).sum().item() == pytest.approx(1)


def test_a_damaged_network_file_is_made_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    first, _ = _digits.trained_network(0)
    (file,) = (tmp_path / "networks").glob("*.safetensors")
    whole = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged and is made again"):
        second, _ = _digits.trained_network(0)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == whole
    assert torch.equal(first[0].weight, second[0].weight)


def test_weights_are_cached_by_everything_they_depend_on(tmp_path, monkeypatch) -> None:
    from actspec_bench import caching as networks

    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    runs = []

    def train() -> dict[str, torch.Tensor]:
        runs.append(torch.get_num_threads())
        return {"w": torch.ones(2) * len(runs)}

    for depends_on, expected in (
        ({"seed": 0, "data": "a"}, 1.0),
        ({"seed": 0, "data": "a"}, 1.0),
        ({"seed": 0, "data": "b"}, 2.0),
        ({"seed": 1, "data": "a"}, 3.0),
    ):
        assert networks.cached_tensors("net", train, **depends_on)["w"][0] == expected
    assert networks.cached_tensors("other", train, seed=0, data="a")["w"][0] == 4.0
    monkeypatch.setattr(networks.torch, "__version__", "9.9")
    assert networks.cached_tensors("net", train, seed=0, data="a")["w"][0] == 5.0
    assert runs == [1] * 5


def test_the_digits_network_s_key_holds_its_data_and_recipe(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(
        _digits, "cached_tensors", lambda *_, **key: seen.append(key) or _digits._train(0)
    )
    _digits.trained_network(3)
    assert seen[0]["seed"] == 3
    x, y, _, _ = _digits._data()
    assert seen[0]["data"] == hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
    assert len(seen[0]["recipe"]) == 64


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="set ACTSPEC_BENCH_CACHE to a folder"):
        _digits.trained_network(0)
