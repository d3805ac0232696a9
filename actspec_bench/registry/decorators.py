"""Function -> entry: the decorators that register tasks, methods and metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from actspec_bench.errors import UsageError
from actspec_bench.registry.cards import MethodCard, MetricCard, TaskCard
from actspec_bench.registry.entries import CardT, Entry, lower_first, methods, metrics, tasks

__all__ = ["method", "metric", "task"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
TRUTH_MODULE = "actspec_bench.methods.controls"


def task(
    name: str,
    *,
    truth: Literal["planted", "enumerated", "none"],
    main_metric: str,
    check: Callable[..., None] | None = None,
    **card: Any,
) -> Callable[[FunctionT], FunctionT]:
    """Register a task: a function of a seed and keyword parameters that returns an `Instance`.

    Parameters
    ----------
    truth, main_metric
        How the truth is known, and the metric that ranks methods on the task. Unless the card has a
        ``units_metric`` of its own, single units are ranked by `unit_auroc` where a truth is
        known, else by `insertion_auc_resample`.
    check
        Called with the parameters before anything runs; raises ValueError with one sentence.
    **card
        Other fields of `cards.TaskCard`.
    """
    if truth != "none":
        card = {"units_metric": "unit_auroc", **card}

    def register(function: FunctionT) -> FunctionT:
        made = _card(TaskCard, name, function, truth=truth, main_metric=main_metric, **card)
        tasks.add(Entry("task", made, function, check))
        return function

    return register


def method(
    name: str,
    *,
    returns: Literal["subsets", "units"],
    family: str,
    check: Callable[..., None] | None = None,
    **card: Any,
) -> Callable[[FunctionT], FunctionT]:
    """Register a method: a function of a problem and parameters that returns an `Attribution`.

    Parameters
    ----------
    returns, family
        ``"subsets"`` or ``"units"``, and a word such as ``"gradient"``.
    check, **card
        As for `task`; fields of `cards.MethodCard`.
    """

    def register(function: FunctionT) -> FunctionT:
        made = _card(MethodCard, name, function, returns=returns, family=family, **card)
        if made.sees_truth and function.__module__ != TRUTH_MODULE:
            raise UsageError(
                f"method {name!r} asks for the truth, which only the built-in controls may see; "
                "remove sees_truth"
            )
        methods.add(Entry("method", made, function, check))
        return function

    return register


def metric(
    name: str,
    *,
    family: Literal["recovery", "faithfulness", "cost"],
    higher_is_better: bool,
    **card: Any,
) -> Callable[[FunctionT], FunctionT]:
    """Register a metric: a function of an `Outcome` that returns a float or raises `Undefined`.

    Parameters
    ----------
    family, higher_is_better, **card
        Fields of `cards.MetricCard`.
    """

    def register(function: FunctionT) -> FunctionT:
        made = _card(
            MetricCard, name, function, family=family, higher_is_better=higher_is_better, **card
        )
        metrics.add(Entry("metric", made, function))
        return function

    return register


def _card(schema: type[CardT], name: str, function: Callable[..., Any], **fields: Any) -> CardT:
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    if not summary:
        raise UsageError(f"{function.__name__}() needs a docstring: its first line is the summary")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or any(p.kind is not p.KEYWORD_ONLY for p in parameters[1:]):
        raise UsageError(
            f"{function.__name__}() must take one positional argument and keyword-only "
            "parameters after it: put a * between them"
        )
    try:
        return schema(name=name, summary=summary, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"the card of {name!r}, field {field!r}: {lower_first(first['msg'])}"
        ) from None
