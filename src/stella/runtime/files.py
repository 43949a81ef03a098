"""Files on this machine: the folder adapter, atomic replacement, and the one way that operating-system errors become ours.

Rules:
- A file is written under a temporary name, fsynced, renamed, and its directory fsynced; readers see the old bytes or the new ones.
- A failed or interrupted write removes its temporary file; what a kill leaves behind is swept by the next holder of the lock.
- Every step that changes the disk passes `step()` first, so that a test can stop the process at each of them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from stella.runtime.errors import Busy, DiskFull, NotAFolder, ObjectMissing, TooLarge, Unreadable, Unwritable

TEMPORARY = ".stella-tmp"
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644

_observer: Callable[[str, str], None] | None = None


def observe_steps(observer: Callable[[str, str], None] | None) -> None:
    """Call `observer(kind, path)` before each write, fsync, rename, unlink and mkdir; None ends it."""
    global _observer  # noqa: PLW0603  # one process has one disk, and so one observer
    _observer = observer


def step(kind: str, path: Path) -> None:
    """Announce the next change of the disk to the observer."""
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
        self.final = final
        self.path = final.with_name(f".{final.name}{TEMPORARY}")
        with writing(final):
            self._file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode), "w+b", buffering=0)

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`; raises DiskFull or Unwritable."""
        step("write", self.final)
        view = memoryview(data).cast("B")
        written = 0
        with writing(self.final):
            while written < len(view):
                written += os.write(self._file.fileno(), view[written:])
        return written

    def sync(self) -> None:
        """Make the bytes durable under the temporary name."""
        step("fsync", self.final)
        with writing(self.final):
            os.fsync(self._file.fileno())

    def commit(self) -> None:
        """Make the bytes durable and put them in place."""
        self.sync()
        self._file.close()
        step("rename", self.final)
        with writing(self.final):
            self.path.replace(self.final)
        sync_directory(self.final.parent)

    def discard(self) -> None:
        """Forget the bytes; the final place is untouched."""
        self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, mode: int = PUBLIC_MODE) -> Iterator[Replacement]:
    """Replace `path` atomically when the block ends without an exception; otherwise leave what was there."""
    replacement = Replacement(path, mode)
    try:
        yield replacement
    except BaseException:
        replacement.discard()
        raise
    try:
        replacement.commit()
    except BaseException:
        replacement.discard()
        raise


def sync_directory(path: Path) -> None:
    """Make renames and removals inside a directory durable."""
    step("fsync_dir", path)
    with writing(path):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Create a directory and its missing parents; durable, no error when it exists."""
    if path.is_dir():
        return
    make_directory(path.parent)
    step("mkdir", path)
    try:
        with writing(path):
            path.mkdir(mode=mode, exist_ok=True)
    except Unwritable:
        if path.exists() and not path.is_dir():
            raise NotAFolder(path=path, expected="a folder") from None
        raise
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
        return path.open("rb", buffering=0)  # type: ignore[return-value]  # FileIO has every method of BinaryIO


class DiskSpool(Replacement):
    """The Spool of a DiskFolder: its final place is decided while it is written."""

    def __init__(self, folder: DiskFolder) -> None:
        make_directory(folder.root)
        super().__init__(folder.root / f"spool-{os.getpid()}-{threading.get_ident()}", PUBLIC_MODE)
        self._folder = folder

    def place(self, key: str) -> None:
        self.final = self._folder.path(key)
        make_directory(self.final.parent)


class DiskFolder:
    """The Folder port over a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
        make_directory(self.path(key).parent, 0o700 if private else 0o755)
        with replacing(self.path(key), PRIVATE_MODE if private else PUBLIC_MODE) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[DiskSpool]:
        spool = DiskSpool(self)
        try:
            yield spool
            spool.commit()
        except BaseException:
            spool.discard()
            raise

    def keys(self, prefix: str) -> Iterator[str]:
        top = self.path(prefix.rpartition("/")[0])
        found = [
            Path(folder, name).relative_to(self.root).as_posix()
            for folder, _, names in os.walk(top)
            for name in names
            if not name.endswith(TEMPORARY)
        ]
        return (key for key in sorted(found) if key.startswith(prefix))

    def remove(self, key: str) -> None:
        step("unlink", self.path(key))
        with writing(self.path(key)):
            self.path(key).unlink(missing_ok=True)

    def local(self, key: str) -> Path | None:
        return self.path(key)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        with writing(self.root):
            handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise Busy(path=self.root, holder=f" (pid {pid})" if pid else "") from None
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
