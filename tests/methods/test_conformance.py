"""What holds for every registered method, whatever it does, on tiny problems of each kind."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import pickle
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import (
    finds_what_was_planted,
    gives_no_scores_for_nan,
    negated,
    wrong_signs,
)
from process_state import global_states, set_global_generators, settings
from small_networks import state_of
from tiny_problems import (
    KINDS,
    N,
    hooks_and_gradients,
    of_function,
    tensors_of,
    tiny,
    used_network,
)

from actspec_bench import Attribution, NotApplicable, Problem, attribute
from actspec_bench.errors import Missing, UsageError
from actspec_bench.registry.entries import methods

ENTRIES = {entry.name: entry for entry in methods if not entry.card.sees_truth}
BUDGETS = [1, 2, N, N + 1, 2 * N + 1, 300, 5000]
MIDDLE = 1500
SEEDS = (0, 1, 2)
ORDER = (4, 2, 0, 5, 1, 3)


def tried(name: str, problem: Problem) -> Attribution | str:
    """What a method returns, or why it does not."""
    try:
        return attribute(name, problem)
    except NotApplicable as reason:
        return str(reason)


@cache
def found(name: str, kind: str, seed: int = 0, **listed: tuple[int, ...]) -> Attribution | str:
    set_global_generators(7)
    return tried(name, tiny(kind, budget=MIDDLE, seed=seed, **listed).problem)


def kinds(name: str) -> list[str]:
    """Kinds of problem to try: one alone where a library takes seconds a run."""
    return list(KINDS)[:1] if ENTRIES[name].card.extra else list(KINDS)


def served(name: str) -> list[str]:
    return [kind for kind in kinds(name) if isinstance(found(name, kind), Attribution)]


def content(result: Attribution | str) -> object:
    if isinstance(result, str):
        return result
    info = {key: told for key, told in result.info.items() if not key.startswith("seconds")}
    return result.as_dict(), result.importance.tolist(), json.dumps(info, allow_nan=False)


def serves_something(name: str) -> Iterator[str]:
    if not served(name):
        with contextlib.suppress(Missing):
            attribute(name, tiny("products", budget=MIDDLE).problem)
            yield f"serves no problem: {found(name, 'products')}"


def gives_the_same_again(name: str) -> Iterator[str]:
    """Whatever the global generators are at; and leaves them, modes and sources as they were."""
    for kind in served(name):
        made = tiny(kind, budget=MIDDLE)
        held, set_before = tensors_of(made.source), settings()
        set_global_generators(11)
        before = global_states()
        again = tried(name, made.problem)
        if content(again) != content(found(name, kind)):
            yield f"{kind}: another answer to the same problem"
        if global_states() != before:
            yield f"{kind}: a global generator was drawn from or seeded"
        if settings() != set_before:
            yield f"{kind}: grad mode, dtype, threads, or what is warned of has changed"
        if not all(map(torch.equal, held, tensors_of(made.source))):
            yield f"{kind}: rows of the problem were written over"


def keeps_to_any_budget(name: str) -> Iterator[str]:
    for kind in kinds(name):
        for budget in BUDGETS:
            made = tiny(kind, budget=budget)
            result = tried(name, made.problem)
            spent = made.problem.spent
            if sum(spent.values()) > budget:
                yield f"{kind}: {spent} of {budget}"
            if kind != "rows given" and spent != vars(made.count):
                yield f"{kind}, {budget}: {made.count} asked and {spent} counted"
            if isinstance(result, str) and (len(result.split()) < 5 or "\n" in result):
                yield f"{kind}, {budget}: no sentence: {result!r}"


def close(plain: np.ndarray, moved: np.ndarray, *, samples: bool) -> bool:
    """Whether scores (seeds, units) agree: exactly, or as means of what varies over seeds."""
    difference = np.abs(plain.mean(0) - moved.mean(0)).max()
    scale = max(np.abs(plain).max(), 1e-12)
    error = ((plain.var(0, ddof=1) + moved.var(0, ddof=1)).max() / len(plain)) ** 0.5
    return bool(difference <= (4 * error + 0.02 * scale if samples else 1e-4 * scale))


def over_seeds(name: str, kind: str, **listed: tuple[int, ...]) -> list[Attribution]:
    seeds = SEEDS[:2] if ENTRIES[name].card.extra else SEEDS
    results = [found(name, kind, seed, **listed) for seed in seeds]
    return [result for result in results if isinstance(result, Attribution)]


def top_of(results: list[Attribution], unlisted: Callable[[int], int]) -> set:
    """Top subsets, where each is well above the next; else none."""
    if not all(a.subsets and a.importance[0] > 1.2 * a.importance[1:2].sum() for a in results):
        return set()
    return {tuple(sorted(map(unlisted, a.subsets[0]))) for a in results}


def answers_in_the_order_of_units(name: str) -> Iterator[str]:
    if ENTRIES[name].card.control or "layout" in ENTRIES[name].card.needs:
        return
    for kind in served(name):
        if kind == "noisy":
            continue
        plain, moved = over_seeds(name, kind), over_seeds(name, kind, order=ORDER)
        if len(moved) != len(plain):
            yield f"{kind}: serves one order of units and not another"
            continue
        samples = any(a.as_dict() != plain[0].as_dict() for a in plain)
        scores = np.array([a.units(N)[list(ORDER)] for a in plain])
        if not close(scores, np.array([a.units(N) for a in moved]), samples=samples):
            yield f"{kind}: other scores in another order of units"
        tops = top_of(plain, lambda i: i)
        if len(tops) == 1 and not tops >= top_of(moved, lambda i: ORDER[i]):
            yield f"{kind}: another top subset in another order of units"


def knows_a_negated_unit(name: str) -> Iterator[str]:
    if ENTRIES[name].card.control or "products" not in served(name):
        return
    plain = over_seeds(name, "products")
    turned = over_seeds(name, "products", negated=negated(name))
    samples = any(a.as_dict() != plain[0].as_dict() for a in plain)
    sizes = [np.array([a.units(N) for a in results]) for results in (plain, turned)]
    if not close(*sizes, samples=samples):
        yield "other magnitudes where a unit is negated"
    if len(turned) != len(plain):
        yield "serves units as they are and not negated"
    for one, other in zip(plain, turned, strict=False):
        yield from wrong_signs(name, one, other)


def leaves_a_network_alone(name: str) -> Iterator[str]:
    model, inputs = used_network()
    before = state_of(model), hooks_and_gradients(model), inputs.tolist()
    problem = Problem.from_module(
        model, layer="1", inputs=inputs, target=1, readout="margin", budget=300
    )
    tried(name, problem)
    if (state_of(model), hooks_and_gradients(model), inputs.tolist()) != before:
        yield "a network is not as it was"


def survives_odd_functions(name: str) -> Iterator[str]:
    """NaN is no number; where nothing matters no unit stands out; a lone unit may be all."""
    if ENTRIES[name].card.control:
        return
    for spoilt in (lambda x: x[:, 0] * torch.nan, lambda x: (x[:, 0] + x[:, 1] + 1).sqrt()):
        met: list[bool] = []

        def seen(x: torch.Tensor, spoilt=spoilt, met=met) -> torch.Tensor:
            met.append(bool(spoilt(x).isnan().any()))
            return spoilt(x)

        with contextlib.suppress(NotApplicable, ValueError):
            attribute(name, of_function(seen, budget=300))
            if any(met):
                yield "a function that is not a number got scores"
    flat = tried(name, of_function(lambda x: 0 * x[:, 0] + 0.5, budget=MIDDLE))
    if isinstance(flat, Attribution) and np.ptp(flat.units(N)) > 1e-6:
        yield f"a constant function got {flat.as_dict()}"
    one = tried(name, of_function(lambda x: 2 * x[:, 0], budget=MIDDLE, n=1))
    if isinstance(one, Attribution) and not (one.units(1)[0] > 0 or "reason" in one.info):
        yield f"the only unit: {one.as_dict()}"


def tells_what_can_be_kept(name: str) -> Iterator[str]:
    for kind in served(name):
        result = found(name, kind)
        if content(pickle.loads(pickle.dumps(result))) != content(result):
            yield f"{kind}: not the same after it was pickled"


CHECKS = [
    serves_something,
    gives_the_same_again,
    keeps_to_any_budget,
    answers_in_the_order_of_units,
    knows_a_negated_unit,
    leaves_a_network_alone,
    survives_odd_functions,
    finds_what_was_planted,
    gives_no_scores_for_nan,
    tells_what_can_be_kept,
]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_method_conforms(name: str) -> None:
    """All in one test, so that what a method compiles is compiled once."""
    for module in ENTRIES[name].card.imports:
        importlib.import_module(module)
    broken = []
    for check in CHECKS:
        try:
            broken += [f"{check.__name__}: {sentence}" for sentence in check(name)]
        except Exception as error:
            broken.append(f"{check.__name__}: {type(error).__name__}: {error}")
    assert broken == []


@pytest.mark.parametrize("name", [name for name, e in ENTRIES.items() if e.card.extra])
def test_without_its_extra_a_method_says_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = ENTRIES[name].card.extra
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    packages = [re.split(r"[^\w-]", text)[0] for text in project["optional-dependencies"][extra]]
    own = [module for module in ENTRIES[name].card.imports if module.startswith("actspec_bench")]
    for module in list(sys.modules):
        if module.partition(".")[0] in packages or module in own:
            monkeypatch.delitem(sys.modules, module)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    for kind in KINDS:
        with pytest.raises(NotApplicable) as told:
            attribute(name, tiny(kind, budget=MIDDLE).problem)
        if isinstance(told.value, Missing):
            assert extra in str(told.value)
            assert told.value.lacks
            return
    pytest.fail("no problem on which it says what is missing")


@pytest.mark.parametrize("name", ENTRIES)
def test_unknown_and_wrong_parameters_are_told(name: str) -> None:
    with pytest.raises(UsageError, match="no parameter 'nonsense'"):
        ENTRIES[name].resolve({"nonsense": 1})
    problem = of_function(lambda x: x[:, 0], budget=10)
    for parameter in list(inspect.signature(ENTRIES[name].function).parameters)[1:]:
        for wrong in (object(), ["nonsense"]):
            with pytest.raises(UsageError, match=f"parameter '{parameter}' of method '{name}'"):
                attribute(name, problem, **{parameter: wrong})


@pytest.mark.parametrize("name", ENTRIES)
def test_the_card_is_complete(name: str) -> None:
    card = ENTRIES[name].card
    assert card.summary.endswith(".")
    assert (card.family == "control") == card.control
    told = {"rows": card.rows, "fails": card.fails, "citation": card.citation}
    if {module.partition(".")[0] for module in card.imports} & {"captum", "lightgbm", "shapiq"}:
        told["calls"] = card.calls
    assert [field for field, text in told.items() if not (text or card.control)] == []
    parameters = inspect.signature(ENTRIES[name].function).parameters
    if "on" in parameters:
        assert card.on == parameters["on"].default
