"""What a channel and a site keep in the same way: documents and lists as objects, named by their digests."""

from __future__ import annotations

from typing import Protocol

from stella.bundle.contents import blob_key
from stella.bundle.limits import MAX_LIST
from stella.bundle.model import Blob, Entry, parse_blobs, parse_entries
from stella.kernel.digest import sha256
from stella.runtime.ports import Folder


class Listed(Protocol):
    """A generation as it is kept: digests of its entries and of their stored forms."""

    @property
    def entries(self) -> str: ...

    @property
    def stored(self) -> str: ...


class KeptFolder:
    """A folder, how people name it, and the objects in it."""

    def __init__(self, folder: Folder, shown: str) -> None:
        self.folder = folder
        self.shown = shown

    def keep(self, data: bytes) -> str:
        """Keep a document; returns its digest."""
        digest = sha256(data)
        if not self.folder.exists(blob_key(digest)):
            self.folder.write(blob_key(digest), data)
        return digest

    def document(self, digest: str) -> bytes:
        """A kept document or list."""
        return self.folder.read(blob_key(digest), MAX_LIST)

    def entries(self, generation: Listed) -> list[Entry]:
        """Entries of a generation."""
        return parse_entries(self.document(generation.entries))

    def blobs(self, generation: Listed) -> list[Blob]:
        """Stored forms that yield every content of a generation."""
        return parse_blobs(self.document(generation.stored))
