"""Use cases of a channel: lay it, cut a generation and write its bundle, rotate keys.

Rules:
- One process at a time changes a channel; whoever comes second is told so at once.
- Every failure leaves the channel as it was and no half file: only the last step, the flip of the head, is seen by
  anybody.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from stella.bundle.contents import Contents, chunks_of, sizes_of
from stella.bundle.errors import DevelopmentKey
from stella.bundle.limits import MIB
from stella.bundle.model import Blob, Generation, Mark, dump_lines
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.verify import Trust, verify_documents
from stella.kernel.canonical import convert, parse
from stella.kernel.digest import sha256
from stella.kernel.errors import Exit, StellaError
from stella.kernel.instant import Instant, format_time, parse_time
from stella.kernel.statement import Statement
from stella.mirror import receipts
from stella.mirror.assemble import Assembler, Known
from stella.mirror.channel import ChannelFolder
from stella.mirror.errors import (
    ClockBehindChannel,
    GenerationRetired,
    NothingToMirror,
    ProductionKeyMissing,
    ReleaseKeysMissing,
    SelfCheckFailed,
)
from stella.mirror.model import BundleCreated, CreateBundle, GenerationRecord
from stella.mirror.publish import (
    Cut,
    ReleaseKeys,
    cut_generation,
    given_production_key,
    is_trust,
    keep_record,
    write_file,
)
from stella.mirror.sources import walk
from stella.mirror.thin import ThinPlanner
from stella.operations import Context, no_database
from stella.runtime.files import Replacement, open_file, replacing
from stella.signing import signers, tuf_client, tuf_repository
from stella.signing.keys import PrivateKey
from stella.signing.signers import SignerPolicy


def open_channel(ctx: Context, path: str) -> ChannelFolder:
    """The channel in a folder or a bucket; raises NoChannel."""
    store = ChannelFolder(ctx.folder(path), path)
    store.channel()
    return store


def release_keys(ctx: Context, store: ChannelFolder, policy: SignerPolicy, passphrase: bytes) -> ReleaseKeys:
    """Keys that will sign a generation.

    Raises ReleaseKeysMissing, or ProductionKeyMissing when production signing is required and impossible.
    """
    required = ctx.settings.mirror.require_prod_signing
    known = {key.keyid: key for key in policy.release.keys}
    chosen: list[PrivateKey] = []
    given = given_production_key(ctx)
    if given is not None:
        if given.keyid not in known:
            raise ProductionKeyMissing(
                problem=f"the key {given.keyid[:12]} is not in the signer policy of this channel"
            )
        chosen.append(given)
    for key in policy.release.keys:
        if len(chosen) < policy.release.threshold and store.has_key("release", key.keyid):
            chosen.append(store.key("release", key.keyid, passphrase))
    if len(chosen) < policy.release.threshold:
        raise ReleaseKeysMissing(found=len(chosen), threshold=policy.release.threshold)
    development = any(known[key.keyid].development for key in chosen)
    if required and development:
        raise ProductionKeyMissing(problem="the threshold can only be met with a development key")
    return ReleaseKeys(chosen, development)


def create(ctx: Context, want: CreateBundle) -> BundleCreated:
    """Cut a generation when something is new, and write its bundle, full or for a receipt."""
    store = open_channel(ctx, want.dir)
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    with store.folder.lock():
        store.publish()
        held = receipts.held_by(store, Path(want.receipt)) if want.receipt else None
        cut = _cut(ctx, store, want, passphrase)
        record = cut.record if cut else _existing(store, want)
        packer = _packer(store, record, passphrase)
        base = held if held and held.generation < record.generation else None
        blobs = cut.blobs if cut else store.blobs(record)
        if base is not None:
            blobs = _thin(ctx, store, cut, record, base)
        with replacing(Path(want.out)) as file:
            write_file(ctx, store, file, record, blobs, Mark(base.generation, base.root) if base else None, packer)
            digest = _self_check(ctx, store, file, record, base)
            if cut:
                file.sync()
                keep_record(store, cut)
                store.flip(cut.head)
        store.publish(flipped=cut is not None)
    notes = _indexed(ctx, store)
    notes += (f"the site already holds generation {held.generation}: this bundle is full",) if held and not base else ()
    return _summary(store, want, record, blobs, base, digest, fresh=cut is not None, notes=notes)


def _indexed(ctx: Context, store: ChannelFolder) -> tuple[str, ...]:
    """Keep the index current where there is one; a note when that failed, since the generation itself is published."""
    if ctx.database is no_database:
        return ()
    from stella.mirror import index  # noqa: PLC0415  # the driver costs more than all else that a start needs

    return index.keep_current(ctx, store)


def _created(ctx: Context, store: ChannelFolder, want: CreateBundle) -> Instant:
    given = parse_time(want.created) if want.created else ctx.settings.mirror.source_date_epoch
    created = given or ctx.clock.read().wall
    newest = store.records()[-1:]
    if newest and created < parse_time(newest[0].created):
        raise ClockBehindChannel(now=format_time(created), generation=newest[0].generation, created=newest[0].created)
    return created


def _cut(ctx: Context, store: ChannelFolder, want: CreateBundle, passphrase: bytes) -> Cut | None:
    """A new generation, or None when the sources say nothing new or there are none."""
    if not want.source:
        return None
    policy = signers.parse(store.document(store.head().documents["signers.json"]))
    release = release_keys(ctx, store, policy, passphrase)
    created = _created(ctx, store, want)
    files = walk(want.source)
    newest = store.records()[-1:]
    known = Known(blob for record in newest for blob in store.blobs(record))
    workers = ctx.settings.mirror.workers or os.cpu_count() or 1
    with store.folder.batch():
        entries, blobs = Assembler(store.folder, known, workers, ctx.progress).run(files)
    if newest and not want.renew and _unchanged(store, newest[0], sha256(dump_lines(entries))):
        return None
    return cut_generation(ctx, store, entries, blobs, created, release, policy, passphrase)


def _unchanged(store: ChannelFolder, record: GenerationRecord, entries_digest: str) -> bool:
    trust = {title: digest for title, digest in record.documents.items() if is_trust(title)}
    return record.entries == entries_digest and trust == store.head().documents


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


def _packer(store: ChannelFolder, record: GenerationRecord, passphrase: bytes) -> PrivateKey:
    """The packer key that the generation's own policy names; raises GenerationRetired after it was rotated away."""
    policy = signers.parse(store.document(record.documents["signers.json"]))
    keyid = policy.packer.keys[0].keyid
    if not store.has_key("packer", keyid):
        raise GenerationRetired(generation=record.generation)
    return store.key("packer", keyid, passphrase)


def trust_of(store: ChannelFolder, record: GenerationRecord) -> Trust:
    """The trust of a site that holds the channel's trust folder of the time of a generation."""
    channel = store.channel()
    documents = {title: digest for title, digest in record.documents.items() if title.startswith("tuf/")}
    metadata = {title.removeprefix("tuf/"): store.document(digest) for title, digest in documents.items()}
    return Trust(channel.channel, channel.channel_id, tuf_client.Trusted(root=tuf_repository.newest_root(metadata)))


def _self_check(
    ctx: Context, store: ChannelFolder, file: Replacement, record: GenerationRecord, base: GenerationRecord | None
) -> str:
    """Run the importer's checks over the finished file; returns its sha256."""
    try:
        with BundleFile.open(file.path) as bundle:
            genuine = verify_documents(bundle, trust_of(store, record))
            contents = store.contents(base) if base else None
            check_blobs(bundle, genuine.blobs, genuine.sizes, frozenset(contents.sizes) if contents else frozenset())
            Receiver(bundle, genuine.sizes, None, contents).run(genuine.blobs, ctx.progress)
    except StellaError as problem:
        if problem.exit is Exit.TRANSIENT:
            raise
        raise SelfCheckFailed(problem=str(problem)) from problem
    if genuine.generation.generation != record.generation or genuine.generation.root != record.root:
        raise SelfCheckFailed(problem="it carries another generation")
    if ctx.settings.mirror.require_prod_signing and genuine.generation.signing != "production":
        raise DevelopmentKey
    hasher = hashlib.sha256()
    for chunk in chunks_of(open_file(file.path)):
        hasher.update(chunk)
    return hasher.hexdigest()


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


def predicate_of(store: ChannelFolder, record: GenerationRecord) -> Generation:
    """The signed predicate of a generation."""
    statement = parse(store.document(record.documents["statement.json"]), Statement, "statement.json")
    return convert(statement.predicate, Generation, "release predicate")
