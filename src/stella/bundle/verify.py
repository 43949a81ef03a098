"""The one verifier: what the assembler checks before it publishes and a site before it imports.

Rules, in this order, cheapest and most trusted first:
- The file's frame (`BundleFile.open`), then the channel it claims, then the TUF root chain and the metadata below it.
- The signer policy is a TUF target; the release statement is signed by its release keys and is a TUF target as well.
- The packer's envelope is verified before anything is decompressed or patched.
- The proof of time is bound by its digest in the statement and dates the bundle; only then expiry and age are judged.
- Entry lists: digest, canonical form, paths, Merkle root. Contents are `receive`'s part.
- No step reads a clock or a network, and none trusts a name, a header or a key id.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from stella.bundle.codec import decompress
from stella.bundle.errors import (
    ClockBehind,
    DevelopmentKey,
    DigestMismatch,
    Expired,
    LayoutMismatch,
    MixAndMatch,
    OverLimit,
    RootMismatch,
    Stale,
    WrongChannel,
)
from stella.bundle.limits import MAX_DOCUMENT, MAX_LIST
from stella.bundle.model import (
    PACKER_TYPE,
    PREDICATE_TYPE,
    Blob,
    Entry,
    Generation,
    ListForm,
    Milestone,
    PackerStatement,
    TrustFolder,
    parse_blobs,
    parse_entries,
    root_of_lines,
    tally,
)
from stella.bundle.reader import BundleFile
from stella.kernel.canonical import convert, dump, load, parse
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, Seconds, TrustedTime, format_duration, format_time, parse_time
from stella.kernel.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement
from stella.runtime.ports import Folder
from stella.signing import anchor, signers, tuf_client
from stella.signing.errors import AnchorInvalid

MAX_ANCHOR_SKEW: Seconds = 86_400  # a proof of time is made with the bundle; a day allows for a slow outside authority
STALE_TOLERANCE: Seconds = 5  # clocks of vendor and site may differ by this much
SIGNERS_TARGET = "signers.json"


def generation_target(generation: int) -> str:
    """TUF target path of a generation's statement."""
    return f"generations/{generation:08d}.json"


@dataclass(frozen=True)
class Trust:
    """What a verifier trusts before it opens a bundle; metadata bytes are None where nothing was seen yet."""

    channel: str
    channel_id: str
    tuf: tuf_client.Trusted


def trust_folder(folder: Folder) -> Trust:
    """The trust in a folder that was handed over out of band."""
    named = parse(folder.read("channel.json", MAX_DOCUMENT), TrustFolder, "channel.json")
    root = folder.read("root.json", MAX_DOCUMENT)
    tuf_client.check_root(root)
    return Trust(named.channel, named.channel_id, tuf_client.Trusted(root=root))


@dataclass(frozen=True)
class Genuine:
    """A bundle whose documents are all signed by whom they should be; time and contents are not judged yet."""

    generation: Generation
    statement: bytes
    packer: PackerStatement
    policy: signers.SignerPolicy
    update: tuf_client.Update
    keyids: tuple[str, ...]
    anchored: Instant
    entries: list[Entry]
    entries_data: bytes
    blobs: list[Blob]
    checks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sizes(self) -> dict[str, int]:
        """Content size by content digest."""
        return {entry.digest: entry.size for entry in self.entries}


def verify_documents(bundle: BundleFile, trust: Trust) -> Genuine:
    """Check every signed document of a bundle; raises the classes of bundle, signing and kernel errors."""
    checks: list[tuple[str, str]] = [
        ("file", f"{len(bundle.documents)} documents, {len(bundle.blobs)} data blobs, nothing else")
    ]
    _check_claim(bundle, trust)
    offered = {
        title.removeprefix("tuf/"): bundle.document(title) for title in bundle.documents if title.startswith("tuf/")
    }
    update = tuf_client.verify_update(trust.tuf, offered)
    new = f", {len(update.new_roots)} new" if update.new_roots else ""
    checks.append(("trust", f"TUF root {update.root_version}{new}, targets {update.targets_version}"))
    policy_data = bundle.document("signers.json")
    tuf_client.check_target(update, SIGNERS_TARGET, policy_data)
    policy = signers.parse(policy_data)
    if policy.channel_id != trust.channel_id:
        raise WrongChannel(found=policy.channel, expected=trust.channel)
    generation, statement, signed = _release(bundle, policy, update)
    checks.append(
        (
            "signature",
            f"{len(signed.keyids)} of {policy.release.threshold} required release signatures ({generation.signing})",
        )
    )
    packer_payload = signers.verify_packer(
        policy, bundle.document("packer.dsse.json"), PACKER_TYPE, "packer envelope"
    ).payload
    packer = load(packer_payload, PackerStatement, "packer statement")
    if (packer.channel_id, packer.generation, packer.root) != (
        generation.channel_id,
        generation.generation,
        generation.root,
    ):
        raise MixAndMatch(what="packer envelope", problem=f"it names generation {packer.generation} with another root")
    checks.append(("stored forms", "signed by the packer key before anything is unpacked"))
    anchored = _anchor(bundle, generation, policy)
    checks.append(("proof of time", f"{format_time(anchored)}, RFC 3161 over the root"))
    _check_milestone(bundle, generation, statement)
    entries_data = _list(bundle, "entries.ndjson.zst", packer.entries)
    entries = parse_entries(entries_data)
    _check_entries(generation, entries, entries_data)
    checks.append(("content root", f"{generation.root[:16]}... over {len(entries)} entries"))
    blobs = parse_blobs(_list(bundle, "stored.ndjson.zst", packer.stored))
    if packer.base is None and any(blob.enc == "hdiff" for blob in blobs):
        raise LayoutMismatch(what="list of stored forms", problem="it has a delta, but the packer names no base")
    return Genuine(
        generation, statement, packer, policy, update, signed.keyids, anchored, entries, entries_data, blobs, checks
    )


class _Claim(msgspec.Struct):
    channel: str
    channel_id: str


def _check_claim(bundle: BundleFile, trust: Trust) -> None:
    """Name a foreign channel as such.

    The claim is unsigned yet, so it can only make the answer clearer, never accept.
    """
    claim = parse(bundle.document("signers.json"), _Claim, "signers.json")
    if claim.channel_id != trust.channel_id:
        raise WrongChannel(found=ascii(claim.channel)[1:-1][:64], expected=trust.channel)


def _release(
    bundle: BundleFile, policy: signers.SignerPolicy, update: tuf_client.Update
) -> tuple[Generation, bytes, signers.Signed]:
    envelope = bundle.document("bundle.dsse.json")
    signed = signers.verify_release(policy, envelope, PAYLOAD_TYPE, "release statement")
    statement = load(signed.payload, Statement, "release statement")
    if statement.type != STATEMENT_TYPE or statement.predicate_type != PREDICATE_TYPE or len(statement.subject) != 1:
        raise LayoutMismatch(what="release statement", problem="it is a statement of another kind")
    generation = convert(statement.predicate, Generation, "release predicate")
    subject = statement.subject[0]
    if (subject.name, subject.digest) != (subject_name(generation), {"sha256": generation.root}):
        raise MixAndMatch(what="release statement", problem="its subject is another root")
    if generation.channel_id != policy.channel_id or generation.channel != policy.channel:
        raise WrongChannel(found=generation.channel, expected=policy.channel)
    tuf_client.check_target(update, generation_target(generation.generation), signed.payload)
    if signed.development and generation.signing != "development":
        raise DevelopmentKey
    return generation, signed.payload, signed


def subject_name(generation: Generation) -> str:
    """Name of the in-toto subject of a generation."""
    return f"{generation.channel}@{generation.generation}"


def _anchor(bundle: BundleFile, generation: Generation, policy: signers.SignerPolicy) -> Instant:
    token = bundle.document("anchor.tsr")
    if len(generation.anchors) != 1:
        raise LayoutMismatch(what="release statement", problem="it does not name exactly one proof of time")
    named = generation.anchors[0]
    if sha256(token) != named.digest:
        raise MixAndMatch(what="anchor.tsr", problem="it is not the proof of time that the statement names")
    proved = anchor.verify(token, bytes.fromhex(generation.root), policy.anchors)
    created = parse_time(generation.created)
    if format_time(proved) != named.time or abs(proved - created) > MAX_ANCHOR_SKEW:
        raise AnchorInvalid(problem=f"it proves {format_time(proved)} for a bundle dated {generation.created}")
    if bundle.document("time-anchor.json") != anchor.time_anchor_json(proved, named.digest):
        raise MixAndMatch(what="time-anchor.json", problem="it does not describe the proof of time")
    return proved


def milestone_of(generation: Generation, statement: bytes, envelope: bytes) -> Milestone:
    """The milestone that belongs to a signed generation."""
    return Milestone(
        channel=generation.channel,
        channel_id=generation.channel_id,
        generation=generation.generation,
        root=generation.root,
        manifest=sha256(statement),
        dsse=sha256(envelope),
        anchors=tuple(anchor_ref.digest for anchor_ref in generation.anchors),
    )


def _check_milestone(bundle: BundleFile, generation: Generation, statement: bytes) -> None:
    if bundle.document("milestone.json") != dump(
        milestone_of(generation, statement, bundle.document("bundle.dsse.json"))
    ):
        raise MixAndMatch(what="milestone.json", problem="it summarises another generation")


def _list(bundle: BundleFile, title: str, form: ListForm) -> bytes:
    if max(form.size, form.stored_size) > MAX_LIST:
        raise OverLimit(what=f"size of `{title}`", found=max(form.size, form.stored_size), limit=MAX_LIST)
    data = bundle.document(title)
    if sha256(data) != form.blob or len(data) != form.stored_size:
        raise MixAndMatch(what=f"`{title}`", problem="it is not the one that the packer signed")
    lines = decompress(form.blob, data, form.size)
    if sha256(lines) != form.digest:
        raise DigestMismatch(what=f"`{title}`", found=sha256(lines), expected=form.digest)
    return lines


def _check_entries(generation: Generation, entries: list[Entry], data: bytes) -> None:
    root = root_of_lines(data)
    if root != generation.root:
        raise RootMismatch(found=root, expected=generation.root)
    facts = (sha256(data), len(data), len(entries), sum(entry.size for entry in entries), tally(entries))
    signed = (
        generation.entries_digest,
        generation.entries_size,
        generation.files,
        generation.content_bytes,
        generation.categories,
    )
    if facts != signed:
        raise MixAndMatch(what="entry list", problem="its counts or digest are not the ones that were signed")
    by_digest: dict[str, int] = {}
    for entry in entries:
        if by_digest.setdefault(entry.digest, entry.size) != entry.size:
            raise LayoutMismatch(what=f"entry `{entry.path}`", problem="two sizes for one digest")


def judge_time(genuine: Genuine, time: TrustedTime) -> None:
    """Judge expiry and age at trusted time; raises Expired, Stale or ClockBehind."""
    generation = genuine.generation
    role, expiry = genuine.update.expiry
    limits: list[tuple[str, Instant, Instant | None]] = [(f"TUF {role}", expiry, None)]
    created = parse_time(generation.created)
    limits.append(("bundle", created + generation.valid_for_s + STALE_TOLERANCE, created))
    for what, end, begin in limits:
        if time.now < end:
            continue
        if time.state == "clock_behind" and time.local < end:
            raise ClockBehind(
                what=what, local=format_time(time.local), now=format_time(time.now), expiry=format_time(end)
            )
        if begin is not None:
            raise Stale(age=format_duration(time.now - begin), limit=format_duration(generation.valid_for_s))
        raise Expired(what=what, expiry=format_time(end), now=format_time(time.now))
    genuine.checks.append(("expiry and age", f"judged at {format_time(time.now)} ({time.state.replace('_', ' ')})"))
