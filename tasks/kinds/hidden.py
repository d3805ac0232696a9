"""Layer of a network -> task: its units over a data set, the function one class against others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

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


def hidden_task(
    name: str, *, classes: int, against: bool = False, **card: Any
) -> Callable[[OfferT], OfferT]:
    """Register a task of the units of a layer; decorates ``seed -> Bottleneck``.

    The function that is explained is the margin of one class against the rest, its logit less
    the best other, or the sign. The rows to explain are 16 that the network takes for the class
    and 16 that it does not; scores use the layer's held-out rows. Nothing is known of the truth.

    Parameters
    ----------
    name
        Such as ``"mnist-hidden"``.
    classes
        Logits of the network, 2 or more.
    against
        Whether the task has a parameter ``against``, one other class in place of the rest; the
        layer must then have ``labels``.
    **card
        Fields of the card: ``data``, ``licence``, ``citation``, ``figures``, ...

    Returns
    -------
    The decorator; it returns the function it is given, so that kinds of task can be stacked.
    """
    parameters = [READOUT, target_of(classes)]
    if against:
        parameters.append(_against(classes))

    def build(layer: Bottleneck, seed: int, **given: Any) -> Instance:
        from actspec_bench.tasks.networks.bottleneck import hidden_instance

        return hidden_instance(layer, seed, classes=classes, **given)

    def register(offer: OfferT) -> OfferT:
        made = declared(offer, build, parameters, offered="Bottleneck")
        check = _two_classes if against else None
        task(name, **{**TRUTH_UNKNOWN, **card, "check": check})(made)
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


def _two_classes(*, target: int | None, against: int | None, **_: object) -> None:
    if target is not None and target == against:
        raise ValueError(f"target={target} and against={against} are the same class")
