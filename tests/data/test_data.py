"""Finding, reading and the commands, on small files in every layout and on the real ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import mirror
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from actspec_bench.cli.group import cli
from actspec_bench.data import present, read_mnist, read_sst2
from actspec_bench.data.catalogue import CATALOGUE, DataFile
from actspec_bench.data.finding import VARIABLE, data_dir, using_data_dir
from actspec_bench.errors import DataError, Missing, NotApplicable, UsageError

REAL = os.environ.get(VARIABLE)
real = pytest.mark.skipif(not REAL, reason=f"the real data: {VARIABLE} is not set")
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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of data, and small data sets in the catalogue."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "mnist", mirror.small_mnist())
    return tmp_path


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
def small_sst2(monkeypatch: pytest.MonkeyPatch, small: Path) -> bytes:
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
    assert small == data_dir()
    return packed


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mnist_is_read_from_every_layout_in_use(small: Path, layout: str) -> None:
    below, files = LAYOUTS[layout]
    assert not present("mnist")
    mirror.lay(small / below, files)
    assert present("mnist")
    images, labels = read_mnist("train")
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, mirror.IMAGES)
    assert np.array_equal(labels, mirror.LABELS)
    images[0] = 0
    torch.from_numpy(images)  # warns if it cannot be written to, and warnings are errors


@pytest.mark.parametrize("layout", ["SST-2.zip", "sst2/SST-2.zip", "SST-2", "sst2/SST-2"])
def test_sst2_is_read_from_every_layout_in_use(small: Path, small_sst2: bytes, layout: str) -> None:
    texts = {name: text.encode() for name, text in TSV.items()}
    if layout.endswith(".zip"):
        mirror.lay(small, {layout: small_sst2})
    else:
        mirror.lay(small / layout, texts)
    assert present("sst2")
    sentences, labels = read_sst2("train")
    assert sentences == ['hide "new" secretions', "a\xa0b\x85c"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1]
    assert read_sst2("dev")[0] == ["it 's a charming journey ."]
    assert {path.name for path in small.parent.rglob("*.tsv")} <= set(TSV)


def test_absent_data_is_missing_with_the_remedy(small: Path, small_sst2: bytes) -> None:
    assert small_sst2
    mirror.lay(small / "mnist", {mirror.LABELS_GZ: mirror.PACKED[mirror.LABELS_GZ]})
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
    small: Path, name: str, content: bytes, said: str
) -> None:
    mirror.lay(small / "mnist", mirror.PACKED)
    (small / "mnist" / mirror.IMAGES_GZ).unlink()
    mirror.lay(small / "mnist", {name: content})
    with pytest.raises(DataError) as caught:
        read_mnist("train")
    message = str(caught.value)
    assert message.startswith(f"{small / 'mnist' / name} has ")
    assert said in message
    assert "move it away and run `python -m actspec_bench data fetch mnist`" in message
    # The right file elsewhere serves.
    mirror.lay(small / "MNIST" / "raw", mirror.UNPACKED)
    assert np.array_equal(read_mnist("train")[0], mirror.IMAGES)


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
    small: Path, monkeypatch: pytest.MonkeyPatch, images: bytes, labels: bytes, said: str
) -> None:
    files = dict(zip(mirror.NAMES, (images, labels), strict=True))
    monkeypatch.setitem(CATALOGUE, "mnist", mirror.small_mnist(unpacked=files))
    mirror.lay(small, files)
    with pytest.raises(DataError, match=said):
        read_mnist("train")


@pytest.mark.parametrize("text", ["label\tsentence\n", "sentence\tlabel\na \t2\n",
                                  "sentence\tlabel\na b 1\n"])  # fmt: skip
def test_a_tsv_must_hold_sentences_and_labels(
    small: Path, small_sst2: bytes, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert small_sst2
    file = DataFile(name="dev.tsv", forms=(mirror.form("SST-2/dev.tsv", text.encode()),))
    entry = CATALOGUE["sst2"].model_copy(update={"files": (file,)})
    monkeypatch.setitem(CATALOGUE, "sst2", entry)
    mirror.lay(small, {"SST-2/dev.tsv": text.encode()})
    with pytest.raises(DataError, match="SST-2 file"):
        read_sst2("dev")


def test_unknown_names_and_splits_are_mistakes() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        present("mnits")
    with pytest.raises(UsageError, match="did you mean 'train'"):
        read_mnist("trian")
    with pytest.raises(UsageError, match="known: dev, train"):
        read_sst2("test")


def test_presence_reads_nothing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.lay(small, mirror.PACKED)
    mirror.lay(small / "mnist", {mirror.IMAGES_GZ: b"short"})

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


def command(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["data", *words])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "absent"),
        ({mirror.IMAGES_GZ: mirror.PACKED[mirror.IMAGES_GZ]}, "partly"),
        (mirror.PACKED, "present"),
        ({**mirror.PACKED, mirror.IMAGES_GZ: b"short"}, "wrong"),
    ],
)
def test_list_and_check_tell_the_state(small: Path, files: dict[str, bytes], state: str) -> None:
    mirror.lay(small / "mnist", files)
    code, output = command("list", "mnist", "--json")
    (row,) = json.loads(output)
    assert code == 0
    assert row["state"] == state
    assert row["where"] == (str(small / "mnist") if files else None)
    assert row["size"] == sum(map(len, mirror.PACKED.values()))
    code, output = command("check", "mnist")
    assert code == (0 if state == "present" else 1)
    assert f"mnist   {state}" in command()[1]
    if state == "wrong":
        assert "looks like a broken transfer" in output


def test_check_finds_what_sizes_do_not_show(small: Path) -> None:
    mirror.lay(small / "mnist", {**mirror.PACKED, mirror.IMAGES_GZ: mirror.FASHION})
    assert json.loads(command("list", "mnist", "--json")[1])[0]["state"] == "present"
    code, output = command("check", "mnist")
    assert code == 1
    assert "it is Fashion-MNIST's file of the same name" in output


def test_the_catalogue_has_a_checksum_for_each_file_and_two_mirrors_for_each_set() -> None:
    for entry in CATALOGUE.values():
        forms = {form for file in entry.files for form in file.forms}
        assert len({form.sha256 for form in forms}) == len({form.names for form in forms})
        assert len(entry.mirrors) == 2
        assert all(address.startswith("https://") for address in entry.mirrors)


MD5 = {  # torchvision, datasets/mnist.py; unpacked: as other loaders pin them
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@real
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
    for path in (Path(REAL or "") / "mnist").glob("*.gz"):
        content = gzip.decompress(path.read_bytes())
        assert hashlib.md5(content).hexdigest() == MD5[path.stem]
        mirror.lay(tmp_path / "MNIST" / "raw", {path.stem: content})
    with using_data_dir(tmp_path):
        assert np.array_equal(read_mnist("test")[0], test_images)
        assert np.array_equal(read_mnist("train")[1], labels)


@real
def test_the_real_sst2_is_what_is_known_of_it() -> None:
    texts, labels = read_sst2("train")
    assert len(texts) == len(labels) == 67_349
    assert labels.sum() == 37_569
    assert texts[0] == "hide new secretions from the parental units"
    assert len(set(texts)) == 66_978
    texts, labels = read_sst2("dev")
    assert (len(texts), labels.sum()) == (872, 444)
    assert texts[0] == "it 's a charming and often affecting journey ."


@real
def test_the_commands_see_the_real_data() -> None:
    assert command("check")[0] == 0
    code, output = command("fetch", "--json")
    assert code == 0
    assert json.loads(output) == {"mnist": "there", "sst2": "there"}


PLUGIN = """
from actspec_bench import Instance, Problem, task
from actspec_bench.data import read_mnist
from actspec_bench.data.finding import data_dir

@task("where", truth="none", main_metric="surrogate_r2")
def where(seed):
    "Tells the folder of data."
    return Instance(Problem.from_function(lambda x: x[:, 0], 3), facts={"data": data_dir().name})

@task("reads", truth="none", main_metric="surrogate_r2")
def reads(seed):
    "Reads MNIST."
    read_mnist("train")
"""
TWICE = """
import sys
from pathlib import Path
from click.testing import CliRunner
from actspec_bench.cli.group import cli
for name in ("one", "two"):
    Path(name).mkdir()
    words = ["run", "--plugin", "plugin.py", "-t", "where", "-m", "constant", "--seeds", "1"]
    done = CliRunner().invoke(cli, [*words, "--data-dir", name, "--out", f"out-{name}"])
    assert done.exit_code == 0, done.output
"""


def test_the_folder_reaches_the_cells_of_every_run(tmp_path: Path) -> None:
    # Two runs in one process share a fork server, whose environment is that of its first start.
    from actspec_bench.records.results import read_results

    (tmp_path / "plugin.py").write_text(PLUGIN)
    subprocess.run([sys.executable, "-c", TWICE], cwd=tmp_path, check=True, timeout=120)
    for name in ("one", "two"):
        (record,) = read_results(tmp_path / f"out-{name}").records
        assert (record.status, record.facts) == ("ok", {"data": name})


def test_without_data_a_task_is_skipped_and_the_run_goes_on(tmp_path: Path) -> None:
    from actspec_bench.records.results import read_results

    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "actspec_bench", "run", "--plugin", "plugin.py", "-t", "reads",
         "-t", "where", "-m", "constant", "--seeds", "1", "--data-dir", "empty", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = {record.task: record for record in read_results(tmp_path / "out").records}
    assert records["where"].status == "ok"
    assert records["reads"].status == "skipped"
    assert "run `python -m actspec_bench data fetch mnist`" in records["reads"].reason
    assert "skipped: the data set 'mnist' is not on this machine" in done.stdout


def test_the_commands_do_not_load_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "actspec_bench", "data", "list"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "actspec_bench.data.finding" in done.stderr
    assert " torch" not in done.stderr
