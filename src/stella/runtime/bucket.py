"""A folder in an S3 bucket.

Rules:
- An object is written by one request, whole or not at all; there is nothing to sync, to rename or to sweep.
- Under the lock, an object that may change is written on condition: that it still is what was read, or still is
  missing. So a writer that lost its lease without noticing can publish nothing over another one.
- Content is named by the digest of its bytes. It is written without a condition, since every writer writes the same,
  and its digest is checked when it is read.
- Nothing is removed unless the lease has half of its time left: a removal knows no condition.
- A large object is collected on this machine first, since its key is known at its end; then it goes up in parts, which
  show as an object only when all are there. Parts that a kill left behind are for the bucket's life-cycle rule.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from stella.kernel.digest import is_digest
from stella.runtime.entropy import system_entropy
from stella.runtime.errors import ObjectDamaged, ObjectMissing, Overtaken, StoreUnreachable, TooLarge
from stella.runtime.files import CONTENT, writing
from stella.runtime.lease import LEASE, Lease, Terms
from stella.runtime.ports import Entropy
from stella.runtime.s3 import MIB, WINDOW, Objects, Outdated, Stored, connect
from stella.runtime.settings import StoreSettings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

WHOLE = 16 * MIB  # bytes up to which a stream stays in memory and goes up in one request
HALF = 0.5


def open_bucket(location: str, want: StoreSettings, secret: Callable[[str], bytes], *, sealed: bool) -> BucketFolder:
    """The folder `s3://BUCKET/PREFIX`; sends nothing yet. Raises as `s3.connect`."""
    return BucketFolder(connect(location, want, secret, sealed=sealed))


def _name_of(key: str) -> str | None:
    """The digest that an object must have, if its key says so."""
    name = key.rpartition("/")[2]
    return name if key.startswith(CONTENT) and is_digest(name) else None


class _Windows(io.RawIOBase):
    """A large object, read in windows; all of them are of the version that was opened."""

    def __init__(self, objects: Objects, key: str, first: Stored) -> None:
        self._objects = objects
        self._key = key
        self._first = first
        self._place = 0
        self._hashed = 0
        self._hasher = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._first.size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        end = min(self._place + min(len(into), WINDOW), self._first.size)
        if end <= self._place:
            return 0
        data = self._read(self._place, end)
        into[: len(data)] = data
        self._watch(data)
        self._place += len(data)
        return len(data)

    def _read(self, start: int, end: int) -> bytes:
        if start < len(self._first.data):
            return self._first.data[start:end]
        try:
            return self._objects.get_range(self._key, start, end, self._first.tag)
        except Outdated:
            raise Overtaken(path=self._objects.path(self._key)) from None

    def _watch(self, data: bytes) -> None:
        """Hash what is read from start to end; raises ObjectDamaged at the end."""
        name = _name_of(self._key)
        if name is None or self._place != self._hashed:
            return
        self._hasher.update(data)
        self._hashed += len(data)
        if self._hashed == self._first.size and self._hasher.hexdigest() != name:
            raise ObjectDamaged(path=self._objects.path(self._key))


class _Spool:
    """The Spool of a BucketFolder: bytes wait in memory, or in a file of this machine when there are many."""

    def __init__(self, folder: BucketFolder) -> None:
        self._folder = folder
        self._place = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108  # only named in the message
        self.file = tempfile.SpooledTemporaryFile(max_size=WHOLE, prefix="stella-spool-")  # noqa: SIM115  # see `writing`
        self.key = ""

    def write(self, data: bytes | memoryview) -> int:
        with writing(self._place):
            return self.file.write(data)

    def rewind(self) -> int:
        """Go to the start; how many bytes there are. What is still in a buffer is written."""
        size = self.file.tell()
        with writing(self._place):
            self.file.seek(0)
        return size

    def place(self, key: str) -> None:
        self.key = key

    def drop(self) -> None:
        """Let the bytes go; what could not be written does not matter any more."""
        with contextlib.suppress(OSError):
            self.file.close()


class BucketFolder:
    """The Folder port over the objects below one prefix."""

    def __init__(self, objects: Objects, entropy: Entropy = system_entropy, terms: Terms | None = None) -> None:
        self._objects = objects
        self._entropy = entropy
        self._terms = terms or Terms()
        self._lease: Lease | None = None
        self._seen: dict[str, str | None] = {}  # version of what was read under the lock; None: it was missing
        self._stored: set[str] | None = None  # content that is there, while a batch lasts
        self._batching = False

    # reading

    def _saw(self, key: str, tag: str | None) -> None:
        if self._lease is not None and not key.startswith(CONTENT):
            self._seen[key] = tag

    def read(self, key: str, limit: int) -> bytes:
        try:
            found = self._objects.get(key, limit)
        except ObjectMissing:
            self._saw(key, None)
            raise
        self._saw(key, found.tag)
        self._check(key, found.data)
        return found.data

    def _check(self, key: str, data: bytes) -> None:
        name = _name_of(key)
        if name is not None and hashlib.sha256(data).hexdigest() != name:
            raise ObjectDamaged(path=self._objects.path(key))

    def open(self, key: str) -> BinaryIO:
        first = self._objects.get(key)
        if first.size <= len(first.data):
            self._check(key, first.data)
            return io.BytesIO(first.data)
        return io.BufferedReader(_Windows(self._objects, key, first), WINDOW)

    def size(self, key: str) -> int:
        found = self._objects.head(key)
        if found is None:
            raise ObjectMissing(path=self._objects.path(key))
        return found.size

    def exists(self, key: str) -> bool:
        if self._batching and key.startswith(CONTENT):
            return key in self._content()
        found = self._objects.head(key)
        if found is None:
            self._saw(key, None)
        return found is not None

    def _content(self) -> set[str]:
        """Keys of content, listed once in a batch: nobody else may change them."""
        if self._stored is None:
            self._stored = {key for key, _ in self._objects.listing(CONTENT)}
        return self._stored

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key, _ in self._objects.listing(prefix) if key != LEASE)

    def usage(self, prefix: str) -> int:
        return sum(size for key, size in self._objects.listing(prefix) if key != LEASE)

    def local(self, key: str) -> Path | None:  # noqa: ARG002  # it is on another machine
        return None

    # writing

    def write(self, key: str, data: bytes, *, private: bool = False) -> None:  # noqa: ARG002  # access is the bucket's
        if self._lease is None or key.startswith(CONTENT):
            self._put_content(key, data)
        elif key in self._seen:
            self._put_if_unchanged(key, data, self._seen[key])
        else:
            self._put_over(key, data, self._lease)

    def _put_content(self, key: str, data: bytes) -> None:
        self._check_lease()
        self._objects.put(key, data)
        if self._stored is not None:
            self._stored.add(key)

    def _check_lease(self, share: float = 0.0) -> None:
        if self._lease is not None:
            self._lease.check(share)

    def _put_if_unchanged(self, key: str, data: bytes, tag: str | None) -> None:
        """Write in the place of what was read; raises Overtaken when there is something else by now."""
        self._check_lease()
        try:
            self._seen[key] = self._objects.put_if(key, data, tag)
        except Outdated:
            if not self._is_there(key, data):
                raise Overtaken(path=self._objects.path(key)) from None
        except StoreUnreachable:
            if not self._is_there(key, data):  # it may have been carried out, and only its answer lost
                raise

    def _is_there(self, key: str, data: bytes) -> bool:
        try:
            found = self._objects.get(key, len(data))
        except (ObjectMissing, TooLarge):
            return False
        self._seen[key] = found.tag
        return found.data == data

    def _put_over(self, key: str, data: bytes, lease: Lease) -> None:
        """Write what nobody has read; what a writer without a lease puts there in the meantime is replaced as well.

        The lease is renewed after the look: so what was seen is of nobody who has taken the lease since, whatever the
        clock of this machine says of the time that has passed.
        """
        for last in (False, True):
            found = self._objects.head(key)
            lease.renew()
            try:
                self._put_if_unchanged(key, data, found.tag if found else None)
            except Overtaken:
                if last:
                    raise
            else:
                return

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Spool]:
        spool = _Spool(self)
        with contextlib.ExitStack() as end:
            end.callback(spool.drop)
            file = spool.file
            yield spool
            size = spool.rewind()
            if size <= WHOLE:
                self._put_content(spool.key, file.read())
                return
            self._check_lease()
            self._objects.put_file(spool.key, cast("BinaryIO", file), size)
            if self._stored is not None:
                self._stored.add(spool.key)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """What is written is durable at once; a batch saves the question for each object whether it is there."""
        self._batching = True
        try:
            yield
        finally:
            self._batching, self._stored = False, None

    def remove(self, key: str) -> None:
        self._check_lease(HALF)
        self._objects.delete(key)
        self._seen.pop(key, None)
        if self._stored is not None:
            self._stored.discard(key)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        lease = Lease(self._objects, self._entropy, self._terms)
        lease.acquire()
        self._lease, self._seen = lease, {}
        try:
            yield
        finally:
            self._lease, self._seen = None, {}
            lease.release()
