"""Re-coded layers against their definition, by enumeration and by sampling."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from actspec_bench.tasks import _digits
from actspec_bench.tasks._recoding import decode, encode, recoded

from actspec_bench.data import present
from actspec_bench.registry import tasks
from actspec_bench.specs import Spec
from actspec_bench.spectrum import characters, membership
from actspec_bench.views import ScoringView


def build(text: str, seed: int = 0):
    spec = Spec.parse(text, tasks)
    return tasks[spec.name].function(seed, **spec.parameters)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_decoding_gives_back_what_was_encoded_bit_by_bit(k: int) -> None:
    z = torch.randn(2_000, 7) * torch.tensor([1e-6, 1e-3, 1, 3, 10, 1e3, 1e6])
    z[0] = 0
    units = encode(z, k, torch.Generator().manual_seed(0))
    assert units.shape == (2_000, 7, k)
    assert torch.equal(decode(units), z)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_proper_part_of_a_code_tells_the_state(k: int) -> None:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(40_000, generator=generator) + 0.8
    on = torch.where(encode(z, k, generator) > 0, 1.0, -1.0)
    state = torch.where(z > 0, 1.0, -1.0)
    assert torch.equal(on.prod(1), state)
    for size in range(1, k):
        for part in combinations(range(k), size):
            chi = on[:, list(part)].prod(1)
            assert abs((chi * state).mean()) < 4 / 200
            assert abs(chi.mean()) < 4 / 200


def test_a_mixture_decodes_to_the_parity_of_signs_and_the_least_magnitude() -> None:
    units = torch.randn(500, 3, 4)
    expected = units.sign().prod(-1) * units.abs().amin(-1)
    assert torch.allclose(decode(units), expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("readout", ["margin", "decision"])
def test_the_truth_is_what_a_large_sample_shows(k: int, readout: str) -> None:
    instance = build(f"digits-recoded[k={k},codes=4,idle=2,readout={readout}]", seed=3)
    view = ScoringView(instance.problem, 0)
    x = view.sample(60_000)
    f = view.value(x).double()
    truth = instance.truth
    subsets = [*truth.spectrum, *sorted(truth.minor)]
    estimate = characters(view.pattern(x), membership(subsets, view.n)).double().T @ f / len(f)
    for subset, value in zip(subsets, estimate.tolist(), strict=True):
        error = 5 * float(f.square().mean()) ** 0.5 / len(f) ** 0.5
        assert value == pytest.approx(truth.spectrum.get(subset, 0), abs=error) or (
            subset in truth.minor and abs(value) <= min(map(abs, truth.spectrum.values())) + error
        )
    assert len(truth.spectrum) == 4
    assert len(truth.spectrum) + len(truth.minor) <= 15
    total = sum(c * c for c in truth.spectrum.values())
    assert total <= instance.facts["share_of_patterns"] * float(f.var()) * 1.03


def test_subsets_that_hold_a_code_in_part_have_no_coefficient() -> None:
    instance = build("digits-recoded[k=2,codes=3,idle=2]", seed=1)
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


def test_the_true_subsets_are_unions_of_whole_codes() -> None:
    instance = build("digits-recoded[k=3,codes=4,idle=4]", seed=2)
    sizes = {len(s) for s in (*instance.truth.spectrum, *instance.truth.minor)}
    assert sizes <= {3, 6, 9, 12}
    single = [set(s) for s in (*instance.truth.spectrum, *instance.truth.minor) if len(s) == 3]
    assert all(not a & b for a, b in combinations(single, 2))
    assert instance.truth.relevant().sum() <= 12 < instance.problem.n == 24


def test_idle_codes_change_nothing() -> None:
    instance = build("digits-recoded[k=3,codes=4,idle=4]", seed=2)
    view = ScoringView(instance.problem, 0)
    used = torch.zeros(view.n, dtype=torch.bool)
    for subset in (*instance.truth.spectrum, *instance.truth.minor):
        used[list(subset)] = True
    x, y = view.sample(500), view.sample(500)
    assert torch.equal(view.margin(x), view.margin(torch.where(used, x, y)))
    assert not torch.equal(view.margin(x), view.margin(torch.where(used, y, x)))


def test_whole_rows_give_the_trained_network_s_own_margin() -> None:
    layer, _ = _digits.bottleneck(0)
    generator = torch.Generator().manual_seed(0)
    before = layer.heldout
    for k in (1, 2, 3, 5):
        carried = decode(encode(before, k, generator))
        old, new = (layer.read(layer.activate(z)) for z in (before, carried))
        assert (old - new).abs().max() <= 1e-5
    assert build("digits-recoded[k=5]").facts["largest_output_difference"] <= 1e-5


def test_a_layer_that_cannot_be_recoded_says_why() -> None:
    layer, _ = _digits.bottleneck(0)
    with pytest.raises(RuntimeError, match="units of the layer are on and off often enough"):
        recoded(layer, 0, k=2, codes=16, idle=200, target=0, readout="margin", subsets=4)


def test_decoding_is_differentiable() -> None:
    view = ScoringView(build("digits-recoded[k=3]").problem, 0)
    x = view.sample(64).requires_grad_()
    (slope,) = torch.autograd.grad(view.margin(x).sum(), x)
    assert torch.isfinite(slope).all()
    assert (slope != 0).any()


@pytest.mark.parametrize(("family", "data"), [("mnist", "mnist"), ("sst2", "sst2")])
def test_networks_on_real_data_are_recoded_too(family: str, data: str) -> None:
    if not present(data):
        pytest.skip(f"{data} is not here; set ACTSPEC_BENCH_DATA to its folder")
    for k in (1, 5):
        instance = build(f"{family}-recoded[k={k}]", seed=1)
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
