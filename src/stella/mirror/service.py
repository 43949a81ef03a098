"""The use case of a channel: cut a generation from sources and write its bundle, full or for a receipt.

Rules:
- One process at a time changes a channel; whoever comes second is told so at once.
- Every failure leaves the channel as it was and no half file: only the last step, the flip of the head, is seen by
  anybody.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from stella.bundle.channel import ChannelFolder
from stella.bundle.contents import Contents, sizes_of
from stella.bundle.cutting import cut_files, open_channel, predicate_of, write_checked
from stella.bundle.limits import MIB
from stella.bundle.model import Blob, GenerationRecord
from stella.bundle.publish import Cut
from stella.mirror import receipts
from stella.mirror.errors import NothingToMirror
from stella.mirror.model import BundleCreated, CreateBundle
from stella.mirror.sources import walk
from stella.mirror.thin import ThinPlanner
from stella.operations import Context


def create(ctx: Context, want: CreateBundle) -> BundleCreated:
    """Cut a generation when something is new, and write its bundle, full or for a receipt."""
    store = open_channel(ctx, want.dir)
    with store.folder.lock():
        store.publish()
        held = receipts.held_by(store, Path(want.receipt)) if want.receipt else None
        cut = cut_files(ctx, store, walk(want.source), want.created, renew=want.renew) if want.source else None
        record = cut.record if cut else _existing(store, want)
        base = held if held and held.generation < record.generation else None
        blobs = cut.blobs if cut else store.blobs(record)
        if base is not None:
            blobs = _thin(ctx, store, cut, record, base)
        digest = write_checked(ctx, store, Path(want.out), record, blobs, base=base, cut=cut)
    notes = _indexed(ctx, store)
    notes += (f"the site already holds generation {held.generation}: this bundle is full",) if held and not base else ()
    return _summary(store, want, record, blobs, base, digest, fresh=cut is not None, notes=notes)


def _indexed(ctx: Context, store: ChannelFolder) -> tuple[str, ...]:
    """Keep the index current where there is one; a note when that failed, since the generation itself is published."""
    if ctx.database is None:
        return ()
    from stella.mirror import index  # noqa: PLC0415  # the driver costs more than all else that a start needs

    return index.keep_current(ctx, store)


def _existing(store: ChannelFolder, want: CreateBundle) -> GenerationRecord:
    head = store.head().generation
    if want.generation is None and head is None:
        raise NothingToMirror(problem="the channel has no generation yet and no source is named")
    return store.record(want.generation or (head.generation if head else 0))


def _thin(
    ctx: Context, store: ChannelFolder, cut: Cut | None, record: GenerationRecord, base: GenerationRecord
) -> list[Blob]:
    entries = cut.entries if cut else store.entries(record)
    blobs = cut.blobs if cut else store.blobs(record)
    target = Contents(store.folder, blobs, sizes_of(entries))
    limit = ctx.settings.mirror.max_delta_mib * MIB
    with store.folder.batch():
        return ThinPlanner(store.folder, target, store.contents(base), limit).run(
            entries, store.entries(base), ctx.progress
        )


def _summary(
    store: ChannelFolder,
    want: CreateBundle,
    record: GenerationRecord,
    blobs: list[Blob],
    base: GenerationRecord | None,
    digest: str,
    *,
    fresh: bool,
    notes: tuple[str, ...],
) -> BundleCreated:
    generation = predicate_of(store, record)
    return BundleCreated(
        bundle=want.out,
        sha256=digest,
        channel=generation.channel,
        generation=record.generation,
        root=record.root,
        fresh=fresh,
        thin=base is not None,
        base=base.generation if base else None,
        created=record.created,
        files=record.files,
        content_bytes=record.content_bytes,
        bundle_bytes=Path(want.out).stat().st_size,
        categories=generation.categories,
        deltas=sum(blob.enc == "hdiff" for blob in blobs),
        signing=generation.signing,
        milestone=msgspec.json.decode(store.document(record.documents["milestone.json"])),
        notes=notes,
    )
