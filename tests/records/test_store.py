"""The store holds each cell that was planned, and loses none that finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards import CARDS

from actspec_bench.errors import StoreError
from actspec_bench.records.record import Cell, Record
from actspec_bench.records.results import read_results
from actspec_bench.records.store import Store
from actspec_bench.running.plan import plan_cells
from actspec_bench.running.session import _record
from actspec_bench.running.suites import Suite


def cells() -> list[Cell]:
    return plan_cells(Suite("s", "", ("planted-nothing",), ("constant",), (100,), instances=2))


def record(cell: Cell) -> Record:
    return _record(cell, {"status": "ok"}, {"task": "t", "method": "m", "metric mine": "x"})


def counts(store: Store) -> tuple[int, int]:
    store.export()
    results = read_results(store.folder)
    return len(results.records), len(results.pending)


def test_cells_are_pending_until_they_have_a_record_and_again_when_outdated(tmp_path: Path) -> None:
    first, second = cells()
    with Store.open(tmp_path) as store:
        store.plan([first, second], CARDS)
        assert counts(store) == (0, 2)
        store.put(record(first))
        assert counts(store) == (1, 1)
        store.mark_outdated([first.id])
        assert counts(store) == (0, 2)
        assert {stored.status for stored in store.stored()} == {None}
        store.put(record(first))
        assert counts(store) == (1, 1)


def test_a_stale_cell_leaves_the_board_and_comes_back_when_it_is_planned_again(
    tmp_path: Path,
) -> None:
    first, second = cells()
    with Store.open(tmp_path) as store:
        store.plan([first, second], CARDS)
        store.put(record(first))
        store.mark_stale([first.id, second.id])
        assert counts(store) == (0, 0)
        store.plan([first], CARDS)
        assert counts(store) == (1, 0)


def test_a_write_that_is_cut_off_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    first, _ = cells()
    with Store.open(tmp_path) as store:
        store.plan([first], CARDS)
        try:
            with store._writing():
                store.db.execute("DELETE FROM cells")
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert counts(store) == (0, 1)


def test_an_import_that_fails_loses_nothing_however_often_it_is_tried(tmp_path: Path) -> None:
    first, second = cells()
    with Store.open(tmp_path) as store:
        store.plan([first, second], CARDS)
        store.put(record(first))
        file = store.export()
    (tmp_path / "records.db").unlink()
    lines = file.read_text().splitlines()
    doubled = [lines[0].replace('"records":1', '"records":2'), lines[1], lines[1]]
    file.write_text("\n".join(doubled) + "\n")
    for _ in range(2):
        with pytest.raises(StoreError), Store.open(tmp_path):
            pass
        assert file.read_text().splitlines() == doubled
    file.write_text("\n".join(lines) + "\n")
    with Store.open(tmp_path) as store:
        assert counts(store) == (1, 1)
