"""Objects of a tenant in a bucket.

Rules:
- A handle has the keys of its tenant, and the store lets them reach the tenant's prefix alone: what our code would get
  wrong, the store refuses.
- An object is written by one request, or in parts that show when all are there; so a kill leaves a whole one or none.
- A large object is read in windows, all of them of the version that the first one found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from stella.kernel.blob_key import HASH, BlobName, prefix_of
from stella.kernel.digest import is_digest
from stella.kernel.tenant import DEFAULT_TENANT
from stella.runtime.errors import ObjectMissing, Overtaken, SharedKeys
from stella.runtime.places import filled, shared_key
from stella.runtime.ports import Held, Refused
from stella.runtime.s3 import WINDOW, Objects, Outdated, connect
from stella.runtime.settings import StoreSettings
from stella.runtime.tenant_blobs import MAX_PAGE, WHOLE, Source, TenantBlobs, collect, collecting, rewind


def keys_of(want: StoreSettings, tenant: str) -> StoreSettings:
    """The settings with the references to this tenant's keys; raises SharedKeys when they are everybody's.

    The tenant of an installation that has only one may use keys without a tenant in them.
    """
    if tenant != DEFAULT_TENANT and (key := shared_key(want)):
        raise SharedKeys(key=key)
    return filled(want, tenant)


def open_s3_blobs(
    location: str,
    tenant: str,
    want: StoreSettings,
    secret: Callable[[str], bytes],
    refused: Refused,
    *,
    sealed: bool,
) -> S3Blobs:
    """The objects of a tenant below `s3://BUCKET[/PREFIX]`; sends nothing yet.

    Raises BadTenant, SharedKeys, and as `s3.connect`.
    """
    place = f"{location.rstrip('/')}/{prefix_of(tenant)}"
    return S3Blobs(connect(place, keys_of(want, tenant), secret, sealed=sealed), tenant, refused)


def open_s3_remains(
    location: str, tenant: str, want: StoreSettings, secret: Callable[[str], bytes], *, sealed: bool
) -> S3Blobs:
    """As `open_s3_blobs`, also with keys that are everybody's: to remove what a tenant has left. Raises as that."""
    place = f"{location.rstrip('/')}/{prefix_of(tenant)}"
    return S3Blobs(connect(place, filled(want, tenant), secret, sealed=sealed), tenant, lambda *_: None)


class S3Blobs(TenantBlobs):
    """The Blobs port over requests that reach below the tenant's prefix."""

    def __init__(self, objects: Objects, tenant: str, refused: Refused) -> None:
        super().__init__(tenant, refused)
        self._objects = objects

    def _shown(self, name: BlobName) -> str:
        return self._objects.path(name.path)

    def _store(self, kind: str, source: Source) -> str:
        if isinstance(source.data, bytes) and len(source.data) <= WHOLE:
            (data,) = source
            self._objects.put(BlobName(kind, source.digest).path, data)
        else:
            with collecting() as file:
                for piece in source:
                    collect(file, piece)
                self._send(file, BlobName(kind, source.digest), source.size)
            file.close()
        return source.digest

    def _send(self, file: BinaryIO, name: BlobName, size: int) -> None:
        rewind(file)
        if size <= WHOLE:
            self._objects.put(name.path, file.read())
        else:
            self._objects.put_file(name.path, file, size)

    def _load(self, name: BlobName, limit: int) -> bytes:
        return self._objects.get(name.path, limit).data

    def _pieces(self, name: BlobName) -> Iterator[bytes]:
        first = self._objects.get(name.path)
        yield first.data
        try:
            for start in range(len(first.data), first.size, WINDOW):
                yield self._objects.get_range(name.path, start, min(start + WINDOW, first.size), first.tag)
        except Outdated:
            raise Overtaken(path=self._shown(name)) from None

    def _size(self, name: BlobName) -> int:
        found = self._objects.head(name.path)
        if found is None:
            raise ObjectMissing(path=self._shown(name))
        return found.size

    def _names(self) -> list[str]:
        return self._objects.folders()

    def _all(self) -> Iterator[tuple[str, int]]:
        yield from self._objects.listing("")

    def _clear(self) -> None:
        self._objects.delete_all(path for path, _ in self._objects.listing(""))

    def _delete(self, name: BlobName) -> None:
        self._objects.delete(name.path)

    def _list(self, kind: str, after: str, limit: int) -> tuple[Held, ...]:
        """Asks on while what it gets is no object: the tenant's own keys may have put anything there."""
        found: list[Held] = []
        start, asked = BlobName(kind, after).path if after else "", limit
        while True:
            rows = self._objects.page(f"{kind}/{HASH}", start, asked)
            found += (held for key, size in rows if (held := _held(kind, key, size)))
            if len(found) >= limit or len(rows) < asked:
                return tuple(found[:limit])
            start, asked = rows[-1][0], MAX_PAGE


def _held(kind: str, key: str, size: int) -> Held | None:
    """The object behind a key below the tenant's prefix; None for a key that is no object's."""
    digest = key.rpartition("/")[2]
    return Held(digest, size) if is_digest(digest) and key == BlobName(kind, digest).path else None
