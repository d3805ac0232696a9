from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scoring import built
from sklearn.metrics import roc_auc_score

from actspec_bench.api import attribute
from actspec_bench.errors import UsageError
from actspec_bench.fourier.spectrum import all_patterns, walsh_hadamard
from actspec_bench.problems.views import ScoringView, restarted
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.tasks.planting import network, trained_parity


def view_of(instance) -> ScoringView:
    return ScoringView(instance.problem, 0)


def closed_form(spectrum: dict[tuple[int, ...], float], x: torch.Tensor) -> torch.Tensor:
    """Sum of parities of signs, term by term in double precision."""
    signs = torch.where(x > 0, 1.0, -1.0).double()
    return sum(c * signs[:, list(s)].prod(1) for s, c in spectrum.items())


PLANTED = [
    "planted-network",
    "planted-network[n=45,terms=9,orders=(1,2,3,4,5,6,7,8,9)]",
    "planted-network[n=24,terms=4,order=7,overlap=3]",
    "planted-network[n=12,terms=12,order=1]",
    "planted-network[n=64,terms=1,order=64]",
    "planted-network[terms=8,order=3,high=900.0]",
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", PLANTED)
def test_the_planted_network_is_the_sum_of_parities_to_the_last_digit(text: str, seed: int) -> None:
    instance = built(text, seed)
    view = view_of(instance)
    rows = 100_000 if text == "planted-network" else 10_000
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows, view.n, generator=generator) < 0.5
    mixed = torch.where(mask, view.sample(rows), view.sample_heldout(rows))
    for x in (mixed, view.sample(1000), view.foreground, mixed / 2, 1e3 * mixed[:1000]):
        assert torch.equal(view.value(x).double(), closed_form(instance.truth.spectrum, x))
    assert not view.notes


@pytest.mark.parametrize("readout", ["margin", "decision"])
@pytest.mark.parametrize("seed", range(3))
def test_the_planted_network_s_truth_is_the_enumerated_spectrum(readout: str, seed: int) -> None:
    instance = built(f"planted-network[n=12,terms=4,order=4,overlap=2,readout={readout}]", seed)
    view = view_of(instance)
    magnitudes = view.sample(2**12).abs()
    found = walsh_hadamard(view.value(all_patterns(12) * magnitudes)).tolist()
    for position, value in enumerate(found[1:], start=1):
        subset = tuple(i for i in range(12) if position >> i & 1)
        assert value == pytest.approx(instance.truth.spectrum.get(subset, 0.0), abs=1e-9)
    assert instance.truth.exhaustive


def test_the_planted_layer_has_fair_independent_signs_and_magnitudes_of_its_own() -> None:
    view = view_of(built("planted-network"))
    for x in (view.sample(20_000), view.sample_heldout(4_000)):
        assert x.abs().min() > 0.999
        assert x.abs().max() < 3.001
        assert x.abs().mean().item() == pytest.approx(2, abs=0.01)
        inner = x.sign().T @ x.sign() / len(x)
        assert (inner - torch.eye(view.n)).abs().max() < 6 / len(x) ** 0.5
        assert x.sign().mean(0).abs().max() < 6 / len(x) ** 0.5
    seen = {tuple(row) for row in view.sample(30_000).tolist()}
    assert not seen & {tuple(row) for row in view.sample_heldout(4_000).tolist()}


def test_the_whole_planted_network_maps_its_real_inputs_to_the_same_values() -> None:
    terms = network.draw_terms(np.random.default_rng(0), 20, [3, 2, 5], 0, (0.5, 1.5))
    terms = replace(terms, coefficients=network.on_a_grid(terms.coefficients))
    generator = torch.Generator().manual_seed(0)
    model = network.network(terms, 20, generator)
    inputs = network.draw_inputs(model[0].weight, 500, generator)
    spectrum = terms.truth("margin").spectrum
    assert torch.equal(model(inputs)[:, 0].double(), closed_form(spectrum, model[0](inputs)))
    kinds = {type(module) for module in model}
    assert kinds == {torch.nn.Linear, torch.nn.ReLU}
    assert torch.allclose(model[0].weight @ model[0].weight.T, torch.eye(20), atol=1e-5)


def test_coefficients_on_the_grid_are_near_and_add_exactly() -> None:
    rng = np.random.default_rng(0)
    for count, high in ((1, 1.0), (5, 1.5), (256, 3e5)):
        drawn = rng.uniform(0.5, high, count) * rng.choice([-1, 1], count)
        rounded = network.on_a_grid(drawn)
        assert np.abs(rounded - drawn).max() <= np.abs(drawn).sum() * 2**-22
        single = rounded.astype(np.float32)
        assert (single == rounded).all()
        for order in (np.arange(count), rng.permutation(count)):
            # A running sum is the order that pairwise summation would hide.
            assert np.cumsum(single[order], dtype=np.float32)[-1] == rounded.sum()


def test_between_the_signs_a_term_goes_to_zero_with_its_smallest_unit() -> None:
    instance = built("planted-network[terms=1,order=5]")
    view = view_of(instance)
    ((subset, c),) = instance.truth.spectrum.items()
    x = view.sample(200)
    shrunk = x.clone()
    scale = torch.rand(200, generator=torch.Generator().manual_seed(0)) / 2
    shrunk[:, subset[2]] = x[:, subset[2]].sign() * scale
    expected = closed_form({subset: c}, x) * 2 * scale
    assert torch.allclose(view.value(shrunk).double(), expected, atol=1e-6)


def test_gradients_vanish_at_the_data_and_their_path_integral_does_not() -> None:
    from captum.attr import IntegratedGradients

    instance = built("planted-network")
    view = view_of(instance)
    rows = view.foreground.requires_grad_()
    view.margin(rows).sum().backward()
    assert torch.equal(rows.grad, torch.zeros_like(rows))
    found, gap = IntegratedGradients(view.margin).attribute(
        view.foreground, baselines=view.baseline[None], n_steps=400, return_convergence_delta=True
    )
    assert torch.isfinite(found).all()
    assert gap.abs().max() < 0.05
    relevant = torch.from_numpy(instance.truth.relevant())
    assert (found.abs().mean(0)[relevant] > 0.01).all()
    assert torch.equal(found[:, ~relevant], torch.zeros_like(found[:, ~relevant]))


@pytest.mark.parametrize("text", ["planted-network[low=1.0]", "trained-parity"])
@pytest.mark.parametrize("seed", range(5))
def test_subset_search_recovers_both_and_unit_scores_find_the_units_alone(text, seed) -> None:
    instance = built(text, seed)
    found = attribute("actspec", restarted(instance.problem, budget=10_000, seed=seed))
    assert set(found.subsets) == set(instance.truth.spectrum)
    for subset, coefficient in found.as_dict().items():
        assert coefficient == pytest.approx(instance.truth.spectrum[subset], abs=0.01)
    relevant = set(np.flatnonzero(instance.truth.relevant()).tolist())
    for method in ("integrated-gradients", "feature-ablation"):
        units = attribute(method, restarted(instance.problem, budget=10_000, seed=seed)).units()
        assert set(np.argsort(-units)[: len(relevant)].tolist()) == relevant
    # A parity's Shapley values vary with the row by more than sampling errors of a network that
    # another processor trains a little differently: a lone swap at the border may occur.
    units = attribute("shapley-sampling", restarted(instance.problem, budget=10_000, seed=seed))
    assert roc_auc_score(instance.truth.relevant(), units.units()) > 0.95


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("planted-network[n=14]", "n=14 units are too few, these parameters need 15"),
        ("planted-network[order=2,overlap=2]", "overlap=2 must be below the smallest order, 2"),
        ("planted-network[terms=13,order=1,readout=decision]", "at most 12 terms"),
        ("planted-network[n=512,terms=103,order=5,overlap=1]", "orders add up to 515"),
        ("planted-network[low=0.001,high=900.0]", "low=0.001 is too small beside 5 terms"),
        ("trained-parity[n=41]", "less than or equal to 40"),
        ("trained-parity-hidden[order=1]", "greater than or equal to 2"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        Spec.parse(text, tasks)


@pytest.mark.parametrize("seed", range(20))
def test_training_on_three_of_forty_inputs_always_ends_above_99_percent(seed: int) -> None:
    trained = trained_parity.trained_network(seed, 40, 3)
    x = torch.randint(0, 2, (50_000, 40), generator=torch.Generator().manual_seed(99)) * 2.0 - 1
    weights = {k: v.double().numpy() for k, v in trained.model.state_dict().items()}
    hidden = np.maximum(x.numpy() @ weights["0.weight"].T + weights["0.bias"], 0)
    off, on = (hidden @ weights["2.weight"].T + weights["2.bias"]).T
    decided = np.where(on >= off, 1, -1)
    accuracy = (decided == x.numpy()[:, trained.support].prod(1)).mean()
    assert accuracy > 0.99
    low, high = trained.facts()["accuracy_interval_95"]
    assert low < trained.facts()["accuracy"] <= high
    width = 5 * (accuracy * (1 - accuracy) / len(x)) ** 0.5 + 1e-4
    assert low - width < accuracy < high + width


@pytest.mark.parametrize(("n", "order", "seed"), [(20, 3, 0), (15, 4, 1), (20, 4, 5), (8, 2, 1)])
@pytest.mark.parametrize("readout", ["margin", "decision"])
def test_the_coefficient_of_few_inputs_is_the_enumerated_one(n, order, seed, readout) -> None:
    instance = built(f"trained-parity[n={n},order={order},readout={readout}]", seed)
    ((support, coefficient),) = instance.truth.spectrum.items()
    spectrum = walsh_hadamard(view_of(instance).value(all_patterns(n)))
    position = sum(1 << unit for unit in support)
    assert spectrum[position].item() == pytest.approx(coefficient, rel=1e-6)
    assert spectrum.abs().argmax().item() == position
    assert not instance.truth.exhaustive
    assert instance.facts["patterns_measured"] == 2**n
    assert "accuracy_interval_95" not in instance.facts
    if readout == "decision":
        assert coefficient == 2 * instance.facts["accuracy"] - 1


def test_a_sampled_margin_coefficient_is_within_its_standard_error() -> None:
    instance = built("trained-parity[readout=margin]", 1)
    view = view_of(instance)
    ((support, coefficient),) = instance.truth.spectrum.items()
    x = view.sample(200_000)
    products = (view.value(x) * x[:, list(support)].prod(1)).double()
    error = instance.facts["margin_coefficient_standard_error"]
    spread = products.std().item()
    assert error == pytest.approx(spread / 2**9, rel=0.02)
    assert abs(products.mean().item() - coefficient) < 4 * (error**2 + spread**2 / 200_000) ** 0.5


def test_training_is_deterministic_and_its_tensors_are_those_of_the_cache() -> None:
    trained = trained_parity.trained_network(3, 20, 3)
    again = trained_parity._made(3, 20, 3)
    weights = trained.model.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert trained.steps == int(again["steps"])
    assert trained.steps % trained_parity.CHECK_STEPS == 0
    assert trained.support == tuple(again["support"].tolist())
    other = trained_parity.trained_network(4, 20, 3)
    assert not torch.equal(other.model[0].weight, trained.model[0].weight)


def test_a_network_that_does_not_learn_the_parity_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(trained_parity, "MOST_STEPS", 40)
    with pytest.raises(RuntimeError, match=r"no accuracy above 0.995 .* 3 of 40 .* 40 steps: take"):
        trained_parity._made(0, 40, 3)
    monkeypatch.setattr(trained_parity, "MOST_STEPS", 20_000)
    monkeypatch.setattr(trained_parity, "STOP_ACCURACY", 0.8)
    with pytest.raises(RuntimeError, match=r"stopped at an accuracy of 0\.[89]\d+, not above 0.99"):
        trained_parity._made(0, 40, 3)


@pytest.mark.parametrize("seed", range(3))
def test_hidden_units_carry_the_same_network_s_decision(seed: int) -> None:
    instance = built("trained-parity-hidden[n=20]", seed)
    inputs = built("trained-parity[n=20]", seed)
    assert instance.truth is None
    assert instance.facts == inputs.facts
    view, support = view_of(instance), list(*inputs.truth.spectrum)
    before, relu, _ = trained_parity.trained_network(seed, 20, 3).model
    x = inputs.problem.sample(20_000)
    right = view.value(relu(before(x))) == x[:, support].prod(1)
    assert right.float().mean().item() == pytest.approx(inputs.facts["accuracy"], abs=0.003)
    assert view.value(view.foreground).tolist() == [1.0] * 16 + [-1.0] * 16
    assert view.n == 64
    seen = {tuple(row) for row in view.sample(20_000).tolist()}
    assert not seen & {tuple(row) for row in view.sample_heldout(4_000).tolist()}


def test_distinct_patterns_are_uniform_and_never_repeat() -> None:
    generator = torch.Generator().manual_seed(0)
    x = trained_parity.distinct_patterns(20, 8192, generator)
    assert x.shape == (8192, 20)
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    assert len(x.unique(dim=0)) == 8192
    half = x[:4096]
    assert (half.T @ half / 4096 - torch.eye(20)).abs().max() < 6 / 64
    assert half.mean(0).abs().max() < 6 / 64
    everything = trained_parity.distinct_patterns(40, 8192, generator)
    assert everything.mean(0).abs().max() < 6 / 8192**0.5
