"""Requests and results of the object store.

Rules:
- No request names a tenant: the objects are those of whoever asks.
- A kind or digest of the wrong form is not refused here but by the store's handle, which tells the audit log.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.operations import arg

KIND = arg("What kind of thing it is, such as `sbom`.", positional=True, metavar="KIND")
DIGEST = arg("Its SHA-256, or its whole key.", "key", positional=True, metavar="DIGEST")


class PutObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of object.put."""

    kind: Annotated[str, KIND]
    file: Annotated[str, arg("File to keep.", "file_in", positional=True, metavar="FILE")]


class ObjectPut(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.object.put@1"):
    """Result of object.put: by what the object is found again."""

    kind: str
    digest: str
    size: int
    key: str


class GetObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of object.get."""

    kind: Annotated[str, KIND]
    digest: Annotated[str, DIGEST]
    out: Annotated[str, arg("File to write.", "file_out", metavar="FILE")]


class ObjectGot(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.object.get@1"):
    """Result of object.get: the file has the bytes of that digest."""

    kind: str
    digest: str
    size: int
    key: str
    out: str


class ListObjects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of object.list."""

    kind: Annotated[str | None, arg("Only objects of this kind.", metavar="KIND")] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")] = 50
    cursor: Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")] = None


class ObjectListed(msgspec.Struct, frozen=True):
    """An object that the tenant has."""

    kind: str
    digest: str
    size: int


class ObjectsListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.object.list@1"):
    """Result of object.list by kind and digest; `next` is the cursor of the page behind, None on the last one."""

    tenant: str
    rows: tuple[ObjectListed, ...]
    next: str | None


class ShowObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of object.show."""

    kind: Annotated[str, KIND]
    digest: Annotated[str, DIGEST]


class ObjectShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.object.show@1"):
    """Result of object.show. The bytes were not read: `size` is what the store says."""

    kind: str
    digest: str
    size: int
    key: str


class DeleteObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of object.delete."""

    kind: Annotated[str, KIND]
    digest: Annotated[str, DIGEST]


class ObjectDeleted(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.object.delete@1"):
    """Result of object.delete: the tenant has no such object now, whether it had one or not."""

    kind: str
    digest: str
    key: str
