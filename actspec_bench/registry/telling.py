"""Cards of methods -> text: the table of a README, and a document with every field."""

from __future__ import annotations

from collections.abc import Iterable

from actspec_bench.registry.cards import MethodCard

__all__ = ["methods_document", "methods_table"]

FAMILIES = {
    "spectral": "Spectral: coefficients of characters",
    "regression": "Regressions on characters",
    "interaction": "Interactions",
    "gradient": "Gradients",
    "backpropagation": "Rules of backpropagation, through modules",
    "perturbation": "Perturbations",
    "patching": "Patching between rows",
    "probe": "Probes",
    "control": "Controls",
}
HEAD = ("method", "returns", "on", "needs", "rows asked")
INTRODUCTION = """\
# Methods

Written by `python -m actspec_bench list methods --markdown` from the methods' own cards. *Rows* are
counted forward and backward together; B is the budget, n the number of units. *On* is what is
attributed if the parameter `on` does not say otherwise: the margin, or the value, which is the
margin or its sign as the task says. A method whose needs a problem does not meet is skipped with
that reason. `python -m actspec_bench show NAME` tells the parameters and what each computes.
"""


def methods_table(cards: Iterable[MethodCard]) -> str:
    """Table of methods in Markdown, family by family: what each returns, needs and costs."""
    rows = [
        (
            f"`{card.name}`",
            card.returns,
            "" if card.control else card.on,
            _needs(card),
            card.rows,
        )
        for card in _by_family(cards)
    ]
    rule = tuple("---" for _ in HEAD)
    return "\n".join("| " + " | ".join(map(_plain, row)) + " |" for row in (HEAD, rule, *rows))


def methods_document(cards: Iterable[MethodCard]) -> str:
    """Document in Markdown with every field of every card, family by family."""
    ordered = _by_family(cards)
    parts = [INTRODUCTION, methods_table(ordered) + "\n"]
    family = None
    for card in ordered:
        if card.family != family:
            family = card.family
            parts.append(f"## {FAMILIES.get(family, family.capitalize())}\n")
        fields = {
            "returns": card.returns,
            "on": "" if card.control else card.on,
            "needs": _needs(card),
            "rows": card.rows,
            "known failure": card.fails,
            "source": card.citation,
            "computed by": card.calls,
        }
        told = [f"- {name}: {_plain(text)}" for name, text in fields.items() if text]
        parts.append("\n".join([f"**{card.name}**. {_plain(card.summary)}\n", *told]) + "\n")
    return "\n".join(parts)


def _by_family(cards: Iterable[MethodCard]) -> list[MethodCard]:
    order = list(FAMILIES)
    known = {family: place for place, family in enumerate(order)}
    return sorted(cards, key=lambda c: (known.get(c.family, len(order)), c.family, c.name))


def _needs(card: MethodCard) -> str:
    extra = [f"extra `{card.extra}`"] if card.extra else []
    return ", ".join([*card.needs, *extra])


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
