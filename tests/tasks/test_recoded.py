"""Re-coded layers against their definition, by enumeration and by sampling."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from scoring import built
from torch import nn

from actspec_bench.data import present
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.problems.views import ScoringView
from actspec_bench.running.plan import choose_suite, plan_cells
from actspec_bench.tasks.networks import digits
from actspec_bench.tasks.planting import recoding as module
from actspec_bench.tasks.planting.recoded import recoded_instance
from actspec_bench.tasks.planting.recoding import RecodedReader, Recoding, encode


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_the_parity_of_a_code_s_signs_is_the_state_and_is_decoded_exactly(k: int) -> None:
    states = torch.randint(0, 2, (2_000, 7), generator=rng()) * 2.0 - 1
    units = encode(states, k, rng(1))
    assert units.shape == (2_000, 7, k)
    assert torch.equal(units.sign().prod(-1), states)
    assert units.abs().min() >= 1
    assert units.abs().max() <= 3
    place = torch.randperm(7 * k, generator=rng(2)).reshape(7, k)
    x = torch.empty(2_000, 7 * k)
    x[:, place.flatten()] = units.flatten(1)
    reader = RecodedReader(nn.Identity(), place, torch.arange(7))
    assert torch.equal(reader.states(x), states)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_proper_part_of_a_code_tells_the_state(k: int) -> None:
    state = torch.where(torch.rand(40_000, generator=rng(3)) < 0.8, 1.0, -1.0)
    on = encode(state[:, None], k, rng(1))[:, 0].sign()
    for size in range(1, k):
        for part in combinations(range(k), size):
            chi = on[:, list(part)].prod(1)
            assert abs((chi * state).mean()) < 4 / 200
            assert abs(chi.mean()) < 4 / 200


def test_magnitudes_do_not_tell_which_units_belong_together() -> None:
    instance = built("digits-recoded[k=3]", seed=4)
    x = instance.problem.sample(40_000)
    size = x.abs()
    assert size[0].unique().numel() == instance.problem.n
    correlation = torch.corrcoef(size.T).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / 200
    signs = torch.corrcoef(torch.cat([x.sign(), size], 1).T).fill_diagonal_(0)
    assert signs.abs().max() < 5 / 200


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("readout", ["margin", "decision"])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_truth_is_what_a_large_sample_shows(k: int, readout: str, mixed: bool) -> None:
    """Also under unit-wise mixtures of draws, which are draws of D again."""
    instance = built(f"digits-recoded[k={k},codes=4,idle=2,readout={readout}]", seed=3)
    view, truth = ScoringView(instance.problem, 0), instance.truth
    x = view.sample(60_000)
    if mixed:
        x = torch.where(torch.rand(x.shape, generator=rng()) < 0.5, x, view.sample(60_000))
    f = view.value(x).double()
    subsets = [*truth.spectrum, *sorted(truth.minor)]
    estimate = characters(view.pattern(x), membership(subsets, view.n)).double().T @ f / len(f)
    error = 5 * float(f.square().mean()) ** 0.5 / len(f) ** 0.5
    least = min(map(abs, truth.spectrum.values()))
    for subset, value in zip(subsets, estimate.tolist(), strict=True):
        if subset in truth.spectrum:
            assert value == pytest.approx(truth.spectrum[subset], abs=error)
        else:
            assert abs(value) <= least + error
    energy = float(estimate.square().sum())
    assert energy == pytest.approx(float(f.var()), rel=0.05)


def test_subsets_that_hold_a_code_in_part_have_no_coefficient() -> None:
    instance = built("digits-recoded[k=2,codes=3,idle=2]", seed=1)
    view = ScoringView(instance.problem, 0)
    x = view.sample(80_000)
    real = instance.truth.spectrum.keys() | instance.truth.minor
    others = [
        subset
        for size in (1, 2, 3, 4)
        for subset in combinations(range(view.n), size)
        if subset not in real
    ]
    chi = characters(view.pattern(x), membership(others, view.n))
    estimate = chi.T @ view.value(x) / len(x)
    assert estimate.abs().max() < 5 / 80_000**0.5


def test_the_true_subsets_are_unions_of_whole_codes_and_idle_ones_change_nothing() -> None:
    instance = built("digits-recoded[k=3,codes=4,idle=4]", seed=2)
    everything = (*instance.truth.spectrum, *instance.truth.minor)
    assert {len(s) for s in everything} <= {3, 6, 9, 12}
    single = [set(s) for s in everything if len(s) == 3]
    assert all(not a & b for a, b in combinations(single, 2))
    view = ScoringView(instance.problem, 0)
    used = torch.zeros(view.n, dtype=torch.bool)
    used[sorted({unit for subset in everything for unit in subset})] = True
    assert int(used.sum()) <= 12 < view.n == 24
    x, y = view.sample(500), view.sample(500)
    assert torch.equal(view.margin(x), view.margin(torch.where(used, x, y)))
    assert not torch.equal(view.margin(x), view.margin(torch.where(used, y, x)))


def recoding(k: int) -> tuple[Recoding, torch.Tensor]:
    """Every unit of the digits network's layer, re-coded."""
    layer = digits.layer(0)
    units = layer.before.shape[1]
    members = torch.randperm(units * k, generator=rng()).reshape(units, k)
    reader = RecodedReader(layer.read, members, torch.arange(units))
    carrier, ones = layer.activate(layer.before[0]), torch.ones(units)
    return Recoding(layer, 3, carrier, ones, reader, units * k), layer.heldout


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_a_wholly_recoded_network_computes_the_trained_one_s_outputs(k: int) -> None:
    found, before = recoding(k)
    assert found.largest_difference(k, rng()) <= 1e-5
    # The same by hand: one input, its own code, its own magnitudes.
    row = before[7:8]
    x = torch.empty(1, found.n)
    x[:, found.reader.members.flatten()] = encode(row.sign(), k, rng(5)).flatten(1)
    logits = found.reader(x, row.abs(), torch.zeros_like(row))
    assert torch.allclose(logits, found.layer.read(row.clamp(min=0)), atol=1e-6)


def test_one_wrong_sign_is_noticed(monkeypatch) -> None:
    found, _ = recoding(3)

    def faulty(on: torch.Tensor, k: int, generator: torch.Generator) -> torch.Tensor:
        units = encode(on, k, generator)
        units[5, 11, 0] *= -1
        return units

    monkeypatch.setattr(module, "encode", faulty)
    assert found.largest_difference(3, rng()) > 1e-3
    monkeypatch.setattr(module, "encode", lambda on, k, g: -encode(on, k, g))
    with pytest.raises(RuntimeError, match="re-coding changes a logit by"):
        built("digits-recoded[k=3]")


def test_swapped_members_are_noticed() -> None:
    found, _ = recoding(3)
    members = found.reader.members.clone()
    members[0, 0], members[1, 0] = found.reader.members[1, 0], found.reader.members[0, 0]
    mixed = RecodedReader(found.layer.read, members, found.reader.coded)
    x = found.sample(3)(50, rng())
    assert not torch.equal(mixed.states(x), found.reader.states(x))


def test_the_margins_by_state_are_those_of_the_problem() -> None:
    layer = digits.layer(2)
    instance = recoded_instance(
        layer, 2, classes=10, k=2, codes=3, idle=1, target=2, readout="margin", subsets=7
    )
    view = ScoringView(instance.problem, 0)
    values = view.value(view.sample(400))
    assert len(values.unique()) == 8
    share = float((values < 0).float().mean())
    assert instance.facts["decision_changes"] == pytest.approx(share, abs=0.1)


def test_an_input_serves_if_a_tenth_of_the_states_changes_the_decision() -> None:
    found, _ = recoding(1)
    few = replace(found, magnitude=torch.ones(5), reader=found.reader)
    for negative, serves in ((3, False), (4, True), (28, True), (29, False)):
        few.__dict__["by_state"] = torch.cat([-torch.ones(negative), torch.ones(32 - negative)])
        assert few.decides() == serves


def test_variants_of_k_are_the_same_but_for_the_code() -> None:
    texts = ("digits-recoded[k=1]", "digits-recoded[k=5]")
    one, five = plan_cells(choose_suite(None, texts, ("random",), (), 1))
    assert one.instance_seed == five.instance_seed
    assert one.method_seed != five.method_seed
    local, spread = (built(text, one.instance_seed) for text in texts)
    assert sorted(local.truth.spectrum.values()) == sorted(spread.truth.spectrum.values())
    same = ("target", "test_accuracy", "energy_by_number_of_codes", "decision_changes")
    assert all(local.facts[name] == spread.facts[name] for name in same)
    other = plan_cells(choose_suite(None, ("digits-recoded[codes=5]",), ("random",), (), 1))
    assert other[0].instance_seed != one.instance_seed


def test_a_layer_that_cannot_be_recoded_says_why() -> None:
    layer = digits.layer(0)
    dead = replace(layer, before=layer.before - 100)
    with pytest.raises(RuntimeError, match="0 units of the layer are on and off often enough"):
        recoded_instance(dead, 0, classes=10, k=2, codes=3, idle=2, readout="margin")


def test_decoding_is_differentiable_between_the_signs() -> None:
    view = ScoringView(built("digits-recoded[k=3]").problem, 0)
    x = (view.sample(256) * 0.1).requires_grad_()
    (slope,) = torch.autograd.grad(view.margin(x).sum(), x)
    assert torch.isfinite(slope).all()
    assert (slope != 0).any()


@pytest.mark.parametrize(("family", "data"), [("mnist", "mnist"), ("sst2", "sst2")])
def test_networks_on_real_data_are_recoded_too(family: str, data: str) -> None:
    if not present(data):
        pytest.skip(f"{data} is not here; set ACTSPEC_BENCH_DATA to its folder")
    for k in (1, 5):
        instance = built(f"{family}-recoded[k={k}]", seed=1)
        assert instance.problem.n == 10 * k
        assert instance.facts["largest_output_difference"] <= 1e-5
        assert 0.1 <= instance.facts["decision_changes"] <= 0.9
        view = ScoringView(instance.problem, 0)
        x = view.sample(30_000)
        subsets = list(instance.truth.spectrum)
        chi = characters(view.pattern(x), membership(subsets, view.n))
        estimate = chi.T @ view.value(x) / len(x)
        assert estimate.tolist() == pytest.approx(
            list(instance.truth.spectrum.values()), abs=5 / 30_000**0.5
        )
