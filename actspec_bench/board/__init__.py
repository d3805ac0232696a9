"""Records -> boards: tables, a page and a picture, a pure function of records.jsonl."""

from __future__ import annotations

from pathlib import Path

from actspec_bench.board.making import make_board
from actspec_bench.board.table import Board
from actspec_bench.records.results import read_results, write_text

__all__ = [
    "FORMATS",
    "check_board",
    "compare",
    "load_board",
    "markdown",
    "render",
    "table",
    "write_board",
]

FORMATS = ("md", "csv", "json", "tex", "html")
PICTURES = {
    "subsets.svg": "Subsets: main metric of each task",
    "units.svg": "Units: main metric of each task",
    "sweeps.svg": "Scores against a parameter of the task",
}


def load_board(folder: Path) -> Board:
    """Compute the board of a result folder from its records.jsonl."""
    return make_board(read_results(folder))


def render(board: Board) -> dict[str, str]:
    """File name -> text of everything that is written beside records.jsonl."""
    from actspec_bench.board.markdown import to_markdown
    from actspec_bench.board.page import to_html
    from actspec_bench.board.pictures import scores_of_methods
    from actspec_bench.board.sweeps import scores_by_parameter
    from actspec_bench.board.tex import to_tex
    from actspec_bench.board.tidy import to_csv, to_json

    drawn = {f"{track.name}.svg": scores_of_methods(board, track) for track in board.tracks}
    swept = scores_by_parameter(board)
    if swept is not None:
        drawn["sweeps.svg"] = swept
    return {
        "leaderboard.md": to_markdown(board, {file: PICTURES[file] for file in drawn}),
        "leaderboard.csv": to_csv(board),
        "leaderboard.json": to_json(board),
        "leaderboard.tex": to_tex(board),
        "leaderboard.html": to_html(board, {PICTURES[file]: svg for file, svg in drawn.items()}),
        **drawn,
    }


def write_board(folder: Path) -> Board:
    """Write the boards of a result folder and return what they show."""
    board = load_board(folder)
    for name, text in render(board).items():
        write_text(folder / name, text)
    return board


def check_board(folder: Path) -> list[str]:
    """Names of the files in ``folder`` that differ from what its records give, or are absent."""
    differing = []
    for name, text in render(load_board(folder)).items():
        file = folder / name
        if not file.is_file() or file.read_bytes() != text.encode("utf-8"):
            differing.append(name)
    return differing
