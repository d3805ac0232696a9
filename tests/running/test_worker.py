"""What a cell's process says of itself."""

from __future__ import annotations

from pathlib import Path

from actspec_bench.records.record import Cell
from actspec_bench.running import worker


def test_the_reason_why_a_plug_in_does_not_load_holds_no_folder(tmp_path: Path) -> None:
    class Silent:
        def send(self, _message: object) -> None: ...

    folder = tmp_path / "secret place"
    folder.mkdir()
    (folder / "plug.py").write_text(f"open({str(folder / 'absent.txt')!r})\n")
    cell: Cell = None  # type: ignore[assignment]
    fields = worker._execute(Silent(), worker.Job(cell, (str(folder / "plug.py"),)))
    assert fields["status"] == "error"
    assert "plug.py, line 1 does not import: FileNotFoundError" in fields["reason"]
    assert "absent.txt" in fields["reason"]
    assert "secret" not in fields["reason"]
