"""Text -> specification: ``name[param=value,...]`` as written on a command line."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actspec_bench.errors import UsageError

if TYPE_CHECKING:
    from actspec_bench.registry.entries import Registry

__all__ = ["Spec"]

_FORM = re.compile(r"^(?P<name>[^\[\]]+)(?:\[(?P<parameters>.*)\])?$")


@dataclass(frozen=True)
class Spec:
    """A registered name with all its parameters resolved.

    Attributes
    ----------
    parameters
        Name -> value, defaults included, but for parameters that the card calls ``added``: at
        their default they are not there, and the function gives them the same value.
    label
        The shortest text that means the same: the name and the parameters that differ from
        their defaults, sorted.
    """

    name: str
    parameters: dict[str, Any]
    label: str

    @classmethod
    def parse(cls, text: str, registry: Registry[Any]) -> Spec:
        """Resolve ``text`` against ``registry``.

        Raises
        ------
        UsageError
            The text is malformed, or the name or a parameter is not known or not valid.
        """
        matched = _FORM.match(text.strip())
        if matched is None:
            raise UsageError(f"{text!r} is not of the form name[param=value,...]")
        entry = registry[matched["name"].strip()]
        given: dict[str, Any] = {}
        for part in _split(matched["parameters"] or ""):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not name or not value:
                raise UsageError(f"{part!r} in {text!r} is not of the form param=value")
            if name in given:
                raise UsageError(f"parameter {name!r} is given twice in {text!r}")
            given[name] = _literal(value)
        fields = entry.schema.model_fields
        added = getattr(entry.card, "added", ())
        resolved = {
            name: value
            for name, value in entry.resolve(given).items()
            if name not in added or value != fields[name].default
        }
        differing = [
            f"{k}={_text(v)}" for k, v in sorted(resolved.items()) if v != fields[k].default
        ]
        label = f"{entry.name}[{','.join(differing)}]" if differing else entry.name
        return cls(entry.name, resolved, label)


def _split(text: str) -> list[str]:
    """Split at the commas that are outside all brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _literal(value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(" ", "")
