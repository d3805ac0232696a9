"""Parts of an input of a network -> task: each part switched between its own value and a blank."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from actspec_bench.registry.decorators import task
from actspec_bench.tasks.kinds.declared import READOUT, TRUTH_UNKNOWN, Parameter, declared

if TYPE_CHECKING:
    from actspec_bench.problems.instance import Instance
    from actspec_bench.tasks.enumeration.parts import Parts

__all__ = ["masked_task"]

OfferT = TypeVar("OfferT", bound=Callable[..., Any])

SUBSETS = Parameter(
    "subsets",
    Annotated[int, Field(ge=1, le=1000)],
    10,
    "How many of the largest coefficients count as the truth; subsets tied with the last one\n"
    "    count too.",
)
ENUMERATED = {
    "truth": "enumerated",
    "main_metric": "subset_f1",
    "chance": "see the rows `random` and `constant`",
    "ceiling": "1",
}


def masked_task(name: str, *, enumerated: bool = True, **card: Any) -> Callable[[OfferT], OfferT]:
    """Register a task of the parts of one input; decorates ``seed -> Parts``.

    The function that is explained is the margin of the input's own class, which the network is
    right about, or the sign. The truth is the largest coefficients of the transform of all
    patterns. Inputs are tried in the order of the parts' candidates until one's decision
    changes in a tenth of the patterns.

    Parameters
    ----------
    name
        Such as ``"mnist-patches"``.
    enumerated
        Whether the parts are few enough, 20 or so, for all patterns; if not, nothing is known of
        the truth, and an input is judged by 256 random patterns.
    **card
        As for `hidden_task`.

    Returns
    -------
    The decorator; it returns the function it is given.
    """
    parameters = [READOUT, SUBSETS] if enumerated else [READOUT]

    def build(parts: Parts, seed: int, **given: Any) -> Instance:
        from actspec_bench.tasks.enumeration.parts import masked_instance

        return masked_instance(parts, seed, **given)

    def register(offer: OfferT) -> OfferT:
        made = declared(offer, build, parameters, offered="Parts")
        task(name, **{**(ENUMERATED if enumerated else TRUTH_UNKNOWN), **card})(made)
        return offer

    return register
