"""Where data sets are looked for, and files that are not what they should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import mirror
import numpy as np
import pytest

from actspec_bench.data import present, read_mnist
from actspec_bench.data.finding import VARIABLE, data_dir, using_data_dir
from actspec_bench.errors import DataError


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (mirror.IMAGES_GZ, mirror.FASHION, "it is Fashion-MNIST's file of the same name"),
        (mirror.IMAGES_GZ, mirror.PACKED[mirror.IMAGES_GZ][:-9], "like a broken transfer"),
        (mirror.NAMES[0], bytes(len(mirror.UNPACKED[mirror.NAMES[0]])), "such as Fashion-MNIST"),
        (mirror.IMAGES_GZ, b"x" * 10_000, "has 10,000 bytes and not"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(
    small_data: Path, name: str, content: bytes, said: str
) -> None:
    mirror.lay(small_data / "mnist", mirror.PACKED)
    (small_data / "mnist" / mirror.IMAGES_GZ).unlink()
    mirror.lay(small_data / "mnist", {name: content})
    with pytest.raises(DataError) as caught:
        read_mnist("train")
    message = str(caught.value)
    assert message.startswith(f"{small_data / 'mnist' / name} has ")
    assert said in message
    assert "move it away and run `python -m actspec_bench data fetch mnist`" in message
    # The right file elsewhere serves.
    mirror.lay(small_data / "MNIST" / "raw", mirror.UNPACKED)
    assert np.array_equal(read_mnist("train")[0], mirror.IMAGES)


def test_presence_reads_nothing(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.lay(small_data, mirror.PACKED)
    mirror.lay(small_data / "mnist", {mirror.IMAGES_GZ: b"short"})

    def no_reading(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(Path, "open", no_reading)
    monkeypatch.setattr(hashlib, "file_digest", no_reading)
    assert present("mnist")


def test_the_data_folder_is_set_for_a_while(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    default = data_dir()
    assert "actspec_bench" in str(default)
    with using_data_dir(tmp_path):
        assert data_dir() == tmp_path
        with using_data_dir(None):
            assert data_dir() == tmp_path
    assert data_dir() == default
    assert VARIABLE not in os.environ
    monkeypatch.setenv(VARIABLE, "")
    assert data_dir() == default
