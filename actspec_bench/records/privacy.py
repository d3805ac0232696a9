"""Text -> text that can be published: no folder of the machine it was written on, no user."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

__all__ = ["sentence", "without_folders"]

# What colours a terminal's text or links it (ECMA-48): it may cut a path in two or hold one.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# Names of users that name nobody, and ones so short that they are parts of plain text.
_NOBODY = frozenset({"admin", "nobody", "root", "runner", "user"})
_SHORTEST_USER = 3

_WORD = r"[^\s/\\:'\"<>|]+"
# A folder's name may hold spaces; the slash after it then comes within four words.
_NAME = rf"{_WORD}(?: {_WORD}){{0,3}}"
_START = r"(?:file:(?://[\w.-]*)?(?:/[A-Za-z]:)?…?|~[\w.-]*|…)"
_QUOTED = re.compile(
    rf"(['\"])(?:{_START}(?=[/\\])|[A-Za-z]:(?=[/\\])|\\\\|/(?=[^'\"\n]*/))"
    r"[^'\"\n]*[/\\]([^'\"\n/\\]+)\1"
)
_POSIX = re.compile(rf"(?:…|(?<![\w/.~])(?:{_START}|/{_NAME}))(?:/+{_NAME})*/+({_WORD})")
_WINDOWS = re.compile(
    rf"(?<![\w.~%/\\-])(?:[A-Za-z]:[/\\]+|\\\\+(?={_NAME}\\))(?:{_NAME}[/\\]+)*({_WORD})"
)


def without_folders(text: str) -> str:
    r"""Replace folders by an ellipsis, and leave the last part of each path.

    First this machine's own folders (home, working, Python's, temporary) and the user's name,
    letter by letter; then whatever looks like an absolute path of two parts or more, a
    ``file://`` URL, ``~user/...``, ``C:\...`` or ``\\host\...``. Where a name holds spaces, words
    next to a path may be taken for a part of it: rather too much is left out than too little.
    Terminal colours are taken out too.
    """
    text = _ESCAPES.sub("", text)
    for own in _own_folders():
        text = re.sub(rf"{re.escape(own)}(?![\w-])", "…", text)
    if user := _user():
        text = re.sub(rf"(?<![^\W_]){re.escape(user)}(?![^\W_])", "…", text)
    text = _QUOTED.sub(r"\1…/\2\1", text)
    text = _WINDOWS.sub(r"…/\1", text)
    return _POSIX.sub(r"…/\1", text)


def sentence(told: object) -> str:
    """One line, without folders of this machine and without what UTF-8 cannot hold."""
    line = without_folders(" ".join(str(told).split()))
    return line.encode("utf-8", "replace").decode("utf-8")


def _own_folders() -> list[str]:
    """Return the folders that are replaced as they stand, in every spelling, longest first."""
    folders = {sys.prefix, sys.base_prefix, tempfile.gettempdir(), str(Path("~").expanduser())}
    with contextlib.suppress(OSError):
        folders.add(str(Path.cwd()))
    folders |= {os.path.realpath(folder) for folder in folders}
    folders = {folder for folder in folders if Path(folder).parent != Path(folder)}
    folders |= {quote(Path(folder).as_posix()) for folder in folders}
    return sorted(folders, key=len, reverse=True)


def _user() -> str:
    """Return the user's name, or nothing where it says nothing."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
    return "" if name in _NOBODY or len(name) < _SHORTEST_USER else name
