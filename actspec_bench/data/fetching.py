"""Mirrors -> files: a download that can break at any point and leaves nothing half made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
from filelock import FileLock, Timeout
from rich.console import Console

from actspec_bench.data.bar import DownloadBar
from actspec_bench.data.catalogue import DataSet, Form
from actspec_bench.data.finding import Found, checksum_flaw, find, guess, told
from actspec_bench.errors import DataError

__all__ = ["Patience", "fetch"]


@dataclass(frozen=True)
class Patience:
    """How long a download waits, and how often it tries.

    Attributes
    ----------
    connect
        Seconds until a server must have answered.
    silence
        Seconds within which a server must send something, and `least` bytes.
    least
        Bytes; slower than this is as good as dead.
    tries
        Transfers from each mirror.
    pause
        Seconds before the second try, doubled before each later one.
    lock
        Seconds to wait for another process that fetches the same.
    """

    connect: float = 10.0
    silence: float = 30.0
    least: int = 30_000
    tries: int = 3
    pause: float = 1.0
    lock: float = 600.0


class _Broken(Exception):
    """A transfer that ended before its time; trying again may help."""


class _Refused(Exception):
    """A mirror that has no such file, or another one; trying it again does not help."""


def fetch(
    entry: DataSet, folder: Path, console: Console, patience: Patience = Patience()
) -> list[Path]:
    """Download what is not there yet, and return the files that were made.

    A file grows under a temporary name (``.part``), is checked, and only then gets its own: so a
    file under its own name is whole. A transfer that broke, also by an interruption, goes on
    where it stopped if the server can do so (``Range``, RFC 9110 section 14.2), and from the
    start otherwise; a mirror that fails is followed by the next one.

    Parameters
    ----------
    folder
        Folder of data; made if it is not there.

    Raises
    ------
    DataError
        No mirror has it, the disk does not take it, or another file is in its place.
    """
    if not _missing(entry, folder):
        return []
    target = folder / entry.folders[0]
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(entry, target, console, patience):
            # Looked up again, for another process may have fetched it meanwhile.
            missing = _missing(entry, folder)
            for form in missing:
                _refuse_to_overwrite(entry, target / form.names[0], form)
            return [_download(entry, form, target, console, patience) for form in missing]
    except OSError as error:
        raise DataError(
            f"{entry.name} cannot be written to {target} ({error.strerror or error}); make room or "
            "see to the rights, or choose another folder with --data-dir"
        ) from None


@contextlib.contextmanager
def _one_at_a_time(
    entry: DataSet, target: Path, console: Console, patience: Patience
) -> Iterator[None]:
    lock = FileLock(target / f".{entry.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"waiting for another process that fetches {entry.name}", highlight=False)
        try:
            lock.acquire(timeout=patience.lock)
        except Timeout:
            raise DataError(
                f"another process has been fetching {entry.name} into {target} for "
                f"{patience.lock:g} s; end it and try again"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _missing(entry: DataSet, folder: Path) -> list[Form]:
    """Downloads of which a file is not there, in whatever form."""
    absent = [
        file.forms[0]
        for file in entry.files
        if find(entry, file, checksum_flaw, folder).state != "present"
    ]
    return [form for form in entry.downloads if form in absent]


def _refuse_to_overwrite(entry: DataSet, path: Path, form: Form) -> None:
    if path.exists():
        wrong = told(Found(path, form, checksum_flaw(path, form)), entry)
        raise DataError(
            f"{wrong}; move it away and run the command again, or choose another folder with "
            "--data-dir"
        )


def _download(
    entry: DataSet, form: Form, target: Path, console: Console, patience: Patience
) -> Path:
    name = form.names[0]
    part = target / f"{name}.part"
    failures: list[str] = []
    with DownloadBar(console, name, form.size) as bar:
        for address in entry.mirrors:
            url = address.format(name=name)
            if failures:
                bar.say(f"{failures[-1]}; trying {_host(url)}")
            why = _from_mirror(url, form, part, entry, bar, patience)
            if not why:
                return part.replace(target / name)
            failures.append(f"{_host(url)} {why}")
    raise DataError(
        f"{name} of {entry.name} could not be fetched ({'; '.join(failures)}); try again later, "
        "or point --data-dir at a folder that has it"
    )


def _from_mirror(
    url: str, form: Form, part: Path, entry: DataSet, bar: DownloadBar, patience: Patience
) -> str:
    """Fill ``part`` from one mirror, in a few tries; return why it failed, or ""."""
    why = ""
    for number in range(patience.tries):
        if number:
            time.sleep(patience.pause * 2 ** (number - 1))
        resumed = part.exists() and 0 < part.stat().st_size <= form.size
        try:
            _transfer(url, form.size, part, bar, patience)
        except _Refused as refusal:
            return str(refusal)
        except httpx.ConnectError as error:
            return f"cannot be reached ({error})"
        except (_Broken, httpx.HTTPError) as broken:
            # Some errors of the network have no message.
            why = f"failed ({str(broken) or type(broken).__name__})"
            continue
        except (ValueError, ImportError) as error:
            return f"cannot be asked as this machine's proxy settings say ({error})"
        flaw = checksum_flaw(part, form)
        if not flaw:
            return ""
        why = f"sent a wrong file, which {flaw} ({guess(part, form, entry)})"
        part.unlink()
        # What an earlier transfer left may be at fault; a whole file in one go is the mirror's.
        if not resumed:
            return why
    return why


def _transfer(url: str, size: int, part: Path, bar: DownloadBar, patience: Patience) -> None:
    """Append to ``part`` until it has ``size`` bytes."""
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        return
    # A server that packs what it sends would change the bytes whose checksum is known.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    timeout = httpx.Timeout(patience.silence, connect=patience.connect)
    with httpx.stream(
        "GET", url, headers=headers, timeout=timeout, follow_redirects=True
    ) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            raise _Broken("the server cannot go on where it stopped")
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            refusal = f"answered {response.status_code} {response.reason_phrase}"
            raise (_Broken if response.is_server_error else _Refused)(refusal)
        resuming = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status_code == httpx.codes.PARTIAL_CONTENT and not resuming:
            raise _Refused("sent another part than was asked for")
        if response.status_code == httpx.codes.OK:
            have = 0
        promised = response.headers.get("Content-Length", "")
        if promised.isdigit() and have + int(promised) != size:
            raise _Refused(f"has a file of {have + int(promised):,} bytes and not {size:,}")
        with part.open("ab" if have else "wb") as file:
            for done in _received(response, file, have, size, patience):
                bar.at(done)


def _received(
    response: httpx.Response, file: BinaryIO, done: int, size: int, patience: Patience
) -> Iterator[int]:
    """Write what arrives, and tell each time how many bytes there are."""
    since, before = time.monotonic(), done
    yield done
    # Raw, for a server may call a .gz file's own packing an encoding of the transfer.
    for chunk in response.iter_raw():
        done += len(chunk)
        if done > size:
            raise _Refused(f"sends more than {size:,} bytes")
        file.write(chunk)
        yield done
        if time.monotonic() - since > patience.silence and done < size:
            if done - before < patience.least:
                raise _Broken(f"{done - before} bytes in {patience.silence:g} s")
            since, before = time.monotonic(), done
    if done < size:
        raise _Broken(f"the last {size - done:,} bytes did not come")


def _host(url: str) -> str:
    return httpx.URL(url).host
