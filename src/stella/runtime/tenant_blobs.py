"""What every store of a tenant's objects has in common: names, digests, and telling of refusals.

Rules:
- An adapter sees names that were parsed, and paths below its own tenant alone.
- Nothing is handed out before the digest of all of it was checked, streams included: a large object is collected in
  memory or in an unnamed file first.
- A refusal is told before it is raised, so that an audit that fails cannot turn it into an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from stella.kernel.blob_key import KIND, BlobName, parse_key, parse_kind, parse_name, prefix_of, show_key
from stella.kernel.digest import sha256
from stella.kernel.errors import BadBlobKey, ForeignBlob
from stella.runtime.errors import BlobDisplaced, NotCleared, ObjectDamaged, ObjectMissing, StoreDenied, TooLarge
from stella.runtime.files import writing
from stella.runtime.ports import Held, Refused

MIB = 1024 * 1024
PIECE = MIB
WHOLE = 16 * MIB  # bytes of a stream that stay in memory
MAX_GET = 64 * MIB  # bytes that `get` takes into memory unless it is told otherwise; larger ones are for `open`
MAX_BLOB = 64 * 1024 * MIB  # bounds the disk that a stream without an end can claim
MAX_PAGE = 1_000  # objects of one listing; the most that S3 gives
REFUSALS = (BadBlobKey, ForeignBlob, BlobDisplaced, StoreDenied)


class Source:
    """What is to be stored, in pieces; behind the last one `digest` is that of all. Raises TooLarge."""

    def __init__(self, data: bytes | BinaryIO) -> None:
        self.data = data
        self.size = 0
        self._hasher = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self.data, bytes):
            yield self._passed(self.data)
            return
        while piece := self.data.read(PIECE):
            yield self._passed(piece)

    def _passed(self, piece: bytes) -> bytes:
        self.size += len(piece)
        if self.size > MAX_BLOB:
            raise TooLarge(path="the stream", size=self.size, limit=MAX_BLOB)
        self._hasher.update(piece)
        return piece

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()


@contextlib.contextmanager
def collecting() -> Iterator[BinaryIO]:
    """A file for many bytes: in memory, or without a name on the disk. It is closed when the block fails."""
    file = tempfile.SpooledTemporaryFile(max_size=WHOLE)  # noqa: SIM115  # handed out when all goes well
    try:
        yield cast("BinaryIO", file)
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk, once more
            file.close()
        raise


def collect(file: BinaryIO, piece: bytes) -> None:
    """Add to such a file; raises DiskFull or Unwritable."""
    with writing(Path(tempfile.gettempdir())):
        file.write(piece)


def rewind(file: BinaryIO) -> BinaryIO:
    """Go to the start of such a file, what was added to it being there; raises DiskFull or Unwritable."""
    with writing(Path(tempfile.gettempdir())):
        file.seek(0)  # writes what is still in a buffer
    return file


class TenantBlobs(ABC):
    """The Blobs port, but for how bytes are kept: objects at `KIND/sha256/AA/DIGEST` below the tenant's prefix."""

    def __init__(self, tenant: str, refused: Refused) -> None:
        """Raises BadTenant."""
        self._prefix = prefix_of(tenant)
        self.tenant = tenant
        self._refused = refused

    # what an adapter does

    @abstractmethod
    def _store(self, kind: str, source: Source) -> str:
        """Keep it; the digest."""

    @abstractmethod
    def _load(self, name: BlobName, limit: int) -> bytes:
        """All bytes; raises ObjectMissing, or TooLarge above `limit`."""

    @abstractmethod
    def _pieces(self, name: BlobName) -> Iterator[bytes]:
        """All bytes, a piece at a time; raises ObjectMissing."""

    @abstractmethod
    def _size(self, name: BlobName) -> int:
        """How many bytes; raises ObjectMissing."""

    @abstractmethod
    def _delete(self, name: BlobName) -> None: ...

    @abstractmethod
    def _list(self, kind: str, after: str, limit: int) -> tuple[Held, ...]: ...

    @abstractmethod
    def _names(self) -> list[str]:
        """What is below the tenant's prefix, kinds among it."""

    @abstractmethod
    def _all(self) -> Iterator[tuple[str, int]]:
        """Path below the tenant's prefix, and size, of whatever is there."""

    @abstractmethod
    def _clear(self) -> None:
        """Remove whatever is there."""

    @abstractmethod
    def _shown(self, name: BlobName) -> str:
        """How people name an object."""

    # the port

    @contextlib.contextmanager
    def _asked(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except REFUSALS:
            self._refused(self.tenant, action, show_key(path))
            raise

    def _below(self, kind: str, digest: str) -> str:
        return f"{self._prefix}/{kind}/{digest}"

    def put(self, kind: str, data: bytes | BinaryIO) -> str:
        with self._asked("put", self._below(kind, "")):
            return self._store(parse_kind(kind), Source(data))

    def get(self, kind: str, digest: str, limit: int = MAX_GET) -> bytes:
        with self._asked("get", self._below(kind, digest)):
            name = parse_name(kind, digest)
            data = self._load(name, limit)
        if sha256(data) != digest:
            raise ObjectDamaged(path=self._shown(name))
        return data

    def open(self, kind: str, digest: str) -> BinaryIO:
        with self._asked("open", self._below(kind, digest)), collecting() as file:
            name, hasher = parse_name(kind, digest), hashlib.sha256()
            for piece in self._pieces(name):
                hasher.update(piece)
                collect(file, piece)
            if hasher.hexdigest() != digest:
                raise ObjectDamaged(path=self._shown(name))
            return rewind(file)

    def has(self, kind: str, digest: str) -> bool:
        with self._asked("has", self._below(kind, digest)):
            name = parse_name(kind, digest)
            try:
                self._size(name)
            except ObjectMissing:
                return False
            return True

    def size(self, kind: str, digest: str) -> int:
        with self._asked("size", self._below(kind, digest)):
            return self._size(parse_name(kind, digest))

    def delete(self, kind: str, digest: str) -> None:
        with self._asked("delete", self._below(kind, digest)):
            self._delete(parse_name(kind, digest))

    def list(self, kind: str, after: str = "", limit: int = MAX_PAGE) -> tuple[Held, ...]:
        with self._asked("list", self._below(kind, after)):
            if after:
                parse_name(kind, after)
            return self._list(parse_kind(kind), after, max(1, min(limit, MAX_PAGE)))

    def kinds(self, after: str = "") -> tuple[str, ...]:
        with self._asked("kinds", self._below(after, "")):
            if after:
                parse_kind(after)
            return tuple(sorted(name for name in self._names() if name > after and KIND.match(name)))

    def contents(self) -> Iterator[tuple[str, int]]:
        with self._asked("contents", f"{self._prefix}/"):
            yield from sorted((f"{self._prefix}/{path}", size) for path, size in self._all())

    def clear(self) -> None:
        with self._asked("clear", f"{self._prefix}/"):
            self._clear()
            if left := [path for path, _ in self._all()]:
                raise NotCleared(path=f"{self._prefix}/{show_key(left[0])}", count=len(left))

    def key(self, kind: str, digest: str) -> str:
        return f"{self._prefix}/{parse_name(kind, digest).path}"

    def resolve(self, key: str) -> BlobName:
        with self._asked("resolve", key):
            return parse_key(self.tenant, key)
