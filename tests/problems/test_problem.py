"""Problems of functions and of given rows: counted, seeded, checked, and not to be changed."""

from __future__ import annotations

import pytest
import torch
from scoring import built
from torch import Tensor

from actspec_bench import BudgetExceeded, NotApplicable, Problem
from actspec_bench.problems.views import ScoringView, restarted


def product(x: Tensor) -> Tensor:
    return x[:, 0] * x[:, 1]


def test_rows_are_counted_both_ways_and_never_exceed_the_budget() -> None:
    rows_seen = 0

    def function(x: Tensor) -> Tensor:
        nonlocal rows_seen
        rows_seen += len(x)
        return product(x)

    problem = Problem.from_function(function, 4, budget=10)
    x = problem.sample(4).requires_grad_()
    problem.margin(x).sum().backward()
    assert problem.spent == {"forward": 4, "backward": 4}
    assert problem.remaining == 2
    with pytest.raises(BudgetExceeded, match=r"3 forward rows .* 2 of the budget of 10"):
        problem.value(problem.sample(3))
    assert rows_seen == 4
    problem.value(problem.sample(2))
    assert (problem.remaining, rows_seen) == (0, 6)


def test_a_backward_pass_over_the_budget_is_refused_before_the_function_sees_it() -> None:
    seen = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # noqa: ARG004
            return x.sum(1)

        @staticmethod
        def backward(ctx, gradient):  # noqa: ARG004
            seen.append(len(gradient))
            return gradient[:, None].expand(-1, 4)

    problem = Problem.from_function(Spy.apply, 4, budget=5)
    output = problem.margin(problem.sample(3).requires_grad_())
    with pytest.raises(BudgetExceeded, match="3 backward rows"):
        output.sum().backward()
    assert seen == []
    assert problem.spent == {"forward": 3, "backward": 0}


def test_the_decision_is_the_sign_of_the_margin_with_zero_on() -> None:
    problem = Problem.from_function(lambda x: x[:, 0] + x[:, 1], 2, readout="decision")
    x = torch.tensor([[1.0, 1], [-1, -1], [1, -1]])
    assert problem.value(x).tolist() == [1, -1, 1]
    assert problem.margin(x).tolist() == [2, -2, 0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, r"returned shape \(3, 2\) for 3 rows"),
        (lambda x: x[:, 0] / 0, "not finite"),
        (lambda x: x[:1, 0], r"returned shape \(1,\)"),
    ],
)
def test_a_function_that_answers_wrongly_is_told(function, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem.from_function(function, 2).value(torch.ones(3, 2))


@pytest.mark.parametrize("x", [torch.ones(3), torch.ones(3, 5), torch.ones(1, 3, 2)])
def test_rows_of_the_wrong_shape_are_told(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(rows, 2\)"):
        Problem.from_function(product, 2).value(x)


def test_writing_to_what_a_problem_hands_out_changes_nothing() -> None:
    problem = Problem.from_function(lambda x: x.mul_(2).sum(1), 3)
    before = problem.foreground
    for handed_out in (problem.foreground, problem.baseline, problem.threshold):
        handed_out.fill_(7)
    x = torch.ones(1, 3)
    assert problem.value(x).tolist() == [6]
    assert x.tolist() == [[1, 1, 1]]
    assert torch.equal(problem.foreground, before)
    assert problem.baseline.tolist() == problem.threshold.tolist() == [0, 0, 0]


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_below_one_row_is_refused(budget: int) -> None:
    with pytest.raises(ValueError, match="at least 1 row"):
        Problem.from_function(product, 2, budget=budget)


def test_same_seed_same_draws_and_scoring_is_free_and_noise_free() -> None:
    one, two = (Problem.from_function(product, 5, seed=3, budget=4) for _ in range(2))
    assert torch.equal(one.sample(6), two.sample(6))
    assert not torch.equal(one.sample(6), one.sample(6))
    view = ScoringView(one, 0)
    view.value(view.sample(100))
    assert one.remaining == 4


def test_metered_noise_is_fresh_at_every_query_and_repeats_with_the_seed() -> None:
    problem = restarted(built("planted-nothing[n=3]").problem, budget=10**6, seed=1)
    x = torch.ones(20_000, 3)
    first, second = problem.value(x), problem.value(x)
    assert not torch.equal(first, second)
    assert first.std().item() == pytest.approx(1, abs=0.03)
    again = restarted(problem, budget=10**6, seed=0)
    parts = torch.cat([again.value(x[:7]), again.value(x[7:])])
    whole = restarted(problem, budget=10**6, seed=0).value(x)
    assert torch.equal(parts, whole)
    assert ScoringView(problem, 1).value(x).abs().max() == 0


def test_given_samples_answer_at_their_rows_only() -> None:
    x = torch.tensor([[1.0, -1], [1, 1], [1, -1]])
    problem = Problem.from_samples(x, [1.0, 5.0, 3.0], budget=10)
    assert problem.value(x).tolist() == [2, 5, 2]
    assert not problem.any_pattern
    with pytest.raises(NotApplicable, match="only at the rows it was given"):
        problem.value(-x)


@pytest.mark.parametrize(
    ("x", "y"), [([1.0], [1.0]), ([[1.0]], [1.0, 2.0]), ([[float("nan")]], [1.0])]
)
def test_samples_of_the_wrong_form_are_told(x: list, y: list) -> None:
    with pytest.raises(ValueError, match=r"must (have shape|be finite)"):
        Problem.from_samples(x, y)


def test_a_noisy_function_has_gradients_as_noisy_as_differences_of_its_values() -> None:
    problem = restarted(built("planted-nothing[n=4]").problem, budget=10**6, seed=0)
    x = torch.ones(20_000, 4).requires_grad_()
    problem.margin(x).sum().backward()
    ones = torch.ones(20_000, 4)
    difference = (problem.value(ones) - problem.value(-ones)) / 2
    assert x.grad.std().item() == pytest.approx(difference.std().item(), rel=0.03)
    assert abs(x.grad.mean().item()) < 0.02


def test_second_derivatives_cannot_be_had_for_free() -> None:
    problem = Problem.from_function(lambda x: (x**3).sum(1), 3)
    x = problem.sample(2).requires_grad_()
    output = problem.margin(x).sum()
    with pytest.raises(NotApplicable, match="second derivatives cannot be metered"):
        torch.autograd.grad(output, x, create_graph=True)


@pytest.mark.parametrize("n", [0, -1, 2.5, "20", True])
def test_a_number_of_units_that_is_none_is_refused(n: object) -> None:
    with pytest.raises(ValueError, match="whole number of units"):
        Problem.from_function(product, n)


def test_a_readout_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'margin' or 'decision', not 'prob'"):
        Problem.from_function(product, 2, readout="prob")


def test_given_rows_answer_with_their_own_values_and_a_quarter_is_kept_aside() -> None:
    x = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(60, 1)
    y = torch.arange(120.0)
    problem = Problem.from_samples(x, y, budget=200)
    rows = problem.rows
    assert rows is not None
    assert len(rows) == 90
    view = ScoringView(problem, 0)
    aside = view._source.heldout
    own = problem.value_of_rows(torch.arange(90))
    assert problem.spent["forward"] == 90
    assert sorted([*own.tolist(), *aside.values.tolist()]) == y.tolist()
    assert problem.value(rows[:2]).tolist() == [
        pytest.approx(float(own[(rows == row).all(1)].mean())) for row in rows[:2]
    ]
    assert Problem.from_samples(x[:79], y[:79]).rows.shape == (79, 2)
    apart = Problem.from_samples(x, y, heldout=(x[:4], y[:4]))
    assert len(apart.rows) == 120
    assert not any("kept aside" in note for note in apart.notes)
    with pytest.raises(ValueError, match="must have 2 units"):
        Problem.from_samples(x, y, heldout=(x[:, :1], y))
    with pytest.raises(NotApplicable, match="no data set"):
        Problem.from_function(lambda p: p[:, 0], 2).value_of_rows(torch.arange(2))


def test_held_out_rows_that_methods_see_are_told() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    told = Problem.from_samples(x, x[:, 0], heldout=(x[:7], x[:7, 0])).notes
    assert told[0].startswith("7 of the 7 held-out rows are among the rows that methods see")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    problem = Problem.from_module(model, layer="1", inputs=x, target=1, heldout=x[40:])
    assert any("10 of the 10 held-out rows" in note for note in problem.notes)
    signs = x.sign()
    assert Problem.from_samples(signs, x[:, 0], heldout=(signs, x[:, 0])).notes[1:] == ()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (torch.ones(5, 3), r"heldout must be a pair \(x, y\), rows and their values"),
        ((torch.ones(5, 2), torch.ones(5)), "heldout rows must have 3 units, not 2"),
        ((torch.ones(5, 3), torch.ones(4)), r"heldout y must have shape \(5,\), not \(4,\)"),
        ((torch.ones(0, 3), torch.ones(0)), r"heldout x must have shape \(rows, n\) with rows"),
    ],
)
def test_held_out_samples_are_checked_by_their_own_name(wrong: object, sentence: str) -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=sentence):
        Problem.from_samples(x, x[:, 0], heldout=wrong)
