"""Inputs asked by doubt: chances that are kept, means that stay unbiased and err less."""

from __future__ import annotations

import pytest
import torch
from dependent_units import behind_a_layer, latent_layer
from torch import nn

from actspec_bench import Problem, attribute
from actspec_bench.fourier.regression import fresh_r2
from actspec_bench.methods.actspec import estimates, layers
from actspec_bench.methods.actspec.dense import fitted
from actspec_bench.methods.actspec.inputs import FOLDS, Inputs, _chances
from actspec_bench.problems.views import restarted


@pytest.mark.parametrize("rows", [1, 7, 50, 99, 100])
def test_chances_add_up_to_the_rows_and_grow_with_doubt(rows: int) -> None:
    doubt = torch.rand(100, generator=torch.Generator().manual_seed(0)).pow(8)
    chances = _chances(doubt, rows)
    assert float(chances.sum()) == pytest.approx(rows, rel=1e-5)
    assert 0 < float(chances.min()) <= float(chances.max()) <= 1
    order = doubt.argsort()
    assert bool((chances[order].diff() >= -1e-6).all())
    assert torch.allclose(_chances(torch.zeros(100), rows), torch.full((100,), rows / 100))


def _network(seed: int = 0) -> Problem:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    rows = torch.randn(3000, 6, generator=torch.Generator().manual_seed(1))
    return Problem.from_module(
        model, layer="1", inputs=rows, target=1, heldout=rows[:100], budget=900, seed=seed
    )


def _asked(problem: Problem, *, by_doubt: bool) -> Inputs:
    inputs = Inputs.of(problem)
    inputs.ask(300)
    inputs.ask(600, fitted(inputs).doubt if by_doubt else None)
    return inputs


def test_every_input_is_asked_as_often_as_its_chance_says() -> None:
    """Of 400 samples: each input in as many as its chances there add up to, within their spread."""
    problem = _network()
    pilot = Inputs.of(problem)
    pilot.ask(300)
    doubt = fitted(pilot).doubt
    assert doubt is not None
    hits, wanted, spread = (torch.zeros(3000) for _ in range(3))
    for seed in range(400):
        inputs = Inputs.of(restarted(problem, budget=900, seed=seed))
        inputs.ask(300)
        before = inputs.known
        inputs.ask(600, doubt[pilot._numbers.argsort()][inputs._numbers])
        assert inputs.chance is not None
        open_ = ~before & inputs.choosing
        chances = torch.where(open_, inputs.chance, 0.0)
        asked = (inputs.known & open_).float()
        assert int(inputs.known.sum()) == inputs.problem.spent["forward"] <= 900
        assert int(inputs.tested.sum()) == 300 // FOLDS + 600 // FOLDS
        hits.index_add_(0, inputs._numbers, asked)
        wanted.index_add_(0, inputs._numbers, chances)
        spread.index_add_(0, inputs._numbers, chances * (1 - chances))
    z = (hits - wanted) / spread.sqrt().clamp(min=1e-6)
    assert float(z[spread > 1].square().mean()) == pytest.approx(1, abs=0.15)
    assert float(z.abs().max()) < 5


def test_corrected_means_are_unbiased_and_err_less_when_asked_by_doubt() -> None:
    problem = _network()
    view = restarted(problem, budget=3000, seed=0)
    rows = view.rows
    assert rows is not None
    every, pattern = view.value_of_rows(torch.arange(len(rows))), view.pattern(rows)
    truth = (pattern * every[:, None]).mean(0)
    errors = {}
    for by_doubt in (False, True):
        found = []
        for seed in range(150):
            inputs = _asked(restarted(problem, budget=900, seed=seed), by_doubt=by_doubt)
            choosing = inputs.choosing
            outcome = fitted(inputs).corrected(inputs)[choosing]
            found.append((inputs.pattern[choosing] * outcome[:, None]).mean(0) - truth)
        errors[by_doubt] = torch.stack(found)
    for error in errors.values():
        z = error.mean(0) / (error.std(0) / len(error) ** 0.5).clamp(min=1e-6)
        assert float(z.abs().max()) < 4
    assert float(errors[True].square().mean()) < 0.75 * float(errors[False].square().mean())


def test_where_no_predictor_serves_no_input_is_preferred() -> None:
    x = latent_layer(12, 6000, 0, latent=12)
    inputs = Inputs.of(behind_a_layer({(0, 1, 2): 1.0}, x, budget=2000))
    inputs.ask(1000)
    dense = fitted(inputs)
    assert dense.r2 < 0.1
    assert dense.doubt is not None
    chances = _chances(dense.doubt, 500)
    assert float(chances.max() / chances.min()) < 2


def _linear_decision() -> Problem:
    x = latent_layer(24, 12_000, 0, latent=8)
    weight = torch.randn(24, generator=torch.Generator().manual_seed(1))
    line = nn.Linear(24, 2)
    with torch.no_grad():
        line.weight.copy_(torch.stack([-weight, weight]))
        line.bias.zero_()
    model = nn.Sequential(nn.Identity(), line)
    return Problem.from_module(model, layer="0", inputs=x, target=1, heldout=x[:50], budget=900)


def test_what_is_explained_is_that_of_d_and_not_of_the_inputs_asked() -> None:
    problem = _linear_decision()
    inputs = _asked(restarted(problem, budget=900, seed=3), by_doubt=True)
    dense = fitted(inputs)
    values = restarted(problem, budget=12_000, seed=0).value_of_rows(inputs._numbers)
    error = (values - dense.predicted).square().mean()
    searched = inputs.searched
    own = (inputs.values - dense.predicted)[searched].square().mean()
    assert dense.r2 == pytest.approx(float(1 - error / values.var()), abs=0.015)
    assert float(1 - own / inputs.values[searched].var()) < dense.r2 - 0.03
    every = Inputs.of(restarted(problem, budget=12_000, seed=0))
    every.ask(12_000)
    singles = [(i,) for i in range(24)]
    _, told = estimates.explained(inputs, singles)
    _, truth = estimates.explained(every.testing(None), singles)
    asked = (inputs.pattern[searched], inputs.values[searched])
    assert abs(told - truth) < 0.03 < truth - fresh_r2(asked, asked, singles)


def test_the_predictor_brings_answers_nearer_to_that_of_all_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = _linear_decision()
    truth = set(attribute("actspec", restarted(problem, budget=12_000, seed=0)).subsets[:4])

    def likeness() -> float:
        shares = []
        for seed in range(8):
            found = attribute("actspec", restarted(problem, budget=900, seed=seed)).subsets[:4]
            shares.append(len(truth & set(found)) / len(truth | set(found)))
        return sum(shares) / len(shares)

    with_it = likeness()
    monkeypatch.setattr(layers, "DENSE_R2", 2.0)
    monkeypatch.setattr(layers, "LOW_ORDER_R2", 2.0)
    assert with_it > likeness() + 0.05


def test_inputs_that_are_not_asked_take_part_in_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    taken = layers._taken
    monkeypatch.setattr(layers, "_taken", lambda *a: looked_at.append(len(a[0][0])) or taken(*a))
    attribute("actspec", _linear_decision())
    assert looked_at == [12_000 - 900 // FOLDS]
