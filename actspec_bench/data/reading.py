"""Files -> arrays: the data sets as tasks use them, their checksums verified first."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actspec_bench.data.catalogue import data_set
from actspec_bench.data.finding import intact
from actspec_bench.errors import DataError, UsageError, nearest

__all__ = ["read_mnist", "read_sst2"]

IMAGE_SIDE = 28
# IDX: two zero bytes, the type (8: unsigned byte), the number of dimensions; then each
# dimension as a big-endian 32-bit integer, then the values (yann.lecun.com/exdb/mnist).
UNSIGNED_BYTES = 0x0800


def read_mnist(
    split: Literal["train", "test"],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST's images and labels, in the order of the files.

    Parameters
    ----------
    split
        "train" (60,000 rows) or "test" (10,000).

    Returns
    -------
    images
        (N, 28, 28), 0 = background, 255 = ink.
    labels
        (N,), the digit.

    Raises
    ------
    Missing
        The files are not on this machine.
    DataError
        A file is another one than its name says, or damaged.

    References
    ----------
    LeCun, Cortes, Burges, "MNIST handwritten digit database", 2010.
    """
    start = _choice(split, {"train": "train", "test": "t10k"})
    images = _idx(_content("mnist", f"{start}-images-idx3-ubyte"), (IMAGE_SIDE, IMAGE_SIDE))
    labels = _idx(_content("mnist", f"{start}-labels-idx1-ubyte"), ())
    if len(images) != len(labels):
        raise DataError(f"MNIST's {split} split has {len(images)} images and {len(labels)} labels")
    return images, labels


def read_sst2(split: Literal["train", "dev"]) -> tuple[list[str], NDArray[np.int64]]:
    """SST-2's texts and labels as GLUE ships them, in the order of the files.

    Parameters
    ----------
    split
        "train" (67,349 phrases and sentences) or "dev" (872 sentences). GLUE's test split has
        no labels.

    Returns
    -------
    texts
        Lower-cased and split into words by spaces, without the space that ends each in the file.
    labels
        (N,), 0 = negative, 1 = positive.

    Raises
    ------
    Missing
        The files are not on this machine.
    DataError
        A file is another one than its name says, or damaged.

    References
    ----------
    Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment
    Treebank", EMNLP 2013; Wang et al., "GLUE", ICLR 2019.
    """
    name = _choice(split, {"train": "train.tsv", "dev": "dev.tsv"})
    return _sentences(_content("sst2", name))


def _choice(split: str, known: dict[str, str]) -> str:
    if split not in known:
        raise UsageError(f"there is no split {split!r}; {nearest(split, [*known])}")
    return known[split]


def _content(name: str, file_name: str) -> bytes:
    """Bytes of a file of a data set, unpacked."""
    entry = data_set(name)
    (file,) = (file for file in entry.files if file.name == file_name)
    path, form = intact(entry, file)
    try:
        if form.packing == "zip":
            # Only the member by its name: an archive may hold anything else beside it.
            with zipfile.ZipFile(path) as archive:
                return archive.read(file.member)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); see to its rights") from None
    return gzip.decompress(content) if form.packing == "gzip" else content


def _idx(content: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes whose rows have this ``shape``."""
    dimensions = 1 + len(shape)
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise DataError(f"an IDX file of {len(content)} bytes has no room for its header")
    magic, rows, *rest = struct.unpack(f">{1 + dimensions}I", content[:header])
    if magic != UNSIGNED_BYTES + dimensions:
        raise DataError(f"an IDX file starts with {magic} and not {UNSIGNED_BYTES + dimensions}")
    if tuple(rest) != shape:
        raise DataError(f"an IDX file has rows of shape {tuple(rest)} and not {shape}")
    promised = header + rows * math.prod(shape)
    if len(content) != promised:
        raise DataError(f"an IDX file promises {promised} bytes and has {len(content)}")
    # A bytearray, so that the arrays can be written to and torch takes them without a copy.
    return np.frombuffer(bytearray(content[header:]), np.uint8).reshape(rows, *shape)


def _sentences(content: bytes) -> tuple[list[str], NDArray[np.int64]]:
    """Read lines of text, tab, label, below a header; nothing is quoted."""
    header, *lines = content.decode("utf-8").removesuffix("\n").split("\n")
    if header != "sentence\tlabel":
        raise DataError(f"an SST-2 file starts with {header[:40]!r} and not 'sentence\\tlabel'")
    texts, labels = [], []
    for number, line in enumerate(lines, start=2):
        text, tab, label = line.rpartition("\t")
        if not tab or label not in ("0", "1"):
            raise DataError(f"line {number} of an SST-2 file is not a text, a tab and 0 or 1")
        texts.append(text.rstrip(" "))
        labels.append(int(label))
    return texts, np.array(labels, dtype=np.int64)
