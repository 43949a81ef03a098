"""Keeping, reading, listing and deleting the objects of a tenant.

Rules:
- Everything goes through the handle of the principal's tenant, which takes no name of another one.
- Files are streamed: memory does not grow with them. No file appears before the digest of all of it was checked.
- Errors name an object by its key: where the installation keeps its objects is no tenant's to know.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from stella.kernel.blob_key import prefix_of, show_key
from stella.kernel.cursor import cut_page, read_cursor
from stella.kernel.errors import BadBlobKey, BadCursor, StellaError
from stella.objects.errors import NoObject
from stella.objects.model import (
    DeleteObject,
    GetObject,
    ListObjects,
    ObjectDeleted,
    ObjectGot,
    ObjectListed,
    ObjectPut,
    ObjectShown,
    ObjectsListed,
    PutObject,
    ShowObject,
)
from stella.operations import Context
from stella.runtime.errors import ObjectMissing
from stella.runtime.files import PIECE, open_file, reading, replacing
from stella.runtime.places import BUCKET
from stella.runtime.ports import Blobs
from stella.runtime.tenant_blobs import MAX_PAGE


class Watched:
    """A file that says how far it was read, and whose errors name it."""

    def __init__(self, file: BinaryIO, path: Path, advance: Callable[[int], None]) -> None:
        self._file = file
        self._path = path
        self._advance = advance
        self.size = 0

    def read(self, size: int) -> bytes:
        """The next bytes; empty at the end."""
        with reading(self._path):
            piece = self._file.read(size)
        self._advance(len(piece))
        self.size += len(piece)
        return piece


def put(ctx: Context, want: PutObject) -> ObjectPut:
    """Keep a file."""
    path = Path(want.file)
    with _by_key(ctx), open_file(path) as file:
        blobs = ctx.blobs()
        ctx.progress.start("put", os.fstat(file.fileno()).st_size, "bytes")
        watched = Watched(file, path, ctx.progress.advance)
        digest = blobs.put(want.kind, cast("BinaryIO", watched))
        return ObjectPut(kind=want.kind, digest=digest, size=watched.size, key=blobs.key(want.kind, digest))


def get(ctx: Context, want: GetObject) -> ObjectGot:
    """Write an object to a file."""
    size = 0
    with _by_key(ctx):
        blobs = ctx.blobs()
        digest = _digest(ctx, blobs, "get", want.kind, want.digest)
        with _there(blobs, want.kind, digest):
            held = blobs.open(want.kind, digest)
        with held as file, replacing(Path(want.out)) as out:
            ctx.progress.start("get", file.seek(0, os.SEEK_END), "bytes")
            file.seek(0)
            while piece := file.read(PIECE):
                size += out.write(piece)
                ctx.progress.advance(len(piece))
        key = blobs.key(want.kind, digest)
    return ObjectGot(kind=want.kind, digest=digest, size=size, key=key, out=want.out)


def list_objects(ctx: Context, want: ListObjects) -> ObjectsListed:
    """A page of the objects of the tenant."""
    tenant = ctx.principal.tenant
    query = ("object.list", tenant, want.kind)
    with _by_key(ctx):
        kind, after = _position(ctx, want, query)
        if want.kind is None:
            found = _of_all(ctx.blobs(), kind, after, want.limit)
        else:
            found = _of_kind(ctx.blobs(), want.kind, after, want.limit)
        rows = list(itertools.islice(found, want.limit + 1))
    page, following = cut_page(rows, want.limit, query, lambda row: (row.kind, row.digest))
    return ObjectsListed(tenant=tenant, rows=tuple(page), next=following)


def _position(ctx: Context, want: ListObjects, query: tuple[object, ...]) -> tuple[str, str]:
    """Kind and digest that a page begins behind; raises BadCursor, and tells of one that is not this tenant's."""
    if want.cursor is None:
        return "", ""
    try:
        return read_cursor(want.cursor, query, tuple[str, str])
    except BadCursor:
        ctx.refused(ctx.principal, "list", show_key(f"{prefix_of(ctx.principal.tenant)}/{want.kind or ''}"))
        raise


def _of_kind(blobs: Blobs, kind: str, after: str, limit: int) -> Iterator[ObjectListed]:
    """Objects of a kind behind a digest, asked for in pages."""
    wanted = min(limit + 1, MAX_PAGE)
    page = blobs.list(kind, after, wanted)
    yield from (ObjectListed(kind, held.digest, held.size) for held in page)
    if len(page) == wanted:
        yield from _of_kind(blobs, kind, page[-1].digest, limit)


def _of_all(blobs: Blobs, kind: str, after: str, limit: int) -> Iterator[ObjectListed]:
    """Objects of every kind, from the one behind a digest of `kind` on."""
    if kind:
        yield from _of_kind(blobs, kind, after, limit)
    for later in blobs.kinds(kind):
        yield from _of_kind(blobs, later, "", limit)


def show(ctx: Context, want: ShowObject) -> ObjectShown:
    """Size and key of an object."""
    with _by_key(ctx):
        blobs = ctx.blobs()
        digest = _digest(ctx, blobs, "show", want.kind, want.digest)
        with _there(blobs, want.kind, digest):
            size = blobs.size(want.kind, digest)
        return ObjectShown(kind=want.kind, digest=digest, size=size, key=blobs.key(want.kind, digest))


def delete(ctx: Context, want: DeleteObject) -> ObjectDeleted:
    """Delete an object."""
    with _by_key(ctx):
        blobs = ctx.blobs()
        digest = _digest(ctx, blobs, "delete", want.kind, want.digest)
        blobs.delete(want.kind, digest)
        return ObjectDeleted(kind=want.kind, digest=digest, key=blobs.key(want.kind, digest))


def _digest(ctx: Context, blobs: Blobs, tried: str, kind: str, text: str) -> str:
    """The digest in what was typed; a whole key is resolved. Raises BadBlobKey or ForeignBlob."""
    if "/" not in text:
        return text
    found, digest = blobs.resolve(text)
    if found != kind:
        ctx.refused(ctx.principal, tried, show_key(text))
        raise BadBlobKey(key=show_key(text), problem=f"its kind is not {show_key(kind)}")
    return digest


@contextlib.contextmanager
def _there(blobs: Blobs, kind: str, digest: str) -> Iterator[None]:
    try:
        yield
    except ObjectMissing:
        raise NoObject(tenant=blobs.tenant, kind=kind, digest=digest) from None


@contextlib.contextmanager
def _by_key(ctx: Context) -> Iterator[None]:
    """Let errors of the block name what is in the store by its key."""
    top = ctx.objects if ctx.objects.startswith(BUCKET) else str(Path(ctx.objects))
    try:
        yield
    except StellaError as error:
        error.facts = {
            name: str(value).replace(f"{top}/", "") if isinstance(value, str | Path) else value
            for name, value in error.facts.items()
        }
        raise
