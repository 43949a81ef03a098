"""Cuts generations: from signed root to head, in one order that a kill cannot break.

Rules:
- Proof of time first, then the statement that names it, then TUF, then the milestone; the packer signs each file by
  itself.
- The finished file passes the importer's own checks under its temporary name; then the head is flipped; then the file
  is renamed. A kill before the flip leaves the channel as it was; after it, the next run writes the same generation
  again.
- The same content and the same trust give the same generation again, not a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import msgspec

from stella import __version__
from stella.bundle.channel import ChannelFolder
from stella.bundle.codec import compress
from stella.bundle.contents import blob_key
from stella.bundle.errors import ProductionKeyMissing
from stella.bundle.model import (
    PACKER_TYPE,
    PREDICATE_TYPE,
    AnchorRef,
    Blob,
    Entry,
    Generation,
    GenerationRecord,
    Head,
    ListForm,
    Mark,
    PackerStatement,
    dump_lines,
    members_of,
    root_of_lines,
    tally,
)
from stella.bundle.verify import SIGNERS_TARGET, generation_target, milestone_of, subject_name
from stella.bundle.writer import write_bundle
from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time, parse_duration
from stella.kernel.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject
from stella.operations import Context
from stella.runtime.errors import SecretMissing
from stella.runtime.ports import Writer
from stella.signing import anchor, authority, tuf_repository
from stella.signing.keys import PrivateKey, production_key
from stella.signing.signers import SignerPolicy

INTERNAL = ("statement.json",)  # kept with a generation, and inside its envelope on the way


@dataclass(frozen=True)
class Cut:
    """A generation ready to be published: its record and the head that publishes it."""

    record: GenerationRecord
    head: Head
    entries: list[Entry]
    blobs: list[Blob]


@dataclass(frozen=True)
class ReleaseKeys:
    """Keys that sign a generation, and whether one of them is a development key."""

    keys: Sequence[PrivateKey]
    development: bool


def given_production_key(ctx: Context) -> PrivateKey | None:
    """The production key, or None when there is none and none is required; raises ProductionKeyMissing."""
    try:
        return production_key(ctx.secret(ctx.settings.mirror.sign_key))
    except SecretMissing:
        if ctx.settings.mirror.require_prod_signing:
            raise ProductionKeyMissing(problem="there is no production key") from None
        return None


def cut_generation(
    ctx: Context,
    store: ChannelFolder,
    entries: list[Entry],
    blobs: list[Blob],
    created: Instant,
    release: ReleaseKeys,
    policy: SignerPolicy,
    passphrase: bytes,
) -> Cut:
    """Sign a new generation over `entries`; the store then holds all of it, and nothing points to it yet."""
    head = store.head()
    entries_data = dump_lines(entries)
    root = root_of_lines(entries_data)
    number = (head.generation.generation if head.generation else 0) + 1
    token = _token(ctx, store, policy, bytes.fromhex(root), created, passphrase)
    proved = anchor.verify(token, bytes.fromhex(root), policy.anchors)
    generation = Generation(
        channel=policy.channel,
        channel_id=policy.channel_id,
        generation=number,
        previous=head.generation,
        created=format_time(created),
        source_clock=format_time(created),
        valid_for_s=parse_duration(ctx.settings.mirror.valid_for),
        root=root,
        entries_digest=sha256(entries_data),
        entries_size=len(entries_data),
        files=len(entries),
        content_bytes=sum(entry.size for entry in entries),
        categories=tally(entries),
        anchors=(AnchorRef(digest=sha256(token), format="rfc3161-v1", time=format_time(proved)),),
        signing="development" if release.development else "production",
        producer=f"stella/{__version__}",
        tool_versions={name: version(name) for name in ("hdiffpatch", "zstandard")},
    )
    statement = dump(
        Statement(
            type=STATEMENT_TYPE,
            subject=(Subject(name=subject_name(generation), digest={"sha256": root}),),
            predicate_type=PREDICATE_TYPE,
            predicate=msgspec.to_builtins(generation),
        )
    )
    envelope = dsse.sign(PAYLOAD_TYPE, statement, release.keys)
    signers_data = store.document(head.documents["signers.json"])
    tuf = _tuf(
        ctx, store, head, {SIGNERS_TARGET: signers_data, generation_target(number): statement}, created, passphrase
    )
    documents = {
        "bundle.dsse.json": envelope,
        "milestone.json": dump(milestone_of(generation, statement, envelope)),
        "anchor.tsr": token,
        "time-anchor.json": anchor.time_anchor_json(proved, sha256(token)),
        "signers.json": signers_data,
        "statement.json": statement,
        **tuf,
    }
    record = GenerationRecord(
        generation=number,
        root=root,
        created=generation.created,
        files=generation.files,
        content_bytes=generation.content_bytes,
        documents={title: store.keep(data) for title, data in sorted(documents.items())},
        entries=store.keep(entries_data),
        stored=store.keep(dump_lines(blobs)),
    )
    trust = {title: digest for title, digest in record.documents.items() if is_trust(title)}
    return Cut(record, msgspec.structs.replace(head, generation=Mark(number, root), documents=trust), entries, blobs)


def is_trust(title: str) -> bool:
    """Whether a document belongs to the channel's trust and not to one generation."""
    return title == "signers.json" or title.startswith("tuf/")


def _token(
    ctx: Context, store: ChannelFolder, policy: SignerPolicy, root: bytes, created: Instant, passphrase: bytes
) -> bytes:
    if ctx.settings.mirror.tsa_url:
        return anchor.fetch(ctx.settings.mirror.tsa_url, root, ctx.entropy(8))
    key, certificate = store.authority(policy.anchors[-1].name, passphrase)
    return authority.issue(root, created, key, certificate)


def _tuf(
    ctx: Context, store: ChannelFolder, head: Head, targets: Mapping[str, bytes], now: Instant, passphrase: bytes
) -> dict[str, bytes]:
    state = {
        title.removeprefix("tuf/"): store.document(digest)
        for title, digest in head.documents.items()
        if title.startswith("tuf/")
    }
    made = tuf_repository.publish(state, targets, store.online_keys(state, passphrase), now, expiries(ctx))
    return {f"tuf/{name}": data for name, data in made.items()}


def expiries(ctx: Context) -> tuf_repository.Expiries:
    """Lives of the TUF roles, from the settings."""
    mirror = ctx.settings.mirror
    return tuf_repository.Expiries(
        root=parse_duration(mirror.root_expiry),
        targets=parse_duration(mirror.targets_expiry),
        snapshot=parse_duration(mirror.snapshot_expiry),
        timestamp=parse_duration(mirror.timestamp_expiry),
    )


def keep_record(store: ChannelFolder, cut: Cut) -> None:
    """Write the record that the head will point to."""
    store.folder.write(f"generations/{cut.record.generation:08d}.json", dump(cut.record))


def write_file(
    ctx: Context,
    store: ChannelFolder,
    file: Writer,
    record: GenerationRecord,
    blobs: Sequence[Blob],
    base: Mark | None,
    packer: PrivateKey,
) -> None:
    """Write a bundle file of a generation: `blobs` is what it carries, `base` what it is thin against."""
    channel = store.channel()
    entries_data = store.document(record.entries)
    entries_form, entries_blob = _list_form(entries_data)
    stored_form, stored_blob = _list_form(dump_lines(blobs))
    packed = PackerStatement(
        base=base,
        channel_id=channel.channel_id,
        entries=entries_form,
        generation=record.generation,
        root=record.root,
        stored=stored_form,
    )
    documents = {title: data for title, data in store.documents(record.documents).items() if title not in INTERNAL} | {
        "packer.dsse.json": dsse.sign(PACKER_TYPE, dump(packed), [packer]),
        "entries.ndjson.zst": entries_blob,
        "stored.ndjson.zst": stored_blob,
    }
    write_bundle(
        file,
        documents,
        list(members_of(blobs).items()),
        lambda digest: store.folder.open(blob_key(digest)),
        ctx.progress,
    )


def _list_form(lines: bytes) -> tuple[ListForm, bytes]:
    blob = compress(lines)
    return ListForm(blob=sha256(blob), digest=sha256(lines), size=len(lines), stored_size=len(blob)), blob
