"""What holds of objects of tenants in a directory alone: links, modes, disks that fail, leftovers of a kill."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stella.kernel.digest import sha256
from stella.runtime import blobs as module
from stella.runtime.blobs import DiskBlobs
from stella.runtime.errors import BlobDisplaced, DiskFull, ObjectMissing, Unreadable, Unwritable
from stella.runtime.files import TEMPORARY, observe_steps

DATA = b"data"
DIGEST = sha256(DATA)
Told = list[tuple[str, ...]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def blobs(root: Path, told: Told) -> DiskBlobs:
    return DiskBlobs(root, "a", lambda *what: told.append(what))


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


def uses(blobs: DiskBlobs) -> dict[str, Callable[[], object]]:
    return {
        "get": lambda: blobs.get("sbom", DIGEST),
        "open": lambda: blobs.open("sbom", DIGEST),
        "has": lambda: blobs.has("sbom", DIGEST),
    }


def test_nothing_is_made_before_it_is_needed(blobs: DiskBlobs, root: Path) -> None:
    assert not blobs.has("sbom", DIGEST)
    assert blobs.list("sbom") == ()
    blobs.delete("sbom", DIGEST)
    with pytest.raises(ObjectMissing):
        blobs.get("sbom", DIGEST)
    assert not root.exists()


def test_where_an_object_is(blobs: DiskBlobs, root: Path) -> None:
    blobs.put("sbom", DATA)
    assert files(root) == [f"tenants/a/sbom/sha256/{DIGEST[:2]}/{DIGEST}"]
    assert (root / blobs.key("sbom", DIGEST)).read_bytes() == DATA


def test_modes_are_for_the_owner_alone_from_the_first_moment(blobs: DiskBlobs, root: Path) -> None:
    seen: set[int] = set()

    def look(*_: str) -> None:
        seen.update(stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")] if path.exists())

    before = os.umask(0)
    observe_steps(look)
    try:
        blobs.put("sbom", DATA)
    finally:
        observe_steps(None)
        os.umask(before)
    look()
    assert seen == {0o600, 0o700}


PLACES = ["tenants", "tenants/a", "tenants/a/sbom", "tenants/a/sbom/sha256", f"tenants/a/sbom/sha256/{DIGEST[:2]}"]


@pytest.mark.parametrize("place", PLACES)
def test_a_link_in_the_place_of_a_folder_is_not_followed(
    place: str, blobs: DiskBlobs, root: Path, tmp_path: Path, told: Told
) -> None:
    """It leads to the very object, which belongs to somebody else."""
    blobs.put("sbom", DATA)
    away = tmp_path / "away"
    (root / place).rename(away)
    (root / place).symlink_to(away)
    before = files(away)
    tries = uses(blobs) | {
        "put": lambda: blobs.put("sbom", DATA),
        "delete": lambda: blobs.delete("sbom", DIGEST),
        "list": lambda: blobs.list("sbom"),
    }
    for action, use in tries.items():
        told.clear()
        with pytest.raises(BlobDisplaced) as caught:
            use()
        assert (caught.value.code, int(caught.value.exit)) == ("BLOB-003", 3)
        assert [(tenant, did) for tenant, did, _ in told] == [("a", action)]
    assert [name for name in files(away) if not name.endswith(TEMPORARY)] == before


def _link(path: Path, away: Path) -> None:
    path.rename(away)
    path.symlink_to(away)


def _pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path, _: Path) -> None:
    path.unlink()
    os.chdir(path.parent)  # the name of a socket is short
    line = socket.socket(socket.AF_UNIX)
    line.bind(path.name)
    line.close()


def _folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.network
@pytest.mark.parametrize("change", [_link, _pipe, _socket, _folder])
def test_what_is_no_file_is_no_object(
    change: Callable[[Path, Path], None],
    blobs: DiskBlobs,
    root: Path,
    tmp_path: Path,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    blobs.put("sbom", DATA)
    change(root / blobs.key("sbom", DIGEST), tmp_path / "away")
    for use in uses(blobs).values():
        with pytest.raises(BlobDisplaced):
            use()
    assert [did for _, did, _ in told] == list(uses(blobs))
    assert blobs.list("sbom") == ()
    if change is not _folder:
        blobs.put("sbom", DATA)
        assert blobs.get("sbom", DIGEST) == DATA
    if change is _link:
        assert (tmp_path / "away").read_bytes() == DATA, "a put replaces the link and not what it leads to"


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    """It is the operator's own, as in /var/lib/stella -> /data/stella."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    DiskBlobs(tmp_path / "link", "a", lambda *_: None).put("sbom", DATA)
    assert DiskBlobs(tmp_path / "real", "a", lambda *_: None).get("sbom", DIGEST) == DATA


def test_strangers_in_a_folder_are_no_objects(blobs: DiskBlobs, root: Path) -> None:
    blobs.put("sbom", DATA)
    top = root / "tenants/a/sbom/sha256"
    (top / DIGEST[:2] / "notes.txt").write_text("x")
    (top / DIGEST[:2] / ("0" * 64 if DIGEST[:2] != "00" else "1" * 64)).write_text("in the wrong folder")
    (top / "lost+found").mkdir()
    (top / "file").write_text("x")
    assert [held.digest for held in blobs.list("sbom")] == [DIGEST]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir"])
def test_a_disk_that_fails(
    number: int, call: str, blobs: DiskBlobs, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = b"another"
    blobs.put("other" if call == "mkdir" else "sbom", DATA)
    before = files(root)

    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(module.os, call, fail)
        with pytest.raises(DiskFull if number in {errno.ENOSPC, errno.EDQUOT} else Unwritable) as caught:
            blobs.put("sbom", other)
        assert int(caught.value.exit) == 10
    assert files(root) == before
    assert not blobs.has("sbom", sha256(other))
    blobs.put("sbom", other)
    assert blobs.get("sbom", sha256(other)) == other


def test_bytes_are_durable_before_they_have_their_name_and_the_name_before_it_is_acknowledged(
    blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what makes the folders: each new one is made durable in the one above it."""
    done: list[str] = []
    fsync, rename, mkdir = os.fsync, os.rename, os.mkdir

    def sync(handle: int) -> None:
        done.append("file" if stat.S_ISREG(os.fstat(handle).st_mode) else "folder")
        fsync(handle)

    monkeypatch.setattr(module.os, "fsync", sync)
    monkeypatch.setattr(module.os, "rename", lambda *a, **k: (done.append("rename"), rename(*a, **k)))
    monkeypatch.setattr(module.os, "mkdir", lambda *a, **k: (done.append("mkdir"), mkdir(*a, **k)))
    blobs.put("sbom", DATA)
    made = ["mkdir", "folder"]
    assert done[-len(made) * 3 - 3 :] == ["file", *made * 3, "rename", "folder"]
    assert done.count("mkdir") <= done.count("folder")
    done.clear()
    blobs.put("sbom", DATA)
    assert done == ["file", "rename", "folder"]


def test_a_medium_that_fails_to_read(blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs.put("sbom", DATA)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "x")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "read", fail)
        for name in ("get", "open"):
            with pytest.raises(Unreadable):
                uses(blobs)[name]()


def test_short_writes_and_reads_are_continued(blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    write, read = os.write, os.read
    monkeypatch.setattr(module.os, "write", lambda handle, data: write(handle, data[:3]))
    monkeypatch.setattr(module.os, "read", lambda handle, size: read(handle, min(size, 2)))
    digest = blobs.put("sbom", b"more than three bytes")
    assert blobs.get("sbom", digest) == b"more than three bytes"


def test_what_a_kill_left_behind_is_swept_and_what_is_being_written_is_not(root: Path, told: Told) -> None:
    inbox = root / "tenants/a/.incoming"
    inbox.mkdir(parents=True)
    for name in ("dead", "living"):
        (inbox / (name + TEMPORARY)).write_bytes(b"half")
    with (inbox / ("living" + TEMPORARY)).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        DiskBlobs(root, "a", lambda *what: told.append(what)).put("sbom", DATA)
        assert [path.name for path in inbox.iterdir()] == ["living" + TEMPORARY]
    assert told == []


def test_a_file_that_was_swept_before_it_was_locked_is_made_anew(
    root: Path, blobs: DiskBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, lock = iter([True]), fcntl.flock

    def flock(handle: int, how: int) -> None:
        if how == fcntl.LOCK_EX and next(once, False):
            (fresh,) = (root / "tenants/a/.incoming").iterdir()
            fresh.unlink()
        lock(handle, how)

    monkeypatch.setattr(module.fcntl, "flock", flock)
    blobs.put("sbom", DATA)
    assert blobs.get("sbom", DIGEST) == DATA
    assert next(once, None) is None
    assert len(files(root)) == 1


def test_many_writers_that_all_sweep_disturb_nobody(root: Path) -> None:
    gate = threading.Barrier(8)

    def write(number: int) -> None:
        gate.wait(10)
        for turn in range(20):
            data = bytes([number, turn])
            digest = DiskBlobs(root, "a", lambda *_: None).put("sbom", data)
            assert sha256(data) == digest

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(files(root)) == 160


def test_no_handle_stays_open(blobs: DiskBlobs) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        digest = blobs.put("sbom", bytes([number]))
        blobs.get("sbom", digest)
        blobs.open("sbom", digest).close()
        blobs.list("sbom")
        blobs.delete("sbom", digest)
        with pytest.raises(ObjectMissing):
            blobs.get("sbom", digest)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
