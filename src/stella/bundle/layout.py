"""The OCI image layout inside a bundle (OCI image-spec 1.1): its three descriptive documents.

Rules:
- They are derived from the list of members alone, so a reader derives them again and compares bytes; they are never
  trusted.
- Signed documents come first and data blobs after them, so that a bad bundle is refused before its bulk is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stella.bundle.ustar import FOLDERS
from stella.kernel.digest import sha256

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
EMPTY_CONFIG = b"{}"
BLOB_MEDIA_TYPE = "application/vnd.stella.blob.v1"
ARTIFACT_TYPE = "application/vnd.stella.bundle.v1"
MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"

_MEDIA_TYPES = {
    "anchor.tsr": "application/timestamp-reply",
    "bundle.dsse.json": "application/vnd.dsse.envelope.v1+json",
    "entries.ndjson.zst": "application/vnd.stella.entries.v1+zstd",
    "milestone.json": "application/vnd.stella.milestone.v1+json",
    "packer.dsse.json": "application/vnd.dsse.envelope.v1+json",
    "signers.json": "application/vnd.stella.signers.v1+json",
    "stored.ndjson.zst": "application/vnd.stella.stored.v1+zstd",
    "time-anchor.json": "application/vnd.stella.time-anchor.v1+json",
}
DOCUMENT_ORDER = (
    "milestone.json",
    "bundle.dsse.json",
    "packer.dsse.json",
    "signers.json",
    "anchor.tsr",
    "time-anchor.json",
    "tuf/",
    "entries.ndjson.zst",
    "stored.ndjson.zst",
)


class Descriptor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An OCI content descriptor; fields in alphabetical order so that encoding is canonical."""

    annotations: dict[str, str] | None = None
    artifact_type: str | None = msgspec.field(name="artifactType", default=None)
    digest: str
    media_type: str = msgspec.field(name="mediaType")
    size: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OCI image manifest used as an artifact manifest."""

    artifact_type: str = msgspec.field(name="artifactType")
    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = msgspec.field(name="mediaType")
    schema_version: int = msgspec.field(name="schemaVersion")


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OCI image index with one manifest."""

    manifests: tuple[Descriptor, ...]
    media_type: str = msgspec.field(name="mediaType")
    schema_version: int = msgspec.field(name="schemaVersion")


def media_type_of(title: str) -> str:
    """Media type of a document by its title; TUF metadata is plain JSON."""
    return _MEDIA_TYPES.get(title, "application/json")


def document_order(title: str) -> tuple[int, str]:
    """Sort key that puts documents in the order in which they are checked."""
    group = "tuf/" if title.startswith("tuf/") else title
    return DOCUMENT_ORDER.index(group), title


def blob_name(digest: str) -> str:
    """Tar member that holds the blob of that digest."""
    return f"blobs/sha256/{digest}"


def manifest_bytes(documents: Sequence[tuple[str, str, int]], blobs: Sequence[tuple[str, int]]) -> bytes:
    """The OCI manifest for documents (title, digest, size) and data blobs (digest, size), in the given order."""
    layers = [
        Descriptor(digest=f"sha256:{digest}", media_type=media_type_of(title), size=size, annotations={TITLE: title})
        for title, digest, size in documents
    ]
    layers += [Descriptor(digest=f"sha256:{digest}", media_type=BLOB_MEDIA_TYPE, size=size) for digest, size in blobs]
    config = Descriptor(digest=f"sha256:{sha256(EMPTY_CONFIG)}", media_type=EMPTY_MEDIA_TYPE, size=len(EMPTY_CONFIG))
    return msgspec.json.encode(
        Manifest(
            artifact_type=ARTIFACT_TYPE,
            config=config,
            layers=tuple(layers),
            media_type=MANIFEST_MEDIA_TYPE,
            schema_version=2,
        )
    )


def index_bytes(manifest: bytes) -> bytes:
    """The OCI index that names the manifest."""
    descriptor = Descriptor(
        digest=f"sha256:{sha256(manifest)}",
        media_type=MANIFEST_MEDIA_TYPE,
        size=len(manifest),
        artifact_type=ARTIFACT_TYPE,
    )
    return msgspec.json.encode(Index(manifests=(descriptor,), media_type=INDEX_MEDIA_TYPE, schema_version=2))


def member_names(manifest: bytes, digests: Sequence[str]) -> list[str]:
    """Tar members in their only order; a digest that occurs twice is stored once."""
    names = [blob_name(sha256(manifest)), blob_name(sha256(EMPTY_CONFIG)), *map(blob_name, digests)]
    return ["oci-layout", "index.json", *FOLDERS, *dict.fromkeys(names)]
