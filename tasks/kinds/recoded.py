"""Layer of a network -> task: its units' states in a distributed code of known membership."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from actspec_bench.registry.decorators import task
from actspec_bench.tasks.kinds.declared import READOUT, Parameter, declared, target_of

if TYPE_CHECKING:
    from actspec_bench.problems.instance import Instance
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

__all__ = ["recoded_task"]

OfferT = TypeVar("OfferT", bound=Callable[..., Any])
Codes = Annotated[int, Field(ge=1, le=16)]
TOLD = """
The on/off state of a hidden unit is spread over k units that are each on or off by a fair coin:
u_i = r_i m_i with random magnitudes and random signs whose product is the state. The next step
decodes exactly and gates the unit's magnitude, and the network computes the same outputs, which
is checked on all held-out inputs. The truth is which units act together.

The units of the problem are those of ``codes`` codes, of the hidden units that matter most
at one input near the decision boundary, and of ``idle`` codes that nothing reads. A coded
unit is off or has its median activation; the rest of the layer is held at that input. Under
D the states are independent fair coins, so that all coefficients are known exactly: those of
unions of codes, and no others. Instances are the same for every k but for the code.
"""


def recoded_task(name: str, *, classes: int, **card: Any) -> Callable[[OfferT], OfferT]:
    """Register a task of a re-coded layer; decorates ``seed -> Bottleneck``.

    The layer's nonlinearity must be a ReLU, for what is re-coded is whether a unit is on. What
    the task's docstring gains tells the rest.

    Parameters
    ----------
    name
        Such as ``"mnist-recoded"``.
    classes
        Logits of the network, 2 or more.
    **card
        As for `hidden_task`.

    Returns
    -------
    The decorator; it returns the function it is given, so that kinds of task can be stacked.
    """
    parameters = [
        Parameter("k", Codes, 3, "Units that carry one hidden unit; with 1 the code is local."),
        Parameter("codes", Codes, 6, "Codes that the network reads."),
        Parameter("idle", Annotated[int, Field(ge=0, le=32)], 4, "Codes that nothing reads."),
        READOUT,
        target_of(classes),
        Parameter(
            "subsets",
            Annotated[int, Field(ge=1, le=1000)] | None,
            None,
            "How many of the largest coefficients count as the truth; as many as codes if not\n"
            "    given.",
        ),
    ]

    def build(layer: Bottleneck, seed: int, **given: Any) -> Instance:
        from actspec_bench.tasks.planting.recoded import recoded_instance

        return recoded_instance(layer, seed, classes=classes, **given)

    def register(offer: OfferT) -> OfferT:
        made = declared(offer, build, parameters, offered="Bottleneck", told=TOLD)
        fields = {
            "main_metric": "subset_f1",
            "chance": "about 0: the share of subsets of that size that are codes",
            "ceiling": "1",
            "paired": ("k",),
            **card,
            "truth": "planted",
            "imports": ("actspec_bench.tasks.planting.recoded", *card.get("imports", ())),
        }
        task(name, **fields)(made)
        return offer

    return register
