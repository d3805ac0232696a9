"""Data set -> files: which of them lie in the data folder, and whether they are what they say."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from actspec_bench.data.catalogue import DataFile, DataSet, Form, data_set
from actspec_bench.errors import DataError, Missing

__all__ = [
    "VARIABLE",
    "Found",
    "checksum_flaw",
    "data_dir",
    "find",
    "guess",
    "intact",
    "present",
    "size_flaw",
    "state",
    "told",
    "using_data_dir",
]

VARIABLE = "ACTSPEC_BENCH_DATA"
State = Literal["present", "partly", "absent", "wrong"]
Flaw = Callable[[Path, Form], str]


def data_dir() -> Path:
    """Return the folder of data: ``ACTSPEC_BENCH_DATA``, or the user's own for this program."""
    said = os.environ.get(VARIABLE)
    return Path(said) if said else user_data_path("actspec_bench", appauthor=False)


@contextlib.contextmanager
def using_data_dir(folder: Path | None) -> Iterator[None]:
    """Make ``folder`` the folder of data for a while; None leaves it as it is."""
    before = os.environ.get(VARIABLE)
    if folder is not None:
        os.environ[VARIABLE] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


@dataclass(frozen=True)
class Found:
    """Where a file of a data set was found.

    Attributes
    ----------
    path
        The first file without a flaw, or else the first of its names; None if there is none.
    form
        In which form it lies there.
    flaw
        What is wrong with it, as the end of a sentence that starts with its name; "" if nothing.
    """

    path: Path | None = None
    form: Form | None = None
    flaw: str = ""

    @property
    def state(self) -> State:
        """One file's state: present, absent or wrong."""
        if self.path is None:
            return "absent"
        return "wrong" if self.flaw else "present"


def find(entry: DataSet, file: DataFile, flaw: Flaw, folder: Path | None = None) -> Found:
    """Look for a file in every layout, and take the first one that ``flaw`` finds nothing wrong in.

    Parameters
    ----------
    flaw
        `size_flaw`, which only looks at sizes, or `checksum_flaw`, which reads the file.
    folder
        Folder of data; `data_dir` if not given.
    """
    first = Found()
    for path, form in _places(entry, file, folder or data_dir()):
        said = flaw(path, form)
        if not said:
            return Found(path, form)
        if first.path is None:
            first = Found(path, form, said)
    return first


def _places(entry: DataSet, file: DataFile, folder: Path) -> Iterator[tuple[Path, Form]]:
    for below in entry.folders:
        for form in file.forms:
            for name in form.names:
                path = folder / below / name
                if path.is_file():
                    yield path, form


def size_flaw(path: Path, form: Form) -> str:
    """Say what is wrong with a file's size; "" if it is right."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if size == form.size else f"has {size:,} bytes and not {form.size:,}"


def checksum_flaw(path: Path, form: Form) -> str:
    """Say what is wrong with a file, its SHA-256 included; "" if it is the very file."""
    said = size_flaw(path, form)
    if said:
        return said
    try:
        found = _digest(path, "sha256")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if found == form.sha256:
        return ""
    return f"has the SHA-256 {found[:8]}… and not {form.sha256[:8]}…"


def guess(path: Path, form: Form, entry: DataSet) -> str:
    """Say what a wrong file looks like, as far as its bytes tell."""
    try:
        owner = entry.others.get(_digest(path, "md5"))
        size = path.stat().st_size
    except OSError:
        return "see to its rights"
    if owner is not None:
        return f"it is {owner}'s file of the same name"
    if size < form.size:
        return "it looks like a broken transfer"
    if entry.others:
        names = " and ".join(dict.fromkeys(entry.others.values()))
        return f"other data sets, such as {names}, use the same file names"
    return "it is damaged, or another file of the same name"


def told(found: Found, entry: DataSet) -> str:
    """Say where a file is, and what is wrong with it and what it looks like, if anything is."""
    if found.path is None or found.form is None:
        return ""
    if not found.flaw:
        return str(found.path)
    return f"{found.path} {found.flaw} ({guess(found.path, found.form, entry)})"


def _digest(path: Path, algorithm: Literal["md5", "sha256"]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def intact(entry: DataSet, file: DataFile) -> tuple[Path, Form]:
    """Return the path of a file whose checksum is right.

    Raises
    ------
    Missing
        It is not there; the message is the remedy.
    DataError
        What lies there is another file, or damaged.
    """
    found = find(entry, file, checksum_flaw)
    if found.path is None or found.form is None:
        raise Missing(
            f"the data set {entry.name!r} is not on this machine: run `python -m actspec_bench "
            f"data fetch {entry.name}`, or point {VARIABLE} or --data-dir at a folder that has it",
            lacks=entry.name,
        )
    if found.flaw:
        raise DataError(
            f"{told(found, entry)}; move it away and run `python -m actspec_bench data fetch "
            f"{entry.name}`, or point {VARIABLE} or --data-dir at another folder"
        )
    return found.path, found.form


def state(found: list[Found]) -> State:
    """Sum up the files of a data set in a word."""
    states = {one.state for one in found}
    if "wrong" in states:
        return "wrong"
    return states.pop() if len(states) == 1 else "partly"


def present(name: str) -> bool:
    """Whether all files of a data set are there, by their sizes alone: nothing is read.

    Raises
    ------
    UsageError
        There is no data set of this name.
    """
    entry = data_set(name)
    return all(find(entry, file, size_flaw).state == "present" for file in entry.files)
