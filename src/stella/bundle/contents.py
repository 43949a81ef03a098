"""Content of a generation kept in a folder: stored blobs by digest, and the map from content to blob.

Rules:
- A channel and a site keep the same thing: blobs under `store/sha256/aa/<digest>` and a list of stored forms per
  generation.
- Locally a blob is raw or zstd; deltas exist only inside bundle files.
- Reading checks nothing again but the size: what is in the store was verified before it got its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from stella.bundle.codec import decompress, decompress_stream
from stella.bundle.errors import DigestMismatch
from stella.bundle.limits import CHUNK, MAX_MEMBER, WHOLE
from stella.bundle.model import Blob, Entry
from stella.runtime.ports import Folder


def blob_key(digest: str) -> str:
    """Key of a stored blob."""
    return f"store/sha256/{digest[:2]}/{digest}"


def sizes_of(entries: Iterable[Entry]) -> dict[str, int]:
    """Content size in bytes by content digest."""
    return {entry.digest: entry.size for entry in entries}


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces, closed at its end."""
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


class Contents:
    """Content by digest, out of the blobs of one or several generations."""

    def __init__(self, folder: Folder, blobs: Sequence[Blob], sizes: Mapping[str, int]) -> None:
        self.folder = folder
        self.sizes = sizes
        self._where = {digest: (blob, place) for blob in blobs for place, digest in enumerate(blob.holds)}
        self._last: tuple[str, bytes] = ("", b"")

    def __contains__(self, digest: str) -> bool:
        return digest in self._where

    def size(self, digest: str) -> int:
        """Content size in bytes; raises KeyError."""
        return self.sizes[digest]

    def blob(self, digest: str) -> Blob:
        """The blob that yields the content; raises KeyError."""
        return self._where[digest][0]

    def in_store_order(self, digests: Iterable[str]) -> list[str]:
        """The same digests, those of one pack together, so that each pack is unpacked once."""
        return sorted(digests, key=lambda digest: (self._where[digest][0].blob, self._where[digest][1]))

    def stream(self, digest: str) -> Iterator[bytes]:
        """The content in pieces; raises KeyError, or what reading and decompressing raise."""
        blob, place = self._where[digest]
        total = sum(self.sizes[held] for held in blob.holds)
        if total <= WHOLE:
            start = sum(self.sizes[held] for held in blob.holds[:place])
            yield self._whole(blob, total)[start : start + self.sizes[digest]]
            return
        stored = chunks_of(self.folder.open(blob_key(blob.blob)))
        yield from stored if blob.enc == "raw" else decompress_stream(blob.blob, stored, total)

    def _whole(self, blob: Blob, total: int) -> bytes:
        if self._last[0] != blob.blob:
            data = self.folder.read(blob_key(blob.blob), MAX_MEMBER)
            self._last = (blob.blob, data if blob.enc == "raw" else decompress(blob.blob, data, total))
        return self._last[1]

    def read(self, digest: str) -> bytes:
        """The whole content, checked against its digest; raises KeyError or DigestMismatch."""
        data = b"".join(self.stream(digest))
        if hashlib.sha256(data).hexdigest() != digest:
            raise DigestMismatch(what=f"content {digest[:12]}", found="another", expected=digest)
        return data
