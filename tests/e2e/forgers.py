"""Forged bundles, each made from the good bundle 2, and the reason for which a site must refuse it.

What the attacker has is said by each table: no key, one stolen key, or all keys that are online.
"""

# ruff: noqa: ARG001  # every forger takes the world and the parts of the good bundle

from __future__ import annotations

import base64
from typing import Any

import msgspec
import zstandard

from stella.bundle.codec import compress
from stella.bundle.limits import MAX_LIST
from stella.bundle.model import PACKER_TYPE, Blob, Entry, Mark, dump_lines
from stella.kernel import dsse
from stella.kernel.canonical import dump, parse
from stella.kernel.digest import sha256
from stella.kernel.statement import PAYLOAD_TYPE, Subject
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy
from tests.world import (
    PASSPHRASE,
    YEAR,
    Parts,
    World,
    noise,
    text,
)

STRANGER = PrivateKey.generate(counted_entropy("stranger"))


def envelope(parts: Parts, title: str = "bundle.dsse.json") -> dsse.Envelope:
    return parse(parts.documents[title], dsse.Envelope, title)


def with_envelope(parts: Parts, title: str, **changes: Any) -> Parts:
    return Parts(
        parts.documents | {title: dump(msgspec.structs.replace(envelope(parts, title), **changes))}, parts.blobs
    )


def blob_of(parts: Parts, enc: str, *, pack: bool = False) -> Blob:
    return next(blob for blob in parts.stored if blob.enc == enc and (len(blob.holds) > 1) == pack)


def replaced(world: World, parts: Parts, old: Blob, stored: bytes, **changes: Any) -> Parts:
    """The packer's key is stolen: one blob has other bytes, and the list of stored forms says so."""
    fields = {"blob": sha256(stored), "size": len(stored)} | changes
    new = msgspec.structs.replace(old, **fields)
    rows = sorted((new if blob == old else blob for blob in parts.stored), key=lambda blob: blob.blob)
    blobs = parts.blobs | {new.blob: stored}
    made = Parts(parts.documents, {row.blob: blobs[row.blob] for row in rows})
    return made.packed(world.packer_key(), rows)


# ---- signatures: nobody's key, the wrong key, too few keys


def by_a_stranger(world: World, parts: Parts) -> Parts:
    return parts.released([STRANGER])


def by_the_packer(world: World, parts: Parts) -> Parts:
    return parts.released([world.packer_key()])


def by_nobody(world: World, parts: Parts) -> Parts:
    return with_envelope(parts, "bundle.dsse.json", signatures=())


def altered_statement(world: World, parts: Parts) -> Parts:
    payload = base64.b64decode(envelope(parts).payload).replace(b'"valid_for_s":1209600', b'"valid_for_s":9209600')
    assert payload != base64.b64decode(envelope(parts).payload)
    return with_envelope(parts, "bundle.dsse.json", payload=base64.b64encode(payload).decode())


def over_base64_instead_of_pae(world: World, parts: Parts) -> Parts:
    """The defect of the format that this one replaces: a signature over the payload's base64."""
    found = envelope(parts)
    key = world.release_keys()[0]
    signature = dsse.Signature(key.keyid, base64.b64encode(key.sign(found.payload.encode())).decode())
    return with_envelope(parts, "bundle.dsse.json", signatures=(signature,))


def another_payload_type(world: World, parts: Parts) -> Parts:
    """A genuine release signature, over another kind of document with the same bytes."""
    payload = base64.b64decode(envelope(parts).payload)
    made = dsse.sign("application/vnd.stella.receipt.v1+json", payload, world.release_keys())
    return parts.with_documents(bundle_dsse_json=made)


def type_renamed(world: World, parts: Parts) -> Parts:
    """The type in the envelope is put right again; the signature is still over the other one."""
    made = another_payload_type(world, parts)
    return with_envelope(made, "bundle.dsse.json", payload_type=PAYLOAD_TYPE)


def packer_envelope_as_release(world: World, parts: Parts) -> Parts:
    return parts.with_documents(bundle_dsse_json=parts.documents["packer.dsse.json"])


def release_envelope_as_packer(world: World, parts: Parts) -> Parts:
    return parts.with_documents(packer_dsse_json=parts.documents["bundle.dsse.json"])


def packed_by_a_stranger(world: World, parts: Parts) -> Parts:
    return parts.packed(STRANGER)


def packed_by_the_release_key(world: World, parts: Parts) -> Parts:
    return parts.packed(world.release_keys()[0])


def altered_packer_statement(world: World, parts: Parts) -> Parts:
    payload = base64.b64decode(envelope(parts, "packer.dsse.json").payload).replace(
        b'"generation":2', b'"generation":3'
    )
    return with_envelope(parts, "packer.dsse.json", payload=base64.b64encode(payload).decode())


SIGNATURES = {
    by_a_stranger: "key_unknown",
    by_the_packer: "key_unknown",
    by_nobody: "key_unknown",
    altered_statement: "signature",
    over_base64_instead_of_pae: "signature",
    another_payload_type: "payload_type",
    type_renamed: "signature",
    packer_envelope_as_release: "payload_type",
    release_envelope_as_packer: "payload_type",
    packed_by_a_stranger: "key_unknown",
    packed_by_the_release_key: "key_unknown",
    altered_packer_statement: "signature",
}


# ---- one stolen key: what its thief cannot do


def release_key_alone(world: World, parts: Parts) -> Parts:
    """A statement by the release key counts only when the targets role lists it."""
    return parts.released(world.release_keys(), valid_for_s=YEAR)


def another_subject(world: World, parts: Parts) -> Parts:
    """All keys: the in-toto subject names another root than the predicate."""
    wrong = Subject(name="stable@2", digest={"sha256": "0" * 64})
    return parts.released(world.release_keys(), subject=wrong).targeted(world)


def targets_key_alone(world: World, parts: Parts) -> Parts:
    """Targets for a signer policy of the thief's own, without the keys of snapshot and timestamp."""
    genuine = world.channel.online_keys(parts.tuf(), PASSPHRASE)
    return parts.targeted(world, roles={"targets": genuine["targets"], "snapshot": [STRANGER], "timestamp": [STRANGER]})


def targets_file_alone(world: World, parts: Parts) -> Parts:
    """The targets file of that thief under the genuine snapshot."""
    made = targets_key_alone(world, parts)
    name = max(title for title in made.documents if title.endswith(".targets.json"))
    genuine = next(title for title in parts.documents if title.endswith(".targets.json"))
    return Parts(parts.documents | {genuine: made.documents[name]}, parts.blobs)


def timestamp_by_a_stranger(world: World, parts: Parts) -> Parts:
    genuine = world.channel.online_keys(parts.tuf(), PASSPHRASE)
    return parts.targeted(world, roles=genuine | {"timestamp": [STRANGER]})


def own_policy(world: World, parts: Parts) -> Parts:
    """A signer policy that the targets role never listed."""
    policy = parts.documents["signers.json"].replace(b'"threshold":1', b'"threshold":1 ', 1)
    return parts.with_documents(signers_json=policy)


def other_bytes(world: World, parts: Parts) -> Parts:
    """The packer's thief swaps the library for bytes of the same size."""
    return replaced(world, parts, blob_of(parts, "raw"), noise("evil", 67_000))


def other_bytes_compressed(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "zstd"), compress(text("evil", 95_000)))


def other_bytes_in_a_pack(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "zstd", pack=True), compress(text("evil", 1100)))


def contents_swapped_in_a_pack(world: World, parts: Parts) -> Parts:
    pack = blob_of(parts, "zstd", pack=True)
    return replaced(world, parts, pack, parts.blobs[pack.blob], holds=tuple(reversed(pack.holds)))


def other_entries(world: World, parts: Parts) -> Parts:
    rows = [msgspec.structs.replace(row, digest=sha256(b"evil")) for row in parts.entries]
    return parts.with_lines(dump_lines(rows), world.packer_key())


def fewer_entries(world: World, parts: Parts) -> Parts:
    return parts.with_lines(dump_lines(parts.entries[:-1]), world.packer_key())


def packed_as_another_generation(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), generation=7)


def packed_for_another_root(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), root="0" * 64)


def packed_for_another_channel(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), channel_id="0" * 32)


def base_that_never_was(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), base=Mark(7, "0" * 64))


def base_with_another_root(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), base=Mark(1, "0" * 64))


def base_denied(world: World, parts: Parts) -> Parts:
    """A thin bundle that calls itself full."""
    return parts.packed(world.packer_key(), base=None)


def delta_without_base(world: World, parts: Parts) -> Parts:
    """A full bundle in which one content is a delta against nothing that is named."""
    full = Parts.read(world.top / "2-full.stella")
    digest = next(row.digest for row in full.entries if row.path == "artifacts/bin/server")
    whole = next(blob for blob in full.stored if digest in blob.holds)
    return replaced(world, full, whole, b"not a patch at all", enc="hdiff", base="0" * 64)


def content_left_out(world: World, parts: Parts) -> Parts:
    gone = blob_of(parts, "raw")
    rows = [blob for blob in parts.stored if blob != gone]
    return Parts(parts.documents, {row.blob: parts.blobs[row.blob] for row in rows}).packed(world.packer_key(), rows)


def blob_smuggled_in(world: World, parts: Parts) -> Parts:
    extra = noise("extra", 100)
    return Parts(parts.documents, parts.blobs | {sha256(extra): extra})


def blob_of_nothing(world: World, parts: Parts) -> Parts:
    extra = noise("extra", 100)
    row = Blob(blob=sha256(extra), enc="raw", holds=(sha256(extra),), size=100)
    rows = sorted([*parts.stored, row], key=lambda blob: blob.blob)
    blobs = parts.blobs | {row.blob: extra}
    return Parts(parts.documents, {blob.blob: blobs[blob.blob] for blob in rows}).packed(world.packer_key(), rows)


def content_given_twice(world: World, parts: Parts) -> Parts:
    raw = blob_of(parts, "raw")
    return replaced(world, parts, blob_of(parts, "zstd"), compress(noise("codec-2", 67_000)), holds=raw.holds)


def stored_list_in_disorder(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), reversed(parts.stored))


def stored_list_in_another_spelling(world: World, parts: Parts) -> Parts:
    return parts.packed(world.packer_key(), dump_lines(parts.stored).replace(b'"enc":', b'"enc": '))


def entry_list_in_another_spelling(world: World, parts: Parts) -> Parts:
    return parts.with_lines(dump_lines(parts.entries).replace(b'"path":', b'"path": '), world.packer_key())


ONE_KEY = {
    release_key_alone: "mix_and_match",
    another_subject: "mix_and_match",
    targets_key_alone: "signature",
    targets_file_alone: "mix_and_match",
    timestamp_by_a_stranger: "signature",
    own_policy: "mix_and_match",
    other_bytes: "digest_mismatch",
    other_bytes_compressed: "digest_mismatch",
    other_bytes_in_a_pack: "digest_mismatch",
    contents_swapped_in_a_pack: "digest_mismatch",
    other_entries: "root_mismatch",
    fewer_entries: "root_mismatch",
    packed_as_another_generation: "mix_and_match",
    packed_for_another_root: "mix_and_match",
    packed_for_another_channel: "mix_and_match",
    base_that_never_was: "base_missing",
    base_with_another_root: "base_missing",
    base_denied: "structure",
    delta_without_base: "structure",
    content_left_out: "structure",
    blob_smuggled_in: "structure",
    blob_of_nothing: "structure",
    content_given_twice: "structure",
    stored_list_in_disorder: "structure",
    stored_list_in_another_spelling: "structure",
    entry_list_in_another_spelling: "structure",
}


# ---- bombs: small files that want much memory, disk or time


def zstd_claims_more(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "zstd"), compress(bytes(50_000_000)))


def zstd_claims_less(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "zstd"), compress(b"little"))


def zstd_without_claim(world: World, parts: Parts) -> Parts:
    blind = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(50_000_000))
    return replaced(world, parts, blob_of(parts, "zstd"), blind)


def zstd_of_two_frames(world: World, parts: Parts) -> Parts:
    frame = compress(text("feed-2 is another one", 95_000))
    return replaced(world, parts, blob_of(parts, "zstd"), frame + frame)


def zstd_of_noise(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "zstd"), b"\x28\xb5\x2f\xfd" + noise("z", 60))


def zstd_padded(world: World, parts: Parts) -> Parts:
    """A blob that is far larger than its content: the genuine frame, and then a skippable one of forty megabytes."""
    frame = compress(text("feed-2 is another one", 95_000))
    size = 40_000_000
    return replaced(
        world, parts, blob_of(parts, "zstd"), frame + b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)
    )


def stored_list_claims_more(world: World, parts: Parts) -> Parts:
    bomb = compress(bytes(100_000_000))
    return with_stored_form(world, parts, bomb)


def with_stored_form(world: World, parts: Parts, bomb: bytes, **changes: Any) -> Parts:
    """The list of stored forms is `bomb`, and the packer's statement says the sizes of the genuine one, or others."""
    form = msgspec.structs.replace(parts.packer.stored, blob=sha256(bomb), stored_size=len(bomb), **changes)
    return parts.with_documents(
        stored_ndjson_zst=bomb,
        packer_dsse_json=dsse.sign(
            PACKER_TYPE, dump(msgspec.structs.replace(parts.packer, stored=form)), [world.packer_key()]
        ),
    )


def stored_list_over_the_limit(world: World, parts: Parts) -> Parts:
    return with_stored_form(world, parts, compress(b""), size=MAX_LIST + 1)


def patch_claims_more(world: World, parts: Parts) -> Parts:
    old = blob_of(parts, "hdiff")
    patch = parts.blobs[old.blob]
    head = b"HDIFF13&zstd\0"
    assert patch.startswith(head)
    return replaced(world, parts, old, head + b"\xff\xff\xff\xff\x7f" + patch[len(head) + 3 :])


def patch_of_noise(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "hdiff"), noise("patch", 49))


def patch_damaged(world: World, parts: Parts) -> Parts:
    """The header is right, the rest is not; the patcher itself or the digest of its result must find it."""
    old = blob_of(parts, "hdiff")
    patch = bytearray(parts.blobs[old.blob])
    patch[-3] ^= 0x40
    return replaced(world, parts, old, bytes(patch))


def patch_cut_short(world: World, parts: Parts) -> Parts:
    old = blob_of(parts, "hdiff")
    return replaced(world, parts, old, parts.blobs[old.blob][:-8])


def patch_on_another_base(world: World, parts: Parts) -> Parts:
    old = blob_of(parts, "hdiff")
    other = next(
        row.digest for row in Parts.read(world.top / "1.stella").entries if row.path == "advisories/feed.ndjson"
    )
    return replaced(world, parts, old, parts.blobs[old.blob], base=other)


def patch_on_a_foreign_base(world: World, parts: Parts) -> Parts:
    old = blob_of(parts, "hdiff")
    return replaced(world, parts, old, parts.blobs[old.blob], base="0" * 64)


def patch_for_two_contents(world: World, parts: Parts) -> Parts:
    old, raw = blob_of(parts, "hdiff"), blob_of(parts, "raw")
    rows = [blob for blob in parts.stored if blob not in {old, raw}]
    rows.append(msgspec.structs.replace(old, holds=(*old.holds, *raw.holds)))
    rows.sort(key=lambda blob: blob.blob)
    return Parts(parts.documents, {row.blob: parts.blobs[row.blob] for row in rows}).packed(world.packer_key(), rows)


def raw_of_another_size(world: World, parts: Parts) -> Parts:
    return replaced(world, parts, blob_of(parts, "raw"), noise("codec-2", 67_000) + b"more")


BOMBS = {
    zstd_claims_more: "zstd_bomb",
    zstd_claims_less: "zstd_bomb",
    zstd_without_claim: "zstd_bomb",
    zstd_of_two_frames: "structure",
    zstd_of_noise: "structure",
    zstd_padded: "limit",
    stored_list_claims_more: "zstd_bomb",
    stored_list_over_the_limit: "limit",
    patch_claims_more: "patch_bomb",
    patch_of_noise: "patch",
    patch_damaged: "digest_mismatch",
    patch_cut_short: "patch",
    patch_on_another_base: "patch_bomb",
    patch_on_a_foreign_base: "structure",
    patch_for_two_contents: "limit",
    raw_of_another_size: "structure",
}


# ---- all online keys stolen: what the format itself refuses


def entries_of(parts: Parts, *paths: str) -> list[Entry]:
    """The genuine entries and some more of the same content, in the order of their paths unless told otherwise."""
    model = parts.entries[0]
    return [*parts.entries, *(msgspec.structs.replace(model, path=path) for path in paths)]


def ordered(parts: Parts, *paths: str) -> list[Entry]:
    return sorted(entries_of(parts, *paths), key=lambda entry: entry.path.encode())


PATHS = {
    "twice": (lambda parts: ordered(parts, parts.entries[0].path), "duplicate"),
    "traversal": (lambda parts: ordered(parts, "artifacts/../../../etc/passwd"), "path"),
    "absolute": (lambda parts: ordered(parts, "/etc/passwd"), "path"),
    "dot": (lambda parts: ordered(parts, "artifacts/./x"), "path"),
    "empty part": (lambda parts: ordered(parts, "artifacts//x"), "path"),
    "not NFC": (lambda parts: ordered(parts, "artifacts/e\u0301"), "path"),
    "control": (lambda parts: ordered(parts, "artifacts/a\nb"), "path"),
    "right-to-left": (lambda parts: ordered(parts, "artifacts/\u202egpj.exe"), "path"),
    "too long": (lambda parts: ordered(parts, "artifacts/" + "x" * 1100), "path"),
    "file and folder": (lambda parts: ordered(parts, "artifacts/bin/server/x"), "path"),
    "out of order": (lambda parts: list(reversed(parts.entries)), "structure"),
}
