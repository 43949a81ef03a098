"""What a bundle says of itself, without any proof: for showing and comparing, never for deciding.

Rules:
- Frames, limits and digests are enforced as always, so that a hostile file cannot cost more than its size.
- Nothing read here may be imported, run or trusted; that is what `verify` is for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from stella.bundle.codec import decompress
from stella.bundle.contents import sizes_of
from stella.bundle.errors import LayoutMismatch, OverLimit
from stella.bundle.limits import MAX_LIST, WHOLE
from stella.bundle.model import (
    Blob,
    Entry,
    Generation,
    ListForm,
    Mark,
    PackerStatement,
    parse_blobs,
    parse_entries,
)
from stella.bundle.reader import BundleFile
from stella.kernel import dsse
from stella.kernel.canonical import convert, parse
from stella.kernel.statement import Statement


@dataclass(frozen=True)
class Claims:
    """The documents of a bundle, parsed but not verified."""

    generation: Generation
    base: Mark | None
    entries: list[Entry]
    blobs: list[Blob]


def _payload(bundle: BundleFile, title: str) -> bytes:
    envelope = parse(bundle.document(title), dsse.Envelope, title)
    try:
        return base64.b64decode(envelope.payload)
    except (binascii.Error, ValueError):
        raise LayoutMismatch(what=title, problem="its payload is not base64") from None


def _lines(bundle: BundleFile, title: str, form: ListForm) -> bytes:
    if form.size > MAX_LIST:
        raise OverLimit(what=f"size of `{title}`", found=form.size, limit=MAX_LIST)
    return decompress(form.blob, bundle.document(title), form.size)


def read_claims(bundle: BundleFile) -> Claims:
    """Parse the statement, the packer's statement and the lists; raises what parsing raises."""
    statement = parse(_payload(bundle, "bundle.dsse.json"), Statement, "release statement")
    generation = convert(statement.predicate, Generation, "release predicate")
    packer = parse(_payload(bundle, "packer.dsse.json"), PackerStatement, "packer statement")
    entries = parse_entries(_lines(bundle, "entries.ndjson.zst", packer.entries))
    blobs = parse_blobs(_lines(bundle, "stored.ndjson.zst", packer.stored))
    return Claims(generation, packer.base, entries, blobs)


def small_contents(bundle: BundleFile, claims: Claims, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Bytes of the wanted contents that are in the file as raw or zstd blobs of at most WHOLE bytes, digest first.

    Deltas are left out: their bytes need the base.
    """
    sizes = sizes_of(claims.entries)
    for blob in claims.blobs:
        total = sum(sizes.get(digest, 0) for digest in blob.holds)
        if blob.enc == "hdiff" or total > WHOLE or blob.size > WHOLE or wanted.isdisjoint(blob.holds):
            continue
        stored = bundle.blob(blob.blob)
        data = stored if blob.enc == "raw" else decompress(blob.blob, stored, total)
        at = 0
        for digest in blob.holds:
            if digest in wanted:
                yield digest, data[at : at + sizes[digest]]
            at += sizes.get(digest, 0)
