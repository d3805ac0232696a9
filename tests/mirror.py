"""A server on loopback that misbehaves as it is told, and a small data set to fetch from it."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import numpy as np

from actspec_bench.data.catalogue import DataFile, DataSet, Form

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 5, dtype=np.uint8)
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.tobytes()


UNPACKED = dict(zip(NAMES, (idx(IMAGES), idx(LABELS)), strict=True))
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in UNPACKED.items()}
IMAGES_GZ, LABELS_GZ = PACKED
FASHION = bytes(reversed(PACKED[IMAGES_GZ]))
DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def small_mnist(*mirrors: str, unpacked: dict[str, bytes] = UNPACKED) -> DataSet:
    """MNIST's layouts and file names, with five images; ``unpacked`` may hold nonsense."""
    return DataSet(
        name="mnist",
        title="MNIST handwritten digits",
        files=tuple(
            DataFile(
                name=name,
                forms=(
                    form(f"{name}.gz", gzip.compress(content, mtime=0), packing="gzip"),
                    form(name, content, name.replace("-idx", ".idx")),
                ),
            )
            for name, content in unpacked.items()
        ),
        folders=("mnist", "MNIST/raw", "."),
        mirrors=tuple(f"{mirror}/{{name}}" for mirror in mirrors),
        licence="none",
        citation="none",
        checksums="computed here",
        others={hashlib.md5(FASHION).hexdigest(): "Fashion-MNIST"},
    )


def form(name: str, content: bytes, *more: str, packing: str = "none") -> Form:
    return Form(names=(name, *more), size=len(content), sha256=sha256(content), packing=packing)


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether the folder holds the files, byte for byte, and nothing of a download."""
    left = {path.name: path.read_bytes() for path in (folder / "mnist").iterdir()}
    left.pop(".mnist.lock", None)
    return left == PACKED


@dataclass
class Mirror:
    """What the server does; each setting is one way to go wrong.

    ``cuts`` are the bytes of the body after which the first, second, ... request is cut off.
    """

    content: dict[str, bytes] = field(default_factory=lambda: dict(PACKED))
    ranges: bool = True
    wrong_range: bool = False
    status: int = 200
    length: int | None = 0  # added to the true one; None: not told
    cuts: list[int] = field(default_factory=list)
    chunk: int = 1 << 16
    pause: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __enter__(self) -> Self:
        mirror = self
        self.asked.clear()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client may leave in the middle
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/")
        asked = request.headers.get("Range")
        self.asked.append((name, asked))
        assert request.headers["Accept-Encoding"] == "identity"
        body = self.content.get(name)
        if body is None or self.status != 200:
            request.send_error(404 if body is None else self.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if start > len(body):
            request.send_error(416)
            return
        request.send_response(206 if start or self.wrong_range else 200)
        if start or self.wrong_range:
            first = start + self.wrong_range
            request.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if self.length is not None:
            request.send_header("Content-Length", str(len(body) - start + self.length))
        for key, value in self.headers.items():
            request.send_header(key, value)
        request.end_headers()
        self._send(request, body[start:])

    def _send(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.cuts:
            body = body[: self.cuts.pop(0)]
        for at in range(0, len(body), self.chunk):
            request.wfile.write(body[at : at + self.chunk])
            request.wfile.flush()
            time.sleep(self.pause)
        request.close_connection = True
