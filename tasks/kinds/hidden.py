"""Layer of a network -> task: its units over a data set, the function one class against others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from actspec_bench.registry.decorators import task
from actspec_bench.tasks.kinds.declared import (
    READOUT,
    TRUTH_UNKNOWN,
    Parameter,
    declared,
    target_of,
)

if TYPE_CHECKING:
    from actspec_bench.problems.instance import Instance
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

__all__ = ["hidden_task"]

OfferT = TypeVar("OfferT", bound=Callable[..., Any])

ROWS = Parameter(
    "rows",
    Literal["labelled", "predicted"],
    "labelled",
    "With ``against``, whether inputs are of the two classes by their label or by what the\n"
    "    network takes them for, its largest logit; if ``predicted``, the function is the class\n"
    "    against all others, +1 where its logit is the largest. Without it all are taken.",
)
BALANCED = Parameter(
    "balanced",
    bool,
    False,
    "Whether there are as many inputs for which the decision is +1 as others: the larger group\n"
    "    is cut to its first.",
)


def hidden_task(
    name: str, *, classes: int, against: bool = False, **card: Any
) -> Callable[[OfferT], OfferT]:
    """Register a task of the units of a layer; decorates ``seed -> Bottleneck``.

    The function that is explained is the margin of one class against the rest, its logit less
    the best other, or the sign. The rows to explain are 16 that the network takes for the class
    and 16 that it does not; scores use the layer's held-out rows. Nothing is known of the truth.
    With ``balanced`` the network takes half of the rows for the class, held-out ones too.

    Parameters
    ----------
    name
        Such as ``"mnist-hidden"``.
    classes
        Logits of the network, 2 or more.
    against
        Whether the task has a parameter ``against``, one other class in place of the rest, and
        ``rows``, how the two are told; by label the layer must have ``labels``.
    **card
        Fields of the card: ``data``, ``licence``, ``citation``, ``figures``, ...

    Returns
    -------
    The decorator; it returns the function it is given, so that kinds of task can be stacked.
    """
    parameters = [READOUT, target_of(classes)]
    if against:
        parameters += [_against(classes), ROWS]
    parameters.append(BALANCED)
    # Variants share networks, and tasks that there were before keep their records.
    came_later = tuple(p.name for p in (ROWS, BALANCED) if p in parameters)

    def build(layer: Bottleneck, seed: int, **given: Any) -> Instance:
        from actspec_bench.tasks.networks.bottleneck import hidden_instance

        return hidden_instance(layer, seed, classes=classes, **given)

    def register(offer: OfferT) -> OfferT:
        made = declared(offer, build, parameters, offered="Bottleneck")
        check = _two_classes if against else None
        fields = {
            **TRUTH_UNKNOWN,
            **card,
            "added": (*came_later, *card.get("added", ())),
            "paired": (*came_later, *card.get("paired", ())),
        }
        task(name, **{**fields, "check": check})(made)
        return offer

    return register


def _against(classes: int) -> Parameter:
    return Parameter(
        "against",
        Annotated[int, Field(ge=0, le=classes - 1)] | None,
        None,
        "One other class instead of the rest: only inputs of the two are in the data, and the\n"
        "    margin is the difference of their logits.",
    )


def _two_classes(
    *, target: int | None, against: int | None, rows: str = "labelled", **_: object
) -> None:
    if target is not None and target == against:
        raise ValueError(f"target={target} and against={against} are the same class")
    if rows == "predicted" and against is None:
        raise ValueError(
            "rows=predicted tells two classes apart: give against=CLASS, or leave it out"
        )
