"""Objects of a tenant in a directory of this machine.

Rules:
- Below the root every part of a path is opened from the folder above it and no symbolic link is followed, so nothing
  that a tenant can name or lay leads out of its own folder.
- A file is written under a temporary name beside the kinds, fsynced, renamed; readers see a whole object or none.
- Files have mode 0600, folders 0700.
- A writer holds a lock on its temporary file. What a kill leaves behind has none, and the next writer sweeps it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from stella.kernel.blob_key import HASH, BlobName
from stella.kernel.digest import is_digest
from stella.kernel.errors import StellaError
from stella.runtime.entropy import system_entropy
from stella.runtime.errors import BlobDisplaced, ObjectMissing, TooLarge, Unreadable
from stella.runtime.files import PRIVATE_MODE, TEMPORARY, make_directory, reading, step, writing
from stella.runtime.ports import Entropy, Held, Refused
from stella.runtime.tenant_blobs import PIECE, Source, TenantBlobs

FOLDER_MODE = 0o700
INCOMING = ".incoming"  # no kind begins with a dot
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe must not make the reader wait
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PART = re.compile(r"[0-9a-f]{2}\Z")  # the folder of digests that begin so
LINKS = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO})  # a link, a file, a socket: nothing of ours


class DiskBlobs(TenantBlobs):
    """The Blobs port over a directory, which is made when it is first needed."""

    def __init__(self, root: Path, tenant: str, refused: Refused, entropy: Entropy = system_entropy) -> None:
        super().__init__(tenant, refused)
        self._root = root
        self._top = tuple(self._prefix.split("/"))
        self._entropy = entropy
        self._swept = False

    def _path(self, *parts: str) -> Path:
        return self._root.joinpath(*self._top, *parts)

    def _shown(self, name: BlobName) -> str:
        return str(self._path(name.path))

    # folders

    @contextlib.contextmanager
    def _folder(self, *parts: str, make: bool = False) -> Iterator[int]:
        """Handle of a folder below the tenant's; raises ObjectMissing unless it is to be made, or BlobDisplaced."""
        handle = self._enter((*self._top, *parts), make=make)
        try:
            yield handle
        finally:
            os.close(handle)

    def _enter(self, parts: tuple[str, ...], *, make: bool) -> int:
        handle = self._enter_root(make=make)
        for depth, part in enumerate(parts, 1):
            try:
                below = os.open(part, FOLDER, dir_fd=handle)
            except OSError as error:  # a path is made for a message or a new folder alone: reading is all system calls
                path = self._root.joinpath(*parts[:depth])
                if not make or not isinstance(error, FileNotFoundError):
                    os.close(handle)
                    raise _named(error, path, "folder") from None
                below = _make(handle, part, path)
            os.close(handle)
            handle = below
        return handle

    def _enter_root(self, *, make: bool) -> int:
        if make and not self._root.is_dir():
            make_directory(self._root, FOLDER_MODE)
        with reading(self._root):
            return os.open(self._root, FOLDER & ~os.O_NOFOLLOW)

    # writing

    def _store(self, kind: str, source: Source) -> str:
        with self._folder(INCOMING, make=True) as inbox:
            self._sweep(inbox)
            with self._receiving(inbox) as (temporary, handle):
                for piece in source:
                    _write(handle, piece, self._path(kind))
                name = BlobName(kind, source.digest)
                with writing(self._path(name.path)):
                    step("fsync", self._path(name.path))
                    os.fsync(handle)
                self._place(inbox, temporary, name)
        return name.digest

    @contextlib.contextmanager
    def _receiving(self, inbox: int) -> Iterator[tuple[str, int]]:
        """A new locked file, by name and handle; it is gone when the block fails."""
        name, handle = self._create(inbox)
        try:
            yield name, handle
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=inbox)
            raise
        finally:
            os.close(handle)

    def _create(self, inbox: int) -> tuple[str, int]:
        """Another writer that sweeps may take a file for a leftover until it is locked: then there is a next one."""
        while True:
            name = self._entropy(16).hex() + TEMPORARY
            path = self._path(INCOMING, name)
            with writing(path):
                step("create", path)
                handle = os.open(name, NEW, PRIVATE_MODE, dir_fd=inbox)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                    if os.fstat(handle).st_nlink:
                        return name, handle
                except BaseException:
                    os.close(handle)
                    raise
            os.close(handle)

    def _place(self, inbox: int, temporary: str, name: BlobName) -> None:
        path = self._path(name.path)
        with self._folder(*name.folder, make=True) as folder, writing(path):
            step("rename", path)
            os.rename(temporary, name.digest, src_dir_fd=inbox, dst_dir_fd=folder)
            step("fsync_dir", path.parent)
            os.fsync(folder)

    def _sweep(self, inbox: int) -> None:
        """Once a handle: remove the temporary files that no living writer holds."""
        if self._swept:
            return
        self._swept = True
        for name in _names(inbox):
            with contextlib.suppress(OSError):  # held by a writer, or already gone
                handle = os.open(name, FILE, dir_fd=inbox)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    step("unlink", self._path(INCOMING, name))
                    os.unlink(name, dir_fd=inbox)
                finally:
                    os.close(handle)

    def _delete(self, name: BlobName) -> None:
        path = self._path(name.path)
        with contextlib.suppress(ObjectMissing), self._folder(*name.folder) as folder, writing(path):
            step("unlink", path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name.digest, dir_fd=folder)
                step("fsync_dir", path.parent)
                os.fsync(folder)

    # reading

    @contextlib.contextmanager
    def _opened(self, name: BlobName) -> Iterator[tuple[int, int]]:
        """Handle and size of an object; raises ObjectMissing or BlobDisplaced."""
        folder = self._enter((*self._top, *name.folder), make=False)
        try:
            handle = os.open(name.digest, FILE, dir_fd=folder)
        except OSError as error:
            raise _named(error, self._path(name.path), "file") from None
        finally:
            os.close(folder)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BlobDisplaced(path=self._path(name.path), expected="file")
            yield handle, found.st_size
        except OSError as error:
            raise _named(error, self._path(name.path), "file") from None
        finally:
            os.close(handle)

    def _load(self, name: BlobName, limit: int) -> bytes:
        with self._opened(name) as (handle, size):
            if size > limit:
                raise TooLarge(path=self._shown(name), size=size, limit=limit)
            pieces: list[bytes] = []
            left = size + 1  # one more than there should be: what grew meanwhile has another digest
            while left and (piece := os.read(handle, left)):
                pieces.append(piece)
                left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pieces(self, name: BlobName) -> Iterator[bytes]:
        with self._opened(name) as (handle, _):
            while piece := os.read(handle, PIECE):
                yield piece

    def _size(self, name: BlobName) -> int:
        with self._opened(name) as (_, size):
            return size

    def _names(self) -> list[str]:
        with contextlib.suppress(ObjectMissing), self._folder() as top:
            return _names(top)
        return []

    def _all(self) -> Iterator[tuple[str, int]]:
        with contextlib.suppress(ObjectMissing), self._folder() as top:
            yield from _below(top, "", self._path())

    def _clear(self) -> None:
        path = self._path()
        with contextlib.suppress(ObjectMissing):
            above = self._enter(self._top[:-1], make=False)
            try:
                with writing(path), contextlib.suppress(FileNotFoundError):
                    step("rmtree", path)
                    shutil.rmtree(self._top[-1], dir_fd=above)
                    step("fsync_dir", path.parent)
                    os.fsync(above)
            finally:
                os.close(above)

    def _list(self, kind: str, after: str, limit: int) -> tuple[Held, ...]:
        found: list[Held] = []
        with contextlib.suppress(ObjectMissing), self._folder(kind, HASH) as top:
            for part in sorted(part for part in _names(top) if PART.match(part) and part >= after[:2]):
                path = self._path(kind, HASH, part)
                found += _page(top, part, path, after, limit - len(found))
                if len(found) == limit:
                    break
        return tuple(found)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _below(folder: int, inside: str, path: Path) -> Iterator[tuple[str, int]]:
    """Every file below a folder, as a path, and its size. A link is one, and is not followed."""
    with reading(path / inside):
        names = _names(folder)
    for name in names:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            below = os.open(name, FOLDER, dir_fd=folder) if stat.S_ISDIR(found.st_mode) else None
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError as error:
            raise _named(error, path / inside / name, "folder") from None
        if below is None:
            yield f"{inside}{name}", found.st_size
            continue
        try:
            yield from _below(below, f"{inside}{name}/", path)
        finally:
            os.close(below)


def _named(error: OSError, path: Path, expected: str) -> StellaError:
    """What an error of the system means at a place below the root."""
    if isinstance(error, FileNotFoundError):
        return ObjectMissing(path=path)
    if error.errno in LINKS:
        return BlobDisplaced(path=path, expected=expected)
    return Unreadable(path=path, problem=os.strerror(error.errno or 0))


def _make(handle: int, part: str, path: Path) -> int:
    """Make a folder and enter it; the folder above it is closed when that fails."""
    try:
        with writing(path):
            step("mkdir", path)
            with contextlib.suppress(FileExistsError):  # another writer was faster
                os.mkdir(part, FOLDER_MODE, dir_fd=handle)
            step("fsync_dir", path.parent)
            os.fsync(handle)
            return os.open(part, FOLDER, dir_fd=handle)
    except BaseException:
        os.close(handle)
        raise


def _write(handle: int, data: bytes, path: Path) -> None:
    view, written = memoryview(data), 0
    with writing(path):
        step("write", path)
        while written < len(view):
            written += os.write(handle, view[written:])


def _page(top: int, part: str, path: Path, after: str, limit: int) -> Sequence[Held]:
    """The first objects behind `after` in one of the folders that share two digits; what is no object is left out."""
    try:
        folder = os.open(part, FOLDER, dir_fd=top)
    except FileNotFoundError:  # removed meanwhile
        return ()
    except OSError as error:
        raise _named(error, path, "folder") from None
    found: list[Held] = []
    try:
        for digest in sorted(name for name in _names(folder) if name > after and is_digest(name)):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(digest, dir_fd=folder, follow_symlinks=False)
                if digest.startswith(part) and stat.S_ISREG(status.st_mode):
                    found.append(Held(digest, status.st_size))
            if len(found) == limit:
                break
    finally:
        os.close(folder)
    return found
