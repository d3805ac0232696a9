"""Function that makes what a network offers -> task with the parameters of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal

from pydantic import Field

from actspec_bench.errors import UsageError

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
    """Parameter ``target``: one of so many classes, 2 or more."""
    if classes < 2:
        raise UsageError(f"a network tells 2 classes or more apart, not {classes}")
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
    *,
    offered: str,
    told: str = "",
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
    offered
        Name of the class of what the offer makes.
    told
        What the kind adds to the task's docstring, before the parameters.

    Raises
    ------
    UsageError
        The offer has no docstring, takes something else than a seed and keyword-only parameters,
        or has a parameter with the name of one of its kind.
    """
    seed, own = _checked(offer, parameters)
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
        made = offer(*bound.args, **{p.name: bound.arguments[p.name] for p in own})
        if type(made).__name__ != offered:
            raise TypeError(
                f"{offer.__name__}() returned {type(made).__name__}; return a {offered}"
            )
        kind = {p.name: bound.arguments[p.name] for p in parameters}
        return build(made, *bound.args, **kind)

    function.__doc__ = _documented(inspect.getdoc(offer) or "", told, parameters)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _checked(
    offer: Callable[..., Any], parameters: Sequence[Parameter]
) -> tuple[inspect.Parameter, list[inspect.Parameter]]:
    """The offer's seed and its own parameters, if it may be declared."""
    name = f"{offer.__name__}()"
    if not inspect.getdoc(offer):
        raise UsageError(f"{name} needs a docstring: its first line is the summary")
    taken = list(inspect.signature(offer).parameters.values())
    if not taken or any(p.kind is not p.KEYWORD_ONLY for p in taken[1:]):
        raise UsageError(
            f"{name} must take a seed and keyword-only parameters after it: put a * between them"
        )
    twice = {p.name for p in taken[1:]} & {p.name for p in parameters}
    if twice:
        raise UsageError(
            f"{name} has a parameter {min(twice)!r}, which every task of its kind has; rename it"
        )
    return taken[0], taken[1:]


def _documented(text: str, told: str, parameters: Sequence[Parameter]) -> str:
    """Docstring with what the kind tells, and a section of its parameters and the offer's own."""
    body, _, own = text.partition(SECTION)
    listed = "".join(f"{p.name}\n    {p.told}\n" for p in parameters)
    body = "\n\n".join(part for part in (body.rstrip(), inspect.cleandoc(told)) if part)
    return f"{body}\n\n{SECTION}{listed}{own}".rstrip()
