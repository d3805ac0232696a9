"""Rows go to the function's device in batches and come back."""

from __future__ import annotations

import pytest
import torch
from marks import needs_cuda
from scoring import built
from torch import Tensor, nn

from actspec_bench import NotApplicable, Problem, attribute
from actspec_bench.problems.evaluation import Evaluator
from actspec_bench.problems.kinds import masked
from actspec_bench.problems.meter import Meter
from actspec_bench.problems.source import Source
from actspec_bench.problems.views import restarted

N = 4
WEIGHT = torch.tensor([1.0, -2.0, 0.5, 3.0])


class Device:
    """A function that holds at most ``room`` rows, and notes what it is asked for."""

    def __init__(self, room: int = 10**9) -> None:
        self.room, self.asked, self.done = room, [], []

    def __call__(self, x: Tensor) -> Tensor:
        self.asked.append(len(x))
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.done.append(len(x))
        return (x**3 * WEIGHT).sum(1) + 1


def problem_of(function, **options) -> Problem:
    return Problem(masked(function, N, readout="margin", **options), budget=10**6)


def both(problem: Problem, x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    margin = problem.margin(leaf)
    (margin * upstream).sum().backward()
    return problem.value(x), margin.detach(), leaf.grad


@pytest.mark.parametrize(("room", "batch"), [(10**9, 7), (10**9, 1), (3, 16_384), (5, 12)])
def test_batches_of_any_size_give_the_same_values_and_gradients(room: int, batch: int) -> None:
    x, upstream = torch.randn(25, N), torch.randn(25)
    function = Device(room)
    problem = problem_of(function, batch_rows=batch)
    value, margin, gradient = both(problem, x, upstream)
    assert torch.allclose(value, (x**3 * WEIGHT).sum(1) + 1, atol=1e-5)
    assert torch.equal(margin, value)
    assert torch.allclose(gradient, upstream[:, None] * 3 * x**2 * WEIGHT, atol=1e-5)
    assert max(function.done) <= min(batch, room)
    assert problem.spent == {"forward": 50, "backward": 25}


def test_a_gradient_that_is_out_of_memory_is_taken_in_smaller_batches() -> None:
    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.square().sum(1)

        @staticmethod
        def backward(ctx, gradient):
            if len(gradient) > 4:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return gradient[:, None] * 2 * ctx.saved_tensors[0]

    x = torch.randn(11, N)
    gradient = both(problem_of(Backward.apply), x, torch.ones(11))[2]
    assert torch.allclose(gradient, 2 * x)


def test_a_row_that_does_not_fit_is_out_of_memory() -> None:
    function = Device(room=0)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        problem_of(function, batch_rows=16).value(torch.ones(6, N))
    assert function.asked == [6, 3, 1]


def test_noise_is_the_same_in_any_batches() -> None:
    made = built(f"planted-nothing[n={N}]").problem
    x = torch.randn(50, N)
    results = []
    for batch in (16_384, 7):
        source = Source(**{**vars(made._source), "batch_rows": batch})
        results.append(both(Problem(source, budget=10**6, seed=3), x, torch.ones(50)))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
        assert one.std() > 0.1


def test_rows_are_copied_to_the_device_and_values_come_back() -> None:
    """A tensor that notes every move it is told to make stands for rows on the CPU."""
    moves = []

    class Spy(Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function is Tensor.to:
                moves.append((args[1], (kwargs or {}).get("copy")))
            return super().__torch_function__(function, types, args, kwargs)

    there = torch.device("cpu", 0)
    x = torch.randn(5, N).as_subclass(Spy)
    evaluate = Evaluator(lambda x: x.mul_(2).sum(1), device=there, batch_rows=2)
    value = evaluate(x, Meter(10))
    assert moves.count((there, True)) == 3
    assert moves.count((x.device, None)) == 3
    assert torch.allclose(value, 2 * x.sum(1))


def test_a_function_without_derivatives_says_so() -> None:
    x = torch.ones(3, N).requires_grad_()
    for batch in (1, 10):
        margin = problem_of(lambda x: x.detach().sum(1), batch_rows=batch).margin(x)
        with pytest.raises(NotApplicable, match="no derivatives"):
            margin.sum().backward()


def test_no_rows_have_no_values() -> None:
    problem = problem_of(Device())
    assert problem.value(torch.empty(0, N)).shape == (0,)
    assert problem.margin(torch.empty(0, N).requires_grad_()).shape == (0,)


@needs_cuda
def test_a_network_on_cuda_stays_there_and_agrees_with_the_cpu() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(216, 3),
    ).train()  # fmt: skip
    images = torch.randn(60, 1, 8, 8)
    found = []
    for device in ("cpu", "cuda"):
        model.to(device)
        problem = Problem.from_module(
            model, layer="1", inputs=images, target=1, readout="margin", budget=10**6
        )
        assert problem.device.type == device
        assert {p.device.type for p in model.parameters()} == {device}
        result = both(problem, problem.sample(300), torch.ones(300))
        assert all(tensor.device.type == "cpu" for tensor in result)
        small = restarted(problem, budget=10**6, seed=0)
        found.append((*result, attribute("integrated-gradients", small).units()))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(torch.as_tensor(one), torch.as_tensor(other), rtol=1e-3, atol=1e-4)
