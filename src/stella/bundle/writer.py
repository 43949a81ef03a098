"""Writes a bundle file: the same bytes for the same documents and blobs, always."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

from stella.bundle.layout import (
    EMPTY_CONFIG,
    OCI_LAYOUT,
    blob_name,
    document_order,
    index_bytes,
    manifest_bytes,
    member_names,
)
from stella.bundle.limits import CHUNK
from stella.bundle.ustar import END, FOLDERS, header, padding
from stella.kernel.digest import sha256
from stella.runtime.ports import Progress, Writer


def write_bundle(
    file: Writer,
    documents: Mapping[str, bytes],
    blobs: Sequence[tuple[str, int]],
    open_blob: Callable[[str], BinaryIO],
    progress: Progress,
) -> None:
    """Write documents (title -> bytes) and data blobs (digest, size), the latter in the order given.

    `open_blob` yields the stored bytes of a digest. Raises what `file.write` and `open_blob` raise.
    """
    titles = sorted(documents, key=document_order)
    listed = [(title, sha256(documents[title]), len(documents[title])) for title in titles]
    manifest = manifest_bytes(listed, blobs)
    small = {
        "oci-layout": OCI_LAYOUT,
        "index.json": index_bytes(manifest),
        blob_name(sha256(manifest)): manifest,
        blob_name(sha256(EMPTY_CONFIG)): EMPTY_CONFIG,
    }
    small |= dict.fromkeys(FOLDERS, b"") | {blob_name(digest): documents[title] for title, digest, _ in listed}
    sizes = {blob_name(digest): (digest, size) for digest, size in blobs}
    progress.start("write", sum(size for _, size in blobs), "bytes")
    for name in member_names(manifest, [digest for _, digest, _ in listed] + [digest for digest, _ in blobs]):
        data = small.get(name)
        if data is not None:
            file.write(b"".join((header(name, len(data)), data, bytes(padding(len(data))))))
            continue
        digest, size = sizes[name]
        _copy(file, name, size, open_blob(digest))
        progress.advance(size)
    file.write(END)


def _copy(file: Writer, name: str, size: int, source: BinaryIO) -> None:
    with source:
        file.write(header(name, size))
        rest = size
        while rest:
            chunk = source.read(min(CHUNK, rest))
            if not chunk:
                raise EOFError(name)
            rest -= len(chunk)
            file.write(chunk)
        if fill := padding(size):
            file.write(bytes(fill))
