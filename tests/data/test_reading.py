"""Reading small files in every layout, and the real ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import mirror
import numpy as np
import pytest
import torch
from marks import needs_data_folder

from actspec_bench.data import present, read_mnist, read_sst2
from actspec_bench.data.catalogue import CATALOGUE, DataFile
from actspec_bench.data.finding import data_dir, using_data_dir
from actspec_bench.errors import DataError, Missing, NotApplicable, UsageError

DOTTED = {name.replace("-idx", ".idx"): content for name, content in mirror.UNPACKED.items()}
LAYOUTS = {
    "mnist/*.gz": ("mnist", mirror.PACKED),
    "mnist/*": ("mnist", mirror.UNPACKED),
    "*.gz": (".", mirror.PACKED),
    "*": (".", mirror.UNPACKED),
    "torchvision": ("MNIST/raw", mirror.UNPACKED),
    "torchvision, packed": ("MNIST/raw", mirror.PACKED),
    "dotted": ("mnist", DOTTED),
    "dotted, flat": (".", DOTTED),
}
TSV = {
    "train.tsv": 'sentence\tlabel\nhide "new" secretions \t0\na\xa0b\x85c \t1\n',
    "dev.tsv": "sentence\tlabel\nit 's a charming journey . \t1\n",
}


def glue_zip() -> bytes:
    """An archive as GLUE's, with members that nobody asked for."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in TSV.items():
            archive.writestr(f"SST-2/{name}", text)
        archive.writestr("SST-2/test.tsv", "index\tsentence\n")
        archive.writestr("../outside.tsv", "sentence\tlabel\n")
    return held.getvalue()


@pytest.fixture
def small_sst2(monkeypatch: pytest.MonkeyPatch, small_data: Path) -> bytes:
    packed = glue_zip()
    whole = mirror.form("SST-2.zip", packed, packing="zip")
    files = tuple(
        DataFile(
            name=name,
            forms=(whole, mirror.form(f"SST-2/{name}", text.encode())),
            member=f"SST-2/{name}",
        )
        for name, text in TSV.items()
    )
    entry = CATALOGUE["sst2"].model_copy(update={"files": files})
    monkeypatch.setitem(CATALOGUE, "sst2", entry)
    assert small_data == data_dir()
    return packed


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mnist_is_read_from_every_layout_in_use(small_data: Path, layout: str) -> None:
    below, files = LAYOUTS[layout]
    assert not present("mnist")
    mirror.lay(small_data / below, files)
    assert present("mnist")
    images, labels = read_mnist("train")
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, mirror.IMAGES)
    assert np.array_equal(labels, mirror.LABELS)
    images[0] = 0
    torch.from_numpy(images)  # warns if it cannot be written to, and warnings are errors


@pytest.mark.parametrize("layout", ["SST-2.zip", "sst2/SST-2.zip", "SST-2", "sst2/SST-2"])
def test_sst2_is_read_from_every_layout_in_use(
    small_data: Path, small_sst2: bytes, layout: str
) -> None:
    texts = {name: text.encode() for name, text in TSV.items()}
    if layout.endswith(".zip"):
        mirror.lay(small_data, {layout: small_sst2})
    else:
        mirror.lay(small_data / layout, texts)
    assert present("sst2")
    sentences, labels = read_sst2("train")
    assert sentences == ['hide "new" secretions', "a\xa0b\x85c"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1]
    assert read_sst2("dev")[0] == ["it 's a charming journey ."]
    assert {path.name for path in small_data.parent.rglob("*.tsv")} <= set(TSV)


def test_absent_data_is_missing_with_the_remedy(small_data: Path, small_sst2: bytes) -> None:
    assert small_sst2
    mirror.lay(small_data / "mnist", {mirror.LABELS_GZ: mirror.PACKED[mirror.LABELS_GZ]})
    with pytest.raises(Missing) as caught:
        read_mnist("train")
    assert isinstance(caught.value, NotApplicable)
    assert caught.value.lacks == "mnist"
    assert str(caught.value) == (
        "the data set 'mnist' is not on this machine: run `python -m actspec_bench data fetch "
        "mnist`, or point ACTSPEC_BENCH_DATA or --data-dir at a folder that has it"
    )
    with pytest.raises(Missing, match="data fetch sst2") as caught:
        read_sst2("dev")
    assert caught.value.lacks == "sst2"
    assert not present("mnist")
    assert not present("sst2")


IMAGES_IDX, LABELS_IDX = mirror.UNPACKED.values()


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES_IDX[:9], LABELS_IDX, "9 bytes has no room for its header"),
        (LABELS_IDX + b"123", LABELS_IDX, "starts with 2049 and not 2051"),
        (b"\0\0\x0d\3" + IMAGES_IDX[4:], LABELS_IDX, "starts with 3331 and not 2051"),
        (IMAGES_IDX[:-1], LABELS_IDX, "promises 3936 bytes and has 3935"),
        (IMAGES_IDX + b"\0", LABELS_IDX, "promises 3936 bytes and has 3937"),
        (mirror.idx(mirror.IMAGES.reshape(5, 56, 14)), LABELS_IDX, r"shape \(56, 14\) and not"),
        (mirror.idx(mirror.IMAGES[:3]), LABELS_IDX, "3 images and 5 labels"),
    ],
)
def test_an_idx_file_must_be_what_its_header_says(
    small_data: Path, monkeypatch: pytest.MonkeyPatch, images: bytes, labels: bytes, said: str
) -> None:
    files = dict(zip(mirror.NAMES, (images, labels), strict=True))
    monkeypatch.setitem(CATALOGUE, "mnist", mirror.small_mnist(unpacked=files))
    mirror.lay(small_data, files)
    with pytest.raises(DataError, match=said):
        read_mnist("train")


@pytest.mark.parametrize("text", ["label\tsentence\n", "sentence\tlabel\na \t2\n",
                                  "sentence\tlabel\na b 1\n"])  # fmt: skip
def test_a_tsv_must_hold_sentences_and_labels(
    small_data: Path, small_sst2: bytes, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert small_sst2
    file = DataFile(name="dev.tsv", forms=(mirror.form("SST-2/dev.tsv", text.encode()),))
    entry = CATALOGUE["sst2"].model_copy(update={"files": (file,)})
    monkeypatch.setitem(CATALOGUE, "sst2", entry)
    mirror.lay(small_data, {"SST-2/dev.tsv": text.encode()})
    with pytest.raises(DataError, match="SST-2 file"):
        read_sst2("dev")


def test_unknown_names_and_splits_are_mistakes() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        present("mnits")
    with pytest.raises(UsageError, match="did you mean 'train'"):
        read_mnist("trian")
    with pytest.raises(UsageError, match="known: dev, train"):
        read_sst2("test")


MD5 = {  # torchvision, datasets/mnist.py; unpacked: as other loaders pin them
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@needs_data_folder
def test_the_real_mnist_is_what_is_known_of_it(tmp_path: Path) -> None:
    images, labels = read_mnist("train")
    assert images.shape == (60_000, 28, 28)
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    test_images, test_labels = read_mnist("test")
    assert test_images.shape == (10_000, 28, 28)
    assert np.bincount(test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    # Unpacked, in torchvision's layout, it is the same.
    for path in (data_dir() / "mnist").glob("*.gz"):
        content = gzip.decompress(path.read_bytes())
        assert hashlib.md5(content).hexdigest() == MD5[path.stem]
        mirror.lay(tmp_path / "MNIST" / "raw", {path.stem: content})
    with using_data_dir(tmp_path):
        assert np.array_equal(read_mnist("test")[0], test_images)
        assert np.array_equal(read_mnist("train")[1], labels)


@needs_data_folder
def test_the_real_sst2_is_what_is_known_of_it() -> None:
    texts, labels = read_sst2("train")
    assert len(texts) == len(labels) == 67_349
    assert labels.sum() == 37_569
    assert texts[0] == "hide new secretions from the parental units"
    assert len(set(texts)) == 66_978
    texts, labels = read_sst2("dev")
    assert (len(texts), labels.sum()) == (872, 444)
    assert texts[0] == "it 's a charming and often affecting journey ."
