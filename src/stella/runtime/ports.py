"""What the layers above need from the world, as Protocols.

Each has a real adapter here and a twin in `stella.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from stella.kernel.instant import Reading

if TYPE_CHECKING:
    from pathlib import Path  # costs as much as all else that `--help` needs from here

    from stella.runtime.settings import StoreSettings

Entropy = Callable[[int], bytes]
Refused = Callable[[str, str, str], None]  # told of a refusal: tenant, action, key


class Clock(Protocol):
    """The clocks of this machine."""

    def read(self) -> Reading: ...


class Progress(Protocol):
    """Where long work says how far it is. Safe to call from any thread."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """A new task begins; `total` is None when unknown. A task ends when the next one starts."""
        ...

    def advance(self, amount: int) -> None: ...


class Writer(Protocol):
    """Something that takes bytes."""

    def write(self, data: bytes | memoryview) -> int: ...


class Spool(Writer, Protocol):
    """A large object being written; nothing is visible before its context ends without an exception."""

    def place(self, key: str) -> None:
        """Say under which key the object will be kept; needed before the context ends."""
        ...


class Folder(Protocol):
    """A tree of objects under `/`-separated keys: a directory, or objects in a bucket.

    Every method raises the classes of `runtime.errors`; a missing key is ObjectMissing.
    """

    def read(self, key: str, limit: int) -> bytes:
        """All bytes of a small object; raises TooLarge above `limit`."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream."""
        ...

    def size(self, key: str) -> int: ...

    def exists(self, key: str) -> bool: ...

    def write(self, key: str, data: bytes, *, private: bool = False) -> None:
        """Write or replace atomically and durably."""
        ...

    def writing(self) -> AbstractContextManager[Spool]:
        """Write a large object as a stream, atomic and durable at the end of the context. Safe from several threads."""
        ...

    def batch(self) -> AbstractContextManager[None]:
        """Make objects below `store/` durable together at the end of the context instead of one by one.

        Such objects are named by the digest of their bytes. They can be read at once; needs the lock.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys that start with `prefix`, sorted."""
        ...

    def usage(self, prefix: str) -> int:
        """Bytes of all objects whose keys start with `prefix`."""
        ...

    def remove(self, key: str) -> None:
        """Remove an object; no error when it is already gone."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Exclusive right to change the folder; raises Busy as soon as another process is seen to hold it."""
        ...

    def local(self, key: str) -> Path | None:
        """Path of the object on this machine, when it has one."""
        ...


class Held(NamedTuple):
    """An object that a tenant has: the SHA-256 of its bytes, and how many there are."""

    digest: str
    size: int


class StoreAccounts(Protocol):
    """The accounts of tenants in a store of objects. Each method raises what keeps the store from it."""

    def settings(self) -> StoreSettings:
        """How a tenant's handle finds the store, and its keys."""
        ...

    def own(self) -> StoreSettings:
        """The same with keys that open what every tenant has."""
        ...

    def exists(self, tenant: str) -> bool:
        """Whether the tenant has keys, good or not."""
        ...

    def is_open(self, tenant: str) -> bool:
        """Whether its keys are to be good."""
        ...

    def admit(self, tenant: str) -> None:
        """Open its account, made if it has none; its keys are good when this returns."""
        ...

    def shut_out(self, tenant: str) -> None:
        """Close its account; its keys open nothing when this returns."""
        ...

    def forget(self, tenant: str) -> None:
        """Close its account and remove its keys for good; again: no change."""
        ...

    def refresh(self, seen: object = None) -> object:
        """Let the store take in what is written, unless it has since `seen`; what to give the next time."""
        ...


class Blobs(Protocol):
    """Objects of one tenant, each named by its kind and the SHA-256 of its bytes.

    The tenant is given when the handle is made, and no argument can name another one. Bad names raise BadBlobKey. What
    is refused, by this side or by the store, is told to the callback that the handle was made with, and then raised.
    """

    tenant: str

    def put(self, kind: str, data: bytes | BinaryIO) -> str:
        """Keep bytes, or a stream up to its end, atomically and durably; the digest. Again: heals a damaged object."""
        ...

    def get(self, kind: str, digest: str, limit: int = ...) -> bytes:
        """All bytes; raises ObjectMissing, TooLarge above `limit`, or ObjectDamaged when they have another digest."""
        ...

    def open(self, kind: str, digest: str) -> BinaryIO:
        """A seekable stream of an object of any size, whose digest was checked before this returns; raises as `get`."""
        ...

    def has(self, kind: str, digest: str) -> bool: ...

    def size(self, kind: str, digest: str) -> int:
        """Bytes of an object as it is kept; raises ObjectMissing."""
        ...

    def delete(self, kind: str, digest: str) -> None:
        """Remove an object; no error when it is already gone."""
        ...

    def list(self, kind: str, after: str = "", limit: int = ...) -> tuple[Held, ...]:
        """Objects of a kind in the order of their digests, those behind the digest `after`; fewer than `limit`: all."""
        ...

    def kinds(self, after: str = "") -> tuple[str, ...]:
        """Kinds that have objects, or once had, in the order of the alphabet; those behind the kind `after`."""
        ...

    def contents(self) -> Iterator[tuple[str, int]]:
        """Key and size of everything that is kept for the tenant, objects or not, in the order of keys."""
        ...

    def clear(self) -> None:
        """Remove everything that is kept for the tenant; nothing is left when this returns."""
        ...

    def key(self, kind: str, digest: str) -> str:
        """The whole key of an object, as a document may refer to it."""
        ...

    def resolve(self, key: str) -> tuple[str, str]:
        """Kind and digest in a whole key; raises BadBlobKey, or ForeignBlob when it is another tenant's."""
        ...
