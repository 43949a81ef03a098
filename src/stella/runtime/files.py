"""Files on this machine: the folder adapter, atomic replacement, and how errors of the system become ours.

Rules:
- A file is written under a temporary name, fsynced, renamed, and its directory fsynced; readers see the old bytes or
  the new ones.
- A failed or interrupted write removes its temporary file; what a kill leaves behind is swept by the next holder of the
  lock.
- Inside a batch, content objects are made durable together; if that never happens, their names tell which ones are
  whole.
- Every step that changes the disk passes `step()` first, so that a test can stop the process at each of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from stella.runtime.errors import Busy, DiskFull, NotAFolder, ObjectMissing, TooLarge, Unreadable, Unwritable

TEMPORARY = ".stella-tmp"
CONTENT = "store/"  # objects below it are named by the digest of their bytes, so a torn one can be told
UNSYNCED = ".unsynced"  # present while a batch has objects that a power cut could tear
LOCK = ".lock"
OWN = frozenset({LOCK, UNSYNCED})  # files of the folder itself, which are no objects
CLOCK_GRAIN = 1_000_000_000  # ns; file systems may keep whole seconds
PIECE = 1024 * 1024
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644

_observer: Callable[[str, str], None] | None = None


def observe_steps(observer: Callable[[str, str], None] | None) -> None:
    """Call `observer(kind, path)` before each create, write, fsync, rename, unlink and mkdir; None ends it.

    An OSError that the observer raises is met like one of the operating system.
    """
    global _observer  # noqa: PLW0603  # one process has one disk, and so one observer
    _observer = observer


def step(kind: str, path: Path | str) -> None:
    """Announce the next change of the disk, or request to a store, to the observer."""
    if _observer is not None:
        _observer(kind, str(path))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into ObjectMissing, NotAFolder or Unreadable."""
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(path=path) from None
    except NotADirectoryError:
        raise ObjectMissing(path=path) from None
    except IsADirectoryError:
        raise NotAFolder(path=path, expected="a file") from None
    except OSError as error:
        raise Unreadable(path=path, problem=os.strerror(error.errno or 0)) from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into DiskFull or Unwritable."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(path=path) from None
        raise Unwritable(path=path, problem=os.strerror(error.errno or 0)) from None


class Replacement:
    """A file being written beside its final place; `path` is where its bytes are until it is committed."""

    def __init__(self, final: Path, mode: int) -> None:
        """Raises NotAFolder for a path that no file can have, such as `.`, or DiskFull or Unwritable."""
        if not final.name:
            raise NotAFolder(path=final, expected="a file")
        self.final = final
        self.path = final.with_name(f".{final.name}{TEMPORARY}")
        with writing(final):
            step("create", final)
            self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode), "w+b", buffering=0)

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`; raises DiskFull or Unwritable."""
        view = memoryview(data).cast("B")
        written = 0
        with writing(self.final):
            step("write", self.final)
            while written < len(view):
                written += os.write(self._file.fileno(), view[written:])
        return written

    def sync(self) -> None:
        """Make the bytes durable under the temporary name."""
        with writing(self.final):
            step("fsync", self.final)
            os.fsync(self._file.fileno())

    def commit(self, *, durable: bool = True) -> None:
        """Put the bytes in place, durable unless a batch makes them so at its end."""
        if durable:
            self.sync()
        with writing(self.final):
            self._file.close()
            step("rename", self.final)
            self.path.replace(self.final)
        if durable:
            sync_directory(self.final.parent)

    def discard(self) -> None:
        """Forget the bytes; the final place is untouched."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, mode: int = PUBLIC_MODE, *, durable: bool = True) -> Iterator[Replacement]:
    """Replace `path` atomically when the block ends without an exception; otherwise leave what was there."""
    replacement = Replacement(path, mode)
    try:
        yield replacement
    except BaseException:
        replacement.discard()
        raise
    try:
        replacement.commit(durable=durable)
    except BaseException:
        replacement.discard()
        raise


def sync_directory(path: Path) -> None:
    """Make renames and removals inside a directory durable."""
    with writing(path):
        step("fsync_dir", path)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_filesystem(path: Path) -> None:
    """Make everything that was written to the file system of `path` durable, in one go."""
    libc = ctypes.CDLL(None, use_errno=True)
    with writing(path):
        step("syncfs", path)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if libc.syncfs(handle):
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(handle)


def make_directory(path: Path, mode: int = 0o755, *, durable: bool = True) -> None:
    """Create a directory and its missing parents; no error when it exists."""
    if path.is_dir():
        return
    make_directory(path.parent, durable=durable)
    try:
        with writing(path):
            step("mkdir", path)
            path.mkdir(mode=mode, exist_ok=True)
    except Unwritable:
        if path.exists() and not path.is_dir():
            raise NotAFolder(path=path, expected="a folder") from None
        raise
    if durable:
        sync_directory(path.parent)


def read_file(path: Path, limit: int) -> bytes:
    """All bytes of a small file; raises ObjectMissing, Unreadable, NotAFolder, or TooLarge above `limit`."""
    with reading(path), path.open("rb") as file:
        data = file.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(path=path, size=max(os.fstat(file.fileno()).st_size, len(data)), limit=limit)
        return data


def open_file(path: Path) -> BinaryIO:
    """Open for reading; raises ObjectMissing, Unreadable or NotAFolder."""
    with reading(path):
        return path.open("rb", buffering=0)


def _is_locked_now(handle: int) -> bool:
    """Lock a file; False when another process has."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(path: Path) -> bool:
    hasher = hashlib.sha256()
    with reading(path), path.open("rb") as file:
        while chunk := file.read(PIECE):
            hasher.update(chunk)
    return hasher.hexdigest() == path.name


class DiskSpool(Replacement):
    """The Spool of a DiskFolder: its final place is decided while it is written."""

    def __init__(self, folder: DiskFolder) -> None:
        make_directory(folder.root)
        super().__init__(folder.root / f"spool-{os.getpid()}-{threading.get_ident()}", PUBLIC_MODE)
        self._folder = folder
        self.durable = True

    def place(self, key: str) -> None:
        self.final = self._folder.path(key)
        self.durable = self._folder.durable(key)
        make_directory(self.final.parent, durable=self.durable)


class DiskFolder:
    """The Folder port over a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._batching = False

    def durable(self, key: str) -> bool:
        """Whether an object must be durable by itself: all but those that a batch may write."""
        return not (self._batching and key.startswith(CONTENT))

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        marker = self.root / UNSYNCED
        with replacing(marker) as file:
            file.write(b"")
        self._batching = True
        try:
            yield
        finally:
            self._batching = False
            self._settle(marker)

    def _settle(self, marker: Path) -> None:
        sync_filesystem(self.root)
        with writing(marker):
            step("unlink", marker)
            marker.unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        """Where the object of that key is."""
        return self.root / key

    def read(self, key: str, limit: int) -> bytes:
        return read_file(self.path(key), limit)

    def open(self, key: str) -> BinaryIO:
        return open_file(self.path(key))

    def size(self, key: str) -> int:
        with reading(self.path(key)):
            return self.path(key).stat().st_size

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def write(self, key: str, data: bytes, *, private: bool = False) -> None:
        durable = self.durable(key)
        make_directory(self.path(key).parent, 0o700 if private else 0o755, durable=durable)
        with replacing(self.path(key), PRIVATE_MODE if private else PUBLIC_MODE, durable=durable) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[DiskSpool]:
        spool = DiskSpool(self)
        try:
            yield spool
            spool.commit(durable=spool.durable)
        except BaseException:
            spool.discard()
            raise

    def keys(self, prefix: str) -> Iterator[str]:
        top = self.path(prefix.rpartition("/")[0])
        found = [
            Path(folder, name).relative_to(self.root).as_posix()
            for folder, _, names in os.walk(top)
            for name in names
            if not name.endswith(TEMPORARY) and name not in OWN
        ]
        return (key for key in sorted(found) if key.startswith(prefix))

    def usage(self, prefix: str) -> int:
        return sum(self.size(key) for key in self.keys(prefix))

    def remove(self, key: str) -> None:
        with writing(self.path(key)):
            step("unlink", self.path(key))
            self.path(key).unlink(missing_ok=True)

    def local(self, key: str) -> Path | None:
        return self.path(key)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        with writing(self.root):
            handle = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        try:
            with writing(self.root / LOCK):
                mine = _is_locked_now(handle)
            if not mine:
                pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise Busy(path=self.root, holder=f" (pid {pid})" if pid else "")
            with contextlib.suppress(OSError):  # only for that message; of a full disk others have more to say
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
            self._sweep()
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        for folder, _, names in os.walk(self.root):
            for name in names:
                if name.endswith(TEMPORARY):
                    with contextlib.suppress(OSError):
                        Path(folder, name).unlink()
        marker = self.root / UNSYNCED
        if marker.exists():
            self._distrust(marker.stat().st_mtime_ns)
            self._settle(marker)

    def _distrust(self, since: int) -> None:
        """After a batch that never ended: remove what was written since then and is not what its name says."""
        for key in list(self.keys(CONTENT)):
            path = self.path(key)
            if path.stat().st_mtime_ns >= since - CLOCK_GRAIN and not _is_named(path):
                self.remove(key)
