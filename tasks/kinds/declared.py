"""Function that makes what a network offers -> task with the parameters of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal

from pydantic import Field

__all__ = ["READOUT", "TRUTH_UNKNOWN", "Parameter", "declared", "target_of"]

SECTION = "Parameters\n----------\n"


@dataclass(frozen=True)
class Parameter:
    """One parameter that all tasks of a kind take: its type, its default, and what it means."""

    name: str
    annotation: Any
    default: Any
    told: str


READOUT = Parameter(
    "readout", Literal["margin", "decision"], "decision", "The margin, or its sign."
)

# Fields of the card of a task of which nothing is known but how well subsets explain it.
TRUTH_UNKNOWN: dict[str, Any] = {
    "truth": "none",
    "main_metric": "surrogate_r2",
    "chance": "what 16 random characters explain: see the row `random`",
    "ceiling": "at most 1; below it where 16 characters cannot carry the function",
}


def target_of(classes: int) -> Parameter:
    """Parameter ``target``: one of so many classes."""
    return Parameter(
        "target",
        Annotated[int, Field(ge=0, le=classes - 1)] | None,
        None,
        "The class, from 0; if not given from the seed, in turn.",
    )


def declared(
    offer: Callable[..., Any],
    build: Callable[..., Any],
    parameters: Sequence[Parameter],
) -> Callable[..., Any]:
    """Return the task function that builds an instance of what ``offer`` makes.

    Parameters
    ----------
    offer
        ``(seed, *, own parameters) -> offered``. Its docstring becomes the task's, its module is
        the one whose code the task's records hang on, and it stays callable as it is.
    build
        ``(offered, seed, **parameters) -> Instance``.
    parameters
        What the task takes beside the offer's own parameters, and before them.
    """
    seed, *own = inspect.signature(offer).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    of_kind = [
        inspect.Parameter(p.name, keyword, annotation=p.annotation, default=p.default)
        for p in parameters
    ]
    signature = inspect.Signature([seed, *of_kind, *own])

    @wraps(offer)
    def function(*args: Any, **given: Any) -> Any:
        bound = signature.bind(*args, **given)
        bound.apply_defaults()
        offered = offer(*bound.args, **{p.name: bound.arguments[p.name] for p in own})
        kind = {p.name: bound.arguments[p.name] for p in parameters}
        return build(offered, *bound.args, **kind)

    function.__doc__ = _documented(inspect.getdoc(offer) or "", parameters)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _documented(text: str, parameters: Sequence[Parameter]) -> str:
    """Docstring with a section of parameters: those of the kind, then the offer's own."""
    body, _, own = text.partition(SECTION)
    told = "".join(f"{p.name}\n    {p.told}\n" for p in parameters)
    return f"{body.rstrip()}\n\n{SECTION}{told}{own}".rstrip()
