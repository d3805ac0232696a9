"""No folder and no user in what is published."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actspec_bench.records import privacy
from actspec_bench.records.privacy import sentence, without_folders
from actspec_bench.records.results import read_results

WORD = st.text(alphabet="abcxyzäö019._-", min_size=1, max_size=6).map(lambda w: f"q{w}q")
NAME = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
COLOURS = st.sampled_from(["\x1b[1m", "\x1b[0;31m", "\x1b[38;5;12m", "\x1b[K", "\x1b]8;;\x07"])


FORMS = {
    "plain": "cannot read {posix} now",
    "first": "{posix}: no such file",
    "quoted": "[Errno 2] No such file: '{posix}'",
    "url": "see file://{posix} there",
    "host": 'see "file://localhost{posix}"',
    "escaped": "see file://{escaped}",
    "user": "in ~somebody{posix} it was",
    "home": "in ~{posix}",
    "windows": "cannot read C:{windows} now",
    "slashed": "cannot read D:{posix} now",
    "share": "cannot read \\{windows} now",
    "repr": "cannot read {repr} now",
    "listed": "path is /usr/bin:{posix}:/bin",
    "given": "--out={posix},x",
}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(NAME, min_size=2, max_size=4),
    WORD,
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 80), COLOURS), max_size=3),
)
def test_no_folder_of_any_path_is_left_and_its_last_part_is(
    folders: list[str], last: str, form: str, colours: list[tuple[int, str]]
) -> None:
    parts = [f"f{folder}" for folder in folders] + [f"l{last}"]
    posix = "/" + "/".join(parts)
    windows = "\\" + "\\".join(parts)
    text = FORMS[form].format(
        posix=posix, windows=windows, escaped=quote(posix), repr=repr("C:" + windows)
    )
    plain = text
    for share, colour in sorted(colours, reverse=True):
        where = share * len(plain) // 80
        text = text[:where] + colour + text[where:]
    found = without_folders(text)
    assert not [w for f in parts[:-1] for w in f.split() if w in found.replace(parts[-1], "")]
    assert (quote(parts[-1]) if form == "escaped" else parts[-1]) in found
    assert "somebody" not in found
    assert "\x1b" not in found
    assert without_folders(found) == found


@pytest.mark.parametrize("folder", ["home", "cwd", "prefix", "base", "temporary"])
def test_own_folders_go_whatever_stands_around_them(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "Ann, Lee & 5 other people: (all of them)"
    own.mkdir()
    if folder == "home":
        monkeypatch.setenv("HOME", str(own))
    elif folder == "cwd":
        monkeypatch.chdir(own)
    elif folder == "temporary":
        monkeypatch.setattr(tempfile, "tempdir", str(own))
    else:
        monkeypatch.setattr(sys, {"prefix": "prefix", "base": "base_prefix"}[folder], str(own))
    for text in ("in {}", "{}/x/file.py:3", "file://{}/x y/file.py", "at{}", '"{}"'):
        for spelled in (str(own), quote(str(own))):
            found = without_folders(text.format(spelled))
            assert "Ann" not in found
            assert "people" not in found
            assert "/x" not in found


def test_the_user_s_name_goes_as_a_word_and_not_as_a_part_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privacy.getpass, "getuser", lambda: "tensor")
    told = "tensor's job_tensor: tensors of the user 'tensor'"
    assert without_folders(told) == "…'s job_…: tensors of the user '…'"
    monkeypatch.setattr(privacy.getpass, "getuser", lambda: "root")
    assert without_folders("the square root") == "the square root"

    def unknown() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(privacy.getpass, "getuser", unknown)
    assert without_folders("the square root") == "the square root"


@pytest.mark.parametrize(
    "text",
    [
        "2 / 3 of 4/5 and and/or n/a",
        "see https://example.org/a/b?c=d/e for more",
        "ValueError: shapes (3, 4) and (5,) differ: 'x' != \"y\"",
        "C: drive, 10:30, a\\b",
        "~0.5 of …",
        "module.py:12 in f: return x / y",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_folders(text) == text


def test_a_sentence_is_one_line_of_utf_8() -> None:
    assert sentence("a\n  b\tc \udc80 /srv/ann/x") == "a b c ? …/x"


def test_records_name_their_machine_but_no_folder_or_user(finished: Path) -> None:
    (record,) = read_results(finished).records
    assert record.provenance["packages"]["torch"]
    assert record.provenance["threads"] == 1
    scored = {f"metric {name}" for name in (*record.scores, *record.missing)}
    assert set(record.sources) == {"task", "method", "lifts"} | scored
    assert all(len(code) == 16 for code in record.sources.values())
    text = (finished / "records.jsonl").read_text()
    assert str(Path.home()) not in text
    assert str(finished) not in text
