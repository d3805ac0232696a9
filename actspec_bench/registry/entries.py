"""Name -> entry: the registries of tasks, methods and metrics."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from actspec_bench.errors import UsageError, nearest
from actspec_bench.registry.cards import Card, MethodCard, MetricCard, TaskCard

__all__ = ["Entry", "Registry", "methods", "metrics", "tasks"]

CardT = TypeVar("CardT", bound=Card)


@dataclass(frozen=True)
class Entry(Generic[CardT]):
    """One registered function with its card and the schema of its parameters."""

    kind: str
    card: CardT
    function: Callable[..., Any]
    check: Callable[..., None] | None = None

    @property
    def name(self) -> str:
        """The registered name."""
        return self.card.name

    @property
    def origin(self) -> str:
        """File of its code, below whatever wraps it."""
        return inspect.getsourcefile(inspect.unwrap(self.function)) or self.function.__module__

    @cached_property
    def schema(self) -> type[BaseModel]:
        """Pydantic model of the keyword parameters, their types, ranges and defaults."""
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(self.function).parameters.values())[1:]:
            if parameter.name == "truth" and getattr(self.card, "sees_truth", False):
                continue
            annotation = parameter.annotation
            if isinstance(annotation, str):
                annotation = self._evaluated(parameter.name, annotation)
            missing = inspect.Parameter.empty
            default = ... if parameter.default is missing else parameter.default
            fields[parameter.name] = (Any if annotation is missing else annotation, default)
        model: type[BaseModel] = create_model(
            self.name, __config__=ConfigDict(extra="forbid"), **fields
        )
        return model

    def _evaluated(self, parameter: str, annotation: str) -> Any:
        try:
            return eval(annotation, inspect.unwrap(self.function).__globals__)  # noqa: S307
        except Exception as error:
            raise UsageError(
                f"the annotation of parameter {parameter!r} of {self.kind} {self.name!r} cannot "
                f"be read ({error}): import what it names outside TYPE_CHECKING"
            ) from None

    def resolve(self, given: dict[str, Any]) -> dict[str, Any]:
        """Check ``given`` parameters and fill in the defaults.

        Raises
        ------
        UsageError
            A parameter is unknown, of the wrong type, or out of range.
        """
        known = list(self.schema.model_fields)
        for name in given:
            if name not in known:
                hint = nearest(name, known) if known else "it takes none"
                raise UsageError(f"{self.kind} {self.name!r} has no parameter {name!r}; {hint}")
        try:
            resolved = self.schema(**given).model_dump()
            if self.check is not None:
                self.check(**resolved)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"][:1])
            got = f", got {given[where]!r}" if where in given else ""
            message = lower_first(first["msg"]).partition(", unable to")[0]
            raise UsageError(
                f"parameter {where!r} of {self.kind} {self.name!r}: {message}{got}"
            ) from None
        except ValueError as error:
            raise UsageError(f"{self.kind} {self.name!r}: {error}") from None
        return resolved


class Registry(Generic[CardT]):
    """Entries of one kind by name; the built-in ones are found in their folder on first use."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, Entry[CardT]] = {}
        self._discovered = False

    def add(self, entry: Entry[CardT]) -> None:
        """Register ``entry``; a name that is taken is an error."""
        taken = self._entries.get(entry.name)
        if taken is not None:
            raise UsageError(
                f"{self.kind} {entry.name!r} is already registered by {taken.origin}; "
                "choose another name"
            )
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry[CardT]:
        self.discover()
        if name not in self._entries:
            hint = nearest(name, list(self._entries))
            raise UsageError(f"there is no {self.kind} {name!r}; {hint}")
        return self._entries[name]

    def __iter__(self) -> Iterator[Entry[CardT]]:
        self.discover()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        self.discover()
        return name in self._entries

    def discover(self) -> None:
        """Import every module of the built-in folder whose name has no leading underscore."""
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")


tasks: Registry[TaskCard] = Registry("task", "actspec_bench.tasks")
methods: Registry[MethodCard] = Registry("method", "actspec_bench.methods")
metrics: Registry[MetricCard] = Registry("metric", "actspec_bench.metrics")


def lower_first(message: str) -> str:
    """Begin a message in the middle of a sentence."""
    return message[:1].lower() + message[1:]
