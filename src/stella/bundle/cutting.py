"""From files to a checked bundle file of a channel: what every slice that ships something signed goes through.

Rules:
- The same files and the same trust give the generation that is there already, not a new one.
- The finished file passes the importer's own checks under its temporary name; then the head is flipped; then the file
  is renamed. A failure before the flip leaves the channel as it was and no half file.
- The caller holds the lock of the channel.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from stella.bundle.assemble import Assembler, Known, SourceFile
from stella.bundle.channel import ChannelFolder
from stella.bundle.contents import chunks_of
from stella.bundle.errors import (
    ClockBehindChannel,
    DevelopmentKey,
    GenerationRetired,
    ProductionKeyMissing,
    ReleaseKeysMissing,
    SelfCheckFailed,
)
from stella.bundle.model import Blob, Generation, GenerationRecord, Mark, dump_lines
from stella.bundle.publish import (
    Cut,
    ReleaseKeys,
    cut_generation,
    given_production_key,
    is_trust,
    keep_record,
    write_file,
)
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.verify import Trust, verify_documents
from stella.kernel.canonical import convert, parse
from stella.kernel.digest import sha256
from stella.kernel.errors import Exit, StellaError
from stella.kernel.instant import Instant, format_time, parse_time
from stella.kernel.statement import Statement
from stella.operations import Context
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


def cut_files(
    ctx: Context, store: ChannelFolder, files: Sequence[SourceFile], created: str | None, *, renew: bool = False
) -> Cut | None:
    """A new generation over the files, which nothing points to yet; None when they say nothing new."""
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    policy = signers.parse(store.document(store.head().documents["signers.json"]))
    release = release_keys(ctx, store, policy, passphrase)
    dated = _created(ctx, store, created)
    newest = store.records()[-1:]
    known = Known(blob for record in newest for blob in store.blobs(record))
    workers = ctx.settings.mirror.workers or os.cpu_count() or 1
    with store.folder.batch():
        entries, blobs = Assembler(store.folder, known, workers, ctx.progress).run(files)
    if newest and not renew and _unchanged(store, newest[0], sha256(dump_lines(entries))):
        return None
    return cut_generation(ctx, store, entries, blobs, dated, release, policy, passphrase)


def _created(ctx: Context, store: ChannelFolder, wanted: str | None) -> Instant:
    given = parse_time(wanted) if wanted else ctx.settings.mirror.source_date_epoch
    created = given or ctx.clock.read().wall
    newest = store.records()[-1:]
    if newest and created < parse_time(newest[0].created):
        raise ClockBehindChannel(now=format_time(created), generation=newest[0].generation, created=newest[0].created)
    return created


def _unchanged(store: ChannelFolder, record: GenerationRecord, entries_digest: str) -> bool:
    trust = {title: digest for title, digest in record.documents.items() if is_trust(title)}
    return record.entries == entries_digest and trust == store.head().documents


def write_checked(
    ctx: Context,
    store: ChannelFolder,
    out: Path,
    record: GenerationRecord,
    blobs: Sequence[Blob],
    *,
    base: GenerationRecord | None = None,
    cut: Cut | None = None,
) -> str:
    """Write the bundle file of a generation and publish the one that was just cut; the sha256 of the file.

    `base` is what the file is thin against. Raises SelfCheckFailed, GenerationRetired, DiskFull, Unwritable.
    """
    packer = _packer(store, record, ctx.secret(ctx.settings.keys.passphrase))
    with replacing(out) as file:
        write_file(ctx, store, file, record, blobs, Mark(base.generation, base.root) if base else None, packer)
        digest = _self_check(ctx, store, file, record, base)
        if cut:
            file.sync()
            keep_record(store, cut)
            store.flip(cut.head)
    store.publish(flipped=cut is not None)
    return digest


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


def predicate_of(store: ChannelFolder, record: GenerationRecord) -> Generation:
    """The signed predicate of a generation."""
    statement = parse(store.document(record.documents["statement.json"]), Statement, "statement.json")
    return convert(statement.predicate, Generation, "release predicate")
