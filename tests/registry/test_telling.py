"""Cards of methods as text, and what every built-in card has to tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import run

from actspec_bench.registry.entries import methods
from actspec_bench.registry.telling import FAMILIES, methods_document, methods_table

ROOT = Path(__file__).parents[2]
CARDS = [entry.card for entry in methods]


def test_the_table_has_every_method_once_with_its_card() -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in methods_table(CARDS).splitlines()[2:]
    ]
    assert sorted(row[0].strip("`") for row in rows) == [entry.name for entry in methods]
    by_name = {card.name: card for card in CARDS}
    for name, returns, on, needs, asked in rows:
        card = by_name[name.strip("`")]
        assert (returns, on) == (card.returns, "" if card.control else card.on)
        assert all(need in needs for need in card.needs)
        assert asked.replace("\\|", "|") == " ".join(card.rows.split())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_document_tells_every_field(card) -> None:
    section = methods_document(CARDS).partition(f"\n**{card.name}**. ")[2].partition("\n**")[0]
    for text in (card.summary, card.rows, card.fails, card.citation, card.calls):
        assert " ".join(text.split()).replace("|", "\\|") in section


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_built_in_card_is_complete(card) -> None:
    assert card.family in FAMILIES
    assert card.rows
    if not card.control:
        assert card.fails
        assert card.citation


def test_the_published_documents_are_those_of_the_cards() -> None:
    shown = re.search(
        r"<!-- methods -->\n(.*?)\n<!-- /methods -->", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert shown
    assert shown[1] == methods_table(CARDS)
    assert (ROOT / "docs" / "methods.md").read_text() == methods_document(CARDS)


def test_the_command_prints_the_document() -> None:
    done = run("list", "methods", "--markdown")
    assert done.returncode == 0
    assert done.stdout == methods_document(CARDS)
    for words in (["list", "--markdown"], ["list", "methods", "--markdown", "--json"]):
        refused = run(*words)
        assert refused.returncode == 2
        assert "--markdown is for" in refused.stderr
