"""Name -> data set: what its files are, to the byte, and where they come from."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actspec_bench.errors import UsageError, nearest

__all__ = ["CATALOGUE", "DataFile", "DataSet", "Form", "data_set"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Form(_Closed):
    """One way in which a file lies on a disk or is served by a mirror."""

    names: tuple[str, ...] = Field(min_length=1, description="file names it goes by")
    size: int = Field(ge=0, description="bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    packing: Literal["none", "gzip", "zip"] = "none"


class DataFile(_Closed):
    """One file that is read, in every form that is accepted, the fetched one first."""

    name: str
    forms: tuple[Form, ...] = Field(min_length=1)
    member: str = Field(default="", description="its name inside a zip")


class DataSet(_Closed):
    """A data set: its files, where they may lie, where they come from and under what terms."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*$", description="as on the command line")
    title: str
    files: tuple[DataFile, ...]
    folders: tuple[str, ...] = Field(
        min_length=1, description="looked into, under the data folder; fetched into the first"
    )
    mirrors: tuple[str, ...] = Field(description="addresses; {name} is the fetched form's name")
    licence: str
    citation: str
    checksums: str = Field(description="where the checksums are published")
    others: dict[str, str] = Field(
        default_factory=dict,
        description="MD5 of files of the same names -> the data set that they belong to",
    )

    @property
    def downloads(self) -> tuple[Form, ...]:
        """What is fetched, each once: several files may lie in one archive."""
        return tuple(dict.fromkeys(file.forms[0] for file in self.files))

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(form.size for form in self.downloads)


def data_set(name: str) -> DataSet:
    """Look a data set up; an unknown name is a `UsageError` with the near match."""
    if name not in CATALOGUE:
        raise UsageError(f"there is no data set {name!r}; {nearest(name, [*CATALOGUE])}")
    return CATALOGUE[name]


def _idx(name: str, packed: tuple[int, str], unpacked: tuple[int, str]) -> DataFile:
    dotted = name.replace("-idx", ".idx")
    return DataFile(
        name=name,
        forms=(
            Form(names=(f"{name}.gz",), size=packed[0], sha256=packed[1], packing="gzip"),
            Form(names=(name, dotted), size=unpacked[0], sha256=unpacked[1]),
        ),
    )


MNIST = DataSet(
    name="mnist",
    title="MNIST handwritten digits",
    files=(
        _idx(
            "train-images-idx3-ubyte",
            (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ),
        _idx(
            "train-labels-idx1-ubyte",
            (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ),
        _idx(
            "t10k-images-idx3-ubyte",
            (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ),
        _idx(
            "t10k-labels-idx1-ubyte",
            (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ),
    folders=("mnist", "MNIST/raw", "."),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/{name}",
        "https://storage.googleapis.com/cvdf-datasets/mnist/{name}",
    ),
    licence="CC BY-SA 3.0 (the strictest of several statements)",
    citation='LeCun, Cortes, Burges, "MNIST handwritten digit database", 2010',
    checksums=(
        "packed: TensorFlow Datasets, url_checksums/mnist.txt; unpacked: computed from these"
    ),
    # torchvision, datasets/mnist.py, FashionMNIST.resources and KMNIST.resources
    others={
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d": "Fashion-MNIST",
        "25c81989df183df01b3e8a0aad5dffbe": "Fashion-MNIST",
        "bef4ecab320f06d8554ea6380940ec79": "Fashion-MNIST",
        "bb300cfdad3c16e7a12a480ee83cd310": "Fashion-MNIST",
        "bdb82020997e1d708af4cf47b453dcf7": "KMNIST",
        "e144d726b3acfaa3e44228e80efcd344": "KMNIST",
        "5c965bf0a639b31b8f53240b1b52f4d7": "KMNIST",
        "7320c461ea6c1c855c0b718fb2a4b134": "KMNIST",
    },
)

_SST2_ZIP = Form(
    names=("SST-2.zip",),
    size=7439277,
    sha256="d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
    packing="zip",
)


def _tsv(member: str, size: int, sha256: str) -> DataFile:
    name = PurePosixPath(member).name
    return DataFile(
        name=name,
        forms=(_SST2_ZIP, Form(names=(member,), size=size, sha256=sha256)),
        member=member,
    )


SST2 = DataSet(
    name="sst2",
    title="SST-2, binary sentiment of film reviews (GLUE)",
    files=(
        _tsv(
            "SST-2/train.tsv",
            3806081,
            "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
        ),
        _tsv(
            "SST-2/dev.tsv",
            94931,
            "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
        ),
    ),
    folders=("sst2", "."),
    mirrors=(
        "https://dl.fbaipublicfiles.com/glue/data/{name}",
        "https://bj.bcebos.com/dataset/glue/SST.zip",
    ),
    licence="none stated; research use with citation",
    citation=(
        "Socher et al., EMNLP 2013 (the treebank); Wang et al., ICLR 2019 (GLUE, which packed it)"
    ),
    checksums=(
        "TensorFlow Datasets, url_checksums/glue.txt; members: computed from files with the MD5 "
        "sums of PaddleNLP, datasets/glue.py"
    ),
)

CATALOGUE = {entry.name: entry for entry in (MNIST, SST2)}
