"""A plug-in with a method for every way to go wrong, and a task and a metric that do."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import torch

from actspec_bench import Attribution, BudgetExceeded, Problem, method, metric, task

WEIGHT = torch.ones(4)


@task("tiny", truth="none", main_metric="surrogate_r2")
def tiny(seed, *, n: int = 4):
    """A weighted sum of four units; the weights can be reached from outside."""
    return Problem.from_function(lambda x: x @ WEIGHT, n, seed=seed)


@task("broken-task", truth="none", main_metric="surrogate_r2")
def broken_task(seed):
    """Fails to build."""
    raise RuntimeError("no such thing")


@metric("nan-metric", family="cost", higher_is_better=True)
def nan_metric(outcome):
    """Has no value where a method reported exactly three units."""
    return float("nan") if len(outcome.attribution.subsets) == 3 else 1.0


def good(problem):
    return Attribution.from_units(torch.arange(problem.n) + 1.0)


def register(function):
    return method(function.__name__.replace("_", "-"), returns="units", family="bad")(function)


@register
def well_behaved(problem):
    """Does what it should."""
    print("printing is fine")
    return good(problem)


@register
def raises(problem):
    """Raises."""
    print("last words", file=sys.stderr)
    raise KeyError("missing")


@register
def returns_a_list(problem):
    """Returns the wrong type."""
    return [1, 2, 3]


@register
def returns_too_few(problem):
    """Scores three units of four."""
    return Attribution.from_units([1.0, 2.0, 3.0])


@register
def returns_subsets(problem):
    """Declares units and returns subsets."""
    return Attribution.from_subsets({(0, 1): 1.0})


@register
def returns_nan(problem):
    """Returns NaN."""
    return Attribution.from_units([1.0, float("nan"), 0.0, 0.0])


@register
def returns_odd_info(problem):
    """Returns info that is not JSON."""
    return Attribution.from_units([1.0, 0, 0, 0], info={"tensor": torch.ones(1)})


@register
def exits(problem):
    """Calls sys.exit."""
    sys.exit(3)


@register
def exits_hard(problem):
    """Ends its process."""
    os._exit(4)


@register
def loops(problem):
    """Loops for ever, deaf to polite signals."""
    while True:
        time.sleep(0.01)


@register
def eats_memory(problem):
    """Allocates until it is stopped."""
    hoard = []
    while True:
        hoard.append(torch.ones(2_000_000))


@register
def asks_for_too_much_memory(problem):
    """Asks for more memory than there is at once."""
    return torch.ones(10**15)


@register
def writes_to_inputs(problem):
    """Writes to what it was handed, which are copies."""
    for handed_out in (problem.foreground, problem.baseline, problem.sample(3)):
        handed_out.zero_()
    return good(problem)


@register
def changes_the_function(problem):
    """Changes the network it explains."""
    WEIGHT.zero_()
    return good(problem)


@register
def overspends(problem):
    """Asks for a row more than its budget."""
    problem.value(problem.sample(problem.remaining + 1))


@register
def overspends_and_carries_on(problem):
    """Asks for too much, is refused, and returns what it has."""
    try:
        problem.value(problem.sample(problem.remaining + 1))
    except BudgetExceeded:
        return good(problem)


@register
def leaves_a_process(problem):
    """Starts a process in a session of its own and returns."""
    child = subprocess.Popen(["sleep", "1234.5"], start_new_session=True)
    return Attribution.from_units([1.0, 0, 0, 0], info={"pid": child.pid})


@register
def reports_three(problem):
    """Trips the NaN metric."""
    return Attribution.from_units([1.0, 1.0, 1.0, 0.0])
