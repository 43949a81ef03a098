"""Reads a bundle file without trusting it.

Rules:
- Opening reads headers and the three OCI documents; everything must be exactly what a writer would have written.
- Documents are bounded in number and size and are checked against their digest when they are read.
- Data blobs are handed out as bounded streams; nothing here decompresses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from stella.bundle.errors import DigestMismatch, LayoutMismatch, OverLimit, Truncated
from stella.bundle.layout import (
    BLOB_MEDIA_TYPE,
    DOCUMENT_ORDER,
    EMPTY_CONFIG,
    OCI_LAYOUT,
    TITLE,
    Index,
    Manifest,
    blob_name,
    document_order,
    index_bytes,
    manifest_bytes,
    member_names,
)
from stella.bundle.limits import CHUNK, MAX_DOCUMENT, MAX_DOCUMENTS, MAX_LIST, MAX_MANIFEST
from stella.bundle.ustar import Member, scan
from stella.kernel.canonical import parse
from stella.kernel.digest import is_digest, sha256
from stella.runtime.files import open_file, reading


class BundleFile:
    """An open bundle: its documents by title and its data blobs by digest."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        with reading(path):
            self._members = {member.name: member for member in scan(file, path)}
        self.documents: dict[str, tuple[str, int]] = {}
        self.blobs: dict[str, int] = {}
        self._read_layout()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open and check the frame of a bundle; raises the classes of `bundle.errors` and `runtime.errors`."""
        file = open_file(path)
        try:
            return cls(file, path)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read_layout(self) -> None:
        names = list(self._members)
        if self._small("oci-layout", MAX_DOCUMENT) != OCI_LAYOUT:
            raise LayoutMismatch(what="oci-layout", problem="unknown version")
        index = parse(self._small("index.json", MAX_DOCUMENT), Index, "index.json")
        digest = index.manifests[0].digest.removeprefix("sha256:") if index.manifests else ""
        if not is_digest(digest):
            raise LayoutMismatch(what="index.json", problem="it names no manifest")
        manifest_data = self._small(blob_name(digest), MAX_MANIFEST)
        if sha256(manifest_data) != digest or index_bytes(manifest_data) != self._small("index.json", MAX_DOCUMENT):
            raise DigestMismatch(what="OCI manifest", found=sha256(manifest_data), expected=digest)
        manifest = parse(manifest_data, Manifest, "OCI manifest")
        documents: list[tuple[str, str, int]] = []
        blobs: list[tuple[str, int]] = []
        for layer in manifest.layers:
            name = layer.digest.removeprefix("sha256:")
            if not is_digest(name):
                raise LayoutMismatch(what="OCI manifest", problem="a layer has no SHA-256 digest")
            if layer.media_type == BLOB_MEDIA_TYPE:
                blobs.append((name, layer.size))
            else:
                documents.append(((layer.annotations or {}).get(TITLE, ""), name, layer.size))
        self._check_documents(documents)
        if manifest_bytes(documents, blobs) != manifest_data:
            raise LayoutMismatch(what="OCI manifest", problem="it is not in the only form")
        self.documents = {title: (name, size) for title, name, size in documents}
        self.blobs = dict(blobs)
        listed = [name for _, name, _ in documents] + [name for name, _ in blobs]
        if names != member_names(manifest_data, listed):
            raise LayoutMismatch(
                what="tar", problem="its members are not the ones that the OCI manifest lists, in that order"
            )
        sizes = [(name, size) for _, name, size in documents] + blobs
        wrong = next((name for name, size in sizes if self._members[blob_name(name)].size != size), None)
        if wrong:
            raise LayoutMismatch(what="OCI manifest", problem=f"blob {wrong[:12]} has another size")
        if self._small(blob_name(sha256(EMPTY_CONFIG)), MAX_DOCUMENT) != EMPTY_CONFIG:
            raise DigestMismatch(what="OCI config", found="another", expected=sha256(EMPTY_CONFIG))

    @staticmethod
    def _check_documents(documents: list[tuple[str, str, int]]) -> None:
        if len(documents) > MAX_DOCUMENTS:
            raise OverLimit(what="number of documents", found=len(documents), limit=MAX_DOCUMENTS)
        titles = [title for title, _, _ in documents]
        known = all(title in DOCUMENT_ORDER or (title.startswith("tuf/") and title.count("/") == 1) for title in titles)
        if not known or titles != sorted(set(titles), key=document_order):
            raise LayoutMismatch(what="OCI manifest", problem="its documents are unknown, doubled or out of order")

    def _small(self, name: str, limit: int) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise LayoutMismatch(what="tar", problem=f"member `{ascii(name)[1:-1]}` is missing")
        if member.size > limit:
            raise OverLimit(what=f"size of `{name}`", found=member.size, limit=limit)
        return self._read(member)

    def _read(self, member: Member) -> bytes:
        with reading(self.path):
            self._file.seek(member.offset)
            return self._file.read(member.size)

    def document(self, title: str) -> bytes:
        """Bytes of a document; raises LayoutMismatch when absent, OverLimit, or DigestMismatch."""
        if title not in self.documents:
            raise LayoutMismatch(what="bundle", problem=f"document `{title}` is missing")
        digest, size = self.documents[title]
        limit = MAX_LIST if title.endswith(".zst") else MAX_DOCUMENT
        if size > limit:
            raise OverLimit(what=f"size of `{title}`", found=size, limit=limit)
        data = self._read(self._members[blob_name(digest)])
        if sha256(data) != digest:
            raise DigestMismatch(what=f"`{title}`", found=sha256(data), expected=digest)
        return data

    def blob(self, digest: str) -> bytes:
        """All stored bytes of a data blob, checked; raises DigestMismatch.

        For blobs whose size the caller has bounded.
        """
        data = self._read(self._members[blob_name(digest)])
        if sha256(data) != digest:
            raise DigestMismatch(what=f"blob {digest[:12]}", found=sha256(data), expected=digest)
        return data

    def pieces(self, digest: str) -> Iterator[bytes]:
        """Stored bytes of a data blob in pieces, unchecked: for blobs that went through `check`."""
        member = self._members[blob_name(digest)]
        offset, end = member.offset, member.offset + member.size
        while offset < end:
            with reading(self.path):
                self._file.seek(offset)
                chunk = self._file.read(min(CHUNK, end - offset))
            if not chunk:
                raise Truncated(offset=offset, missing=end - offset)
            offset += len(chunk)
            yield chunk

    def check(self, digest: str) -> None:
        """Read a data blob and compare its digest, before anything unpacks it; raises DigestMismatch."""
        for _ in self.stream(digest):
            pass

    def stream(self, digest: str) -> Iterator[bytes]:
        """Stored bytes of a data blob in pieces; raises DigestMismatch after the last one when they do not match."""
        hasher = hashlib.sha256()
        for chunk in self.pieces(digest):
            hasher.update(chunk)
            yield chunk
        if hasher.hexdigest() != digest:
            raise DigestMismatch(what=f"blob {digest[:12]}", found=hasher.hexdigest(), expected=digest)
