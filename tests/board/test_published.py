"""The boards that are published, and the cards that tell of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from actspec_bench.board import check_board
from actspec_bench.records.results import read_results
from actspec_bench.registry.entries import tasks

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(path.parent for path in ROOT.glob("leaderboards/*/records.jsonl"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda f: f.name)
def test_published_boards_are_what_their_records_give(folder: Path) -> None:
    assert check_board(folder) == []


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda f: f.name)
def test_published_records_were_made_by_code_that_was_committed(folder: Path) -> None:
    records = read_results(folder).records
    assert all(re.fullmatch("[0-9a-f]{40}", r.provenance["commit"]) for r in records)
    assert len({r.provenance["commit"] for r in records}) == 1


def test_cards_tell_the_energies_of_the_published_boards() -> None:
    told = 0
    for folder in PUBLISHED:
        board = json.loads((folder / "leaderboard.json").read_text())
        for task, facts in board["facts"].items():
            for fact, shares in facts.items():
                if fact.startswith("energy") and task in tasks:
                    text = " / ".join(f"{100 * share:.1f}" for share in shares[:4])
                    assert text in tasks[task].card.figures, (task, fact)
                    told += 1
    assert told >= 10
