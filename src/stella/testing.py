"""Public twins of the ports, for tests of Stella and of what is built on it.

Rules:
- Each twin passes the same contract suite as the adapter that it stands for.
- Nothing here reads a clock, a disk or randomness.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from stella.kernel.blob_key import BlobName
from stella.kernel.digest import is_digest
from stella.kernel.instant import Reading, Seconds
from stella.runtime.errors import Busy, ObjectMissing, TooLarge
from stella.runtime.ports import Held, Refused
from stella.runtime.tenant_blobs import Source, TenantBlobs


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, wall: int = 1_767_225_600, boot_id: str = "boot-1", boot_seconds: int = 1000) -> None:
        self.reading = Reading(wall=wall, boot_id=boot_id, boot_seconds=boot_seconds)

    def read(self) -> Reading:
        return self.reading

    def pass_time(self, seconds: Seconds) -> None:
        """Let time pass on all clocks."""
        self.reading = Reading(self.reading.wall + seconds, self.reading.boot_id, self.reading.boot_seconds + seconds)

    def set_wall(self, wall: int) -> None:
        """Set the wall clock alone, as a person or a dead battery would."""
        self.reading = Reading(wall, self.reading.boot_id, self.reading.boot_seconds)

    def reboot(self, boot_id: str) -> None:
        """Start a new boot; the boot clock begins again."""
        self.reading = Reading(self.reading.wall, boot_id, 0)


class SilentProgress:
    """Says nothing."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: int) -> None:
        """Ignore."""


def counted_entropy(seed: str) -> Callable[[int], bytes]:
    """Reproducible bytes that never repeat: SHA-256 over the seed and a counter.

    For tests alone: anyone can compute them.
    """
    calls = iter(range(1_000_000))

    def entropy(count: int) -> bytes:
        stream = b""
        while len(stream) < count:
            stream += hashlib.sha256(f"{seed}/{next(calls)}".encode()).digest()
        return stream[:count]

    return entropy


class _MemorySpool:
    def __init__(self) -> None:
        self.data = io.BytesIO()
        self.key = ""

    def write(self, data: bytes | memoryview) -> int:
        return self.data.write(data)

    def place(self, key: str) -> None:
        self.key = key


class MemoryFolder:
    """The Folder port over a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._locked = False

    def read(self, key: str, limit: int) -> bytes:
        data = self._find(key)
        if len(data) > limit:
            raise TooLarge(path=key, size=len(data), limit=limit)
        return data

    def _find(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError:
            raise ObjectMissing(path=key) from None

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._find(key))

    def size(self, key: str) -> int:
        return len(self._find(key))

    def exists(self, key: str) -> bool:
        return key in self.objects

    def write(self, key: str, data: bytes, *, private: bool = False) -> None:  # noqa: ARG002  # memory has no modes
        self.objects[key] = bytes(data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[_MemorySpool]:
        spool = _MemorySpool()
        yield spool
        self.objects[spool.key] = spool.data.getvalue()

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        yield

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in sorted(self.objects) if key.startswith(prefix))

    def usage(self, prefix: str) -> int:
        return sum(len(data) for key, data in self.objects.items() if key.startswith(prefix))

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    def local(self, key: str) -> Path | None:  # noqa: ARG002  # memory has no paths
        return None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        if self._locked:
            raise Busy(path="memory", holder="")
        self._locked = True
        try:
            yield
        finally:
            self._locked = False


class MemoryBlobs(TenantBlobs):
    """The Blobs port over a dictionary by whole keys, which handles of several tenants may share."""

    def __init__(self, tenant: str, refused: Refused, objects: dict[str, bytes] | None = None) -> None:
        super().__init__(tenant, refused)
        self.objects: dict[str, bytes] = {} if objects is None else objects

    def _shown(self, name: BlobName) -> str:
        return f"{self._prefix}/{name.path}"

    def _store(self, kind: str, source: Source) -> str:
        data = b"".join(source)
        self.objects[self._shown(BlobName(kind, source.digest))] = data
        return source.digest

    def _load(self, name: BlobName, limit: int) -> bytes:
        try:
            data = self.objects[self._shown(name)]
        except KeyError:
            raise ObjectMissing(path=self._shown(name)) from None
        if len(data) > limit:
            raise TooLarge(path=self._shown(name), size=len(data), limit=limit)
        return data

    def _pieces(self, name: BlobName) -> Iterator[bytes]:
        whole = self._load(name, 1 << 62)
        yield from (whole[start : start + 1024] for start in range(0, len(whole), 1024))

    def _size(self, name: BlobName) -> int:
        return len(self._load(name, 1 << 62))

    def _names(self) -> list[str]:
        top = f"{self._prefix}/"
        return list({key.removeprefix(top).partition("/")[0] for key in self.objects if key.startswith(top)})

    def _delete(self, name: BlobName) -> None:
        self.objects.pop(self._shown(name), None)

    def _all(self) -> Iterator[tuple[str, int]]:
        top = f"{self._prefix}/"
        yield from ((key.removeprefix(top), len(data)) for key, data in self.objects.items() if key.startswith(top))

    def _clear(self) -> None:
        for path, _ in list(self._all()):
            del self.objects[f"{self._prefix}/{path}"]

    def _list(self, kind: str, after: str, limit: int) -> tuple[Held, ...]:
        named = ((key.rpartition("/")[2], key, len(data)) for key, data in self.objects.items())
        held = (
            Held(name, size)
            for name, key, size in sorted(named)
            if name > after and is_digest(name) and key == self._shown(BlobName(kind, name))
        )
        return tuple(itertools.islice(held, limit))
