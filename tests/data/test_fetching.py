"""Downloads from servers on loopback that are slow, cut off, lie, or serve something else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from mirror import (
    DEAD,
    FASHION,
    IMAGES_GZ,
    LABELS_GZ,
    PACKED,
    UNPACKED,
    Mirror,
    is_whole,
    lay,
    small_mnist,
)
from rich.console import Console

from actspec_bench.data.catalogue import DataSet
from actspec_bench.data.fetching import Patience, fetch
from actspec_bench.errors import DataError

QUICK = Patience(connect=2, silence=2, least=1, tries=3, pause=0.01, lock=5)
HALF = len(PACKED[IMAGES_GZ]) // 2


def get(entry: DataSet, folder: Path, patience: Patience = QUICK) -> list[Path]:
    return fetch(entry, folder, Console(stderr=True), patience)


def names(mirror: Mirror) -> list[str]:
    return [name for name, _ in mirror.asked]


def test_what_is_missing_is_fetched_once(tmp_path: Path) -> None:
    with Mirror() as mirror:
        entry = small_mnist(mirror.url)
        made = get(entry, tmp_path / "new" / "folder")
        assert [path.name for path in made] == [IMAGES_GZ, LABELS_GZ]
        assert is_whole(tmp_path / "new" / "folder")
        assert mirror.asked == [(IMAGES_GZ, None), (LABELS_GZ, None)]
        assert get(entry, tmp_path / "new" / "folder") == []
        lay(tmp_path, {next(iter(UNPACKED)): next(iter(UNPACKED.values()))})
        assert [path.name for path in get(entry, tmp_path)] == [LABELS_GZ]
        assert len(mirror.asked) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_cut_off_goes_on_or_starts_over(tmp_path: Path, ranges: bool) -> None:
    with Mirror(ranges=ranges, cuts=[HALF, 7]) as mirror:
        get(small_mnist(mirror.url), tmp_path)
    assert is_whole(tmp_path)
    second = HALF + 7 if ranges else 7
    assert [asked for _, asked in mirror.asked] == [
        None, f"bytes={HALF}-", f"bytes={second}-", None,
    ]  # fmt: skip


def test_a_server_that_always_cuts_off_is_given_up_and_the_next_goes_on(tmp_path: Path) -> None:
    with Mirror(cuts=[10, 10, 10, 10]) as first, Mirror() as second:
        get(small_mnist(first.url, second.url), tmp_path)
    assert is_whole(tmp_path)
    assert [asked for _, asked in first.asked] == [
        None,
        "bytes=10-",
        "bytes=20-",
        None,
        "bytes=10-",
    ]
    assert second.asked == [(IMAGES_GZ, "bytes=30-")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Mirror(length=5), "has a file of"),
        (Mirror(length=-5), "has a file of"),
        (Mirror(content={n: c + b"more" for n, c in PACKED.items()}, length=None), "sends more"),
        (Mirror(content={n: c[:-4] for n, c in PACKED.items()}, length=None), "last 4 bytes"),
        (Mirror(content={}), "answered 404"),
        (Mirror(status=403), "answered 403"),
        (Mirror(status=503), "answered 503"),
        (Mirror(content={IMAGES_GZ: FASHION}), "it is Fashion-MNIST's file of the same name"),
        (Mirror(wrong_range=True), "another part than was asked for"),
    ],
)
def test_what_a_bad_mirror_sends_is_refused_and_the_next_one_asked(
    tmp_path: Path, wrong: Mirror, said: str
) -> None:
    with wrong, Mirror() as good:
        with pytest.raises(DataError) as caught:
            get(small_mnist(wrong.url), tmp_path / "bad")
        message = str(caught.value)
        assert said in message
        assert "\n" not in message
        assert message.endswith("or point --data-dir at a folder that has it")
        assert 1 <= len(wrong.asked) <= QUICK.tries
        assert not list((tmp_path / "bad").rglob("*.gz"))
        get(small_mnist(wrong.url, good.url), tmp_path / "good")
    assert is_whole(tmp_path / "good")


def test_a_wrong_file_is_not_asked_for_again(tmp_path: Path) -> None:
    with Mirror(content={IMAGES_GZ: bytes(len(FASHION))}) as mirror:
        with pytest.raises(DataError, match="SHA-256"):
            get(small_mnist(mirror.url), tmp_path)
        assert names(mirror) == [IMAGES_GZ]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("left", [b"x" * HALF, b"x" * len(FASHION), b"x" * 100_000, b""])
def test_what_another_download_left_behind_does_no_harm(tmp_path: Path, left: bytes) -> None:
    lay(tmp_path / "mnist", {f"{IMAGES_GZ}.part": left})
    with Mirror() as mirror:
        get(small_mnist(mirror.url), tmp_path)
    assert is_whole(tmp_path)


def test_a_whole_file_under_the_temporary_name_needs_no_server(tmp_path: Path) -> None:
    lay(tmp_path / "mnist", {f"{name}.part": content for name, content in PACKED.items()})
    get(small_mnist(DEAD), tmp_path)
    assert is_whole(tmp_path)


def test_a_shorter_file_of_the_server_is_no_dead_end(tmp_path: Path) -> None:
    lay(tmp_path / "mnist", {f"{IMAGES_GZ}.part": PACKED[IMAGES_GZ][:HALF]})
    with Mirror(content={IMAGES_GZ: b"short", LABELS_GZ: b""}) as short, Mirror() as good:
        get(small_mnist(short.url, good.url), tmp_path)
    assert is_whole(tmp_path)


def test_a_packed_file_that_the_server_calls_encoded_stays_packed(tmp_path: Path) -> None:
    with Mirror(headers={"Content-Encoding": "gzip"}) as mirror:
        get(small_mnist(mirror.url), tmp_path)
    assert is_whole(tmp_path)


def test_dead_mirrors_end_in_one_sentence(tmp_path: Path) -> None:
    with Mirror() as good:
        get(small_mnist(DEAD, good.url), tmp_path / "good")
    assert is_whole(tmp_path / "good")
    started = time.monotonic()
    with pytest.raises(DataError, match=r"127.0.0.1 cannot be reached .*; 127.0.0.1 cannot be"):
        get(small_mnist(DEAD, DEAD), tmp_path / "bad")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("slow", "patience"),
    [
        (Mirror(chunk=10, pause=30), Patience(silence=0.2, tries=2, pause=0.01)),
        (Mirror(chunk=1, pause=0.02), Patience(silence=0.2, tries=2, pause=0.01, least=1000)),
    ],
)
def test_a_server_too_slow_is_given_up(tmp_path: Path, slow: Mirror, patience: Patience) -> None:
    started = time.monotonic()
    with slow, pytest.raises(DataError, match=r"timed out|bytes in 0\.2 s"):
        get(small_mnist(slow.url), tmp_path, patience)
    assert time.monotonic() - started < 5
    assert len(slow.asked) == 2
    assert (tmp_path / "mnist" / f"{IMAGES_GZ}.part").stat().st_size >= 10


def test_a_slow_server_is_waited_for(tmp_path: Path) -> None:
    with Mirror(chunk=500, pause=0.05) as mirror:
        get(small_mnist(mirror.url), tmp_path, Patience(silence=0.2, least=100, tries=1))
    assert is_whole(tmp_path)


def test_two_at_a_time_fetch_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mirror(chunk=500, pause=0.05) as mirror, ThreadPoolExecutor(2) as pool:
        entry = small_mnist(mirror.url)
        made = list(pool.map(lambda _: len(get(entry, tmp_path)), range(2)))
    assert sorted(made) == [0, 2]
    assert names(mirror) == [IMAGES_GZ, LABELS_GZ]
    assert "waiting for another process that fetches mnist" in capsys.readouterr().err


def test_a_lock_that_is_never_released_is_not_waited_for_endlessly(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    with (
        FileLock(tmp_path / "mnist" / ".mnist.lock"),
        pytest.raises(DataError, match=r"another process has been fetching mnist .* for 0\.1 s"),
    ):
        get(small_mnist(DEAD), tmp_path, Patience(lock=0.1))


def test_another_file_in_its_place_is_never_overwritten(tmp_path: Path) -> None:
    lay(tmp_path / "mnist", {LABELS_GZ: b"mine"})
    with Mirror() as mirror:
        with pytest.raises(DataError, match=r"has 4 bytes and not .* move it away"):
            get(small_mnist(mirror.url), tmp_path)
        assert mirror.asked == []
    assert (tmp_path / "mnist" / LABELS_GZ).read_bytes() == b"mine"


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / f"{IMAGES_GZ}.part").symlink_to("/dev/full")
    with Mirror() as mirror, pytest.raises(DataError, match=r"No space left on device.*make room"):
        get(small_mnist(mirror.url), tmp_path)


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written to .*choose another folder"):
        get(small_mnist(DEAD), tmp_path / "file")


def test_a_folder_that_has_it_all_is_not_written_to(tmp_path: Path) -> None:
    lay(tmp_path, PACKED)
    assert get(small_mnist(DEAD), tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == set(PACKED)


def test_unusable_proxy_settings_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    with pytest.raises(DataError, match="proxy settings"):
        get(small_mnist("http://example.invalid"), tmp_path)
