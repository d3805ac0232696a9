"""Specs, cards and names."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from actspec_bench.errors import UsageError
from actspec_bench.registry.cards import MethodCard
from actspec_bench.registry.decorators import method as register_method
from actspec_bench.registry.entries import Entry, Registry, metrics, tasks
from actspec_bench.registry.entries import methods as all_methods
from actspec_bench.registry.specs import Spec


def sample_method(
    problem: object,
    *,
    draws: Annotated[int, Field(ge=1)] = 64,
    orders: tuple[int, ...] = (),
    mode: Literal["a", "b"] = "a",
    rate: float = 0.5,
    loud: bool = False,
) -> None:
    """Summary line."""


@pytest.fixture
def registry() -> Registry[MethodCard]:
    made: Registry[MethodCard] = Registry("method", "actspec_bench.methods")
    made._discovered = True
    card = MethodCard(name="mine", summary="s", returns="units", family="f")
    made.add(Entry("method", card, sample_method))
    return made


def test_a_spec_fills_in_defaults_and_labels_what_differs(registry: Registry) -> None:
    spec = Spec.parse("mine[orders=(1,2),loud=true,draws=64]", registry)
    assert spec.parameters == {
        "draws": 64,
        "orders": (1, 2),
        "mode": "a",
        "rate": 0.5,
        "loud": True,
    }
    assert spec.label == "mine[loud=true,orders=(1,2)]"
    assert Spec.parse(spec.label, registry) == spec
    assert Spec.parse(" mine ", registry).label == Spec.parse("mine[]", registry).label == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mien", "no method 'mien'; did you mean 'mine'"),
        ("mine[drawz=3]", "no parameter 'drawz'; did you mean 'draws'"),
        ("mine[draws=sixty]", "'draws' .* valid integer.* got 'sixty'"),
        ("mine[draws=0]", "'draws' .* greater than or equal to 1, got 0"),
        ("mine[draws=1.5]", "'draws' .* integer"),
        ("mine[mode=c]", "'mode' .* 'a' or 'b', got 'c'"),
        ("mine[draws]", "'draws' in .* not of the form param=value"),
        ("mine[draws=1,draws=2]", "given twice"),
        ("mine[draws=1", "not of the form name"),
        ("", "not of the form name"),
    ],
)
def test_a_mistake_in_a_spec_gets_one_sentence(registry: Registry, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        Spec.parse(text, registry)
    assert "\n" not in str(error.value)


def test_a_taken_name_says_who_has_it(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"already registered by .*test_registry\.py"):
        registry.add(registry["mine"])


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"returns": "pixels", "family": "f"}, "field 'returns'"),
        ({"returns": "units", "family": "f", "colour": "red"}, "field 'colour'"),
        ({"returns": "units", "family": "f", "sees_truth": True}, "only the built-in controls"),
    ],
)
def test_a_wrong_card_is_refused(card: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        register_method("my-wrong-card", **card)(sample_method)
    assert "my-wrong-card" not in all_methods


def test_functions_that_cannot_be_called_by_the_harness_are_refused() -> None:
    def undocumented(problem: object) -> None: ...

    def positional(problem: object, draws: int = 3) -> None:
        """Summary."""

    for function, message in ((undocumented, "docstring"), (positional, "keyword-only")):
        with pytest.raises(UsageError, match=message):
            register_method("my-method", returns="units", family="f")(function)
    with pytest.raises(UsageError, match="field 'name'"):
        register_method("My Method", returns="units", family="f")(sample_method)


def test_every_entry_has_a_card_and_resolves_its_own_defaults() -> None:
    for registry in (tasks, all_methods, metrics):
        entries = list(registry)
        assert entries
        for entry in entries:
            assert entry.card.summary
            if registry is not metrics:
                assert entry.resolve({}) == entry.resolve(entry.resolve({}))
    for entry in tasks:
        assert entry.card.main_metric in metrics
        assert entry.card.chance
        assert entry.card.ceiling
