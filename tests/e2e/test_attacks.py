"""Every attack has its own reason, leaves the site as it was, and does not stop the next good bundle.

The attacker owns the medium. What else he has, each test says: nothing, one stolen key, or all keys that are online.
"""

# ruff: noqa: ARG001  # every forger takes the world and the parts of the good bundle

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives import serialization

from stella.bundle.codec import compress
from stella.bundle.errors import LayoutMismatch
from stella.bundle.limits import MAX_LIST
from stella.bundle.model import PACKER_TYPE, Blob, Entry, Mark, dump_lines
from stella.kernel import dsse
from stella.kernel.canonical import dump, parse
from stella.kernel.digest import sha256
from stella.kernel.statement import PAYLOAD_TYPE, Subject
from stella.mirror import service
from stella.runtime.settings import SiteSettings
from stella.signing import authority
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy
from tests.e2e.refusal import refused, stands
from tests.world import (
    DAY,
    NOW,
    PASSPHRASE,
    YEAR,
    Parts,
    World,
    at,
    first_release,
    forged,
    noise,
    second_release,
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


@pytest.mark.parametrize("forge", SIGNATURES, ids=lambda forge: forge.__name__)
def test_signatures(forge: Callable[[World, Parts], Parts], world: World) -> None:
    parts = forge(world, Parts.read(world.top / "2.stella"))
    stands(world, parts.write(world.top / "evil.stella"), SIGNATURES[forge])


@pytest.mark.parametrize("forge", ONE_KEY, ids=lambda forge: forge.__name__)
def test_one_stolen_key(forge: Callable[[World, Parts], Parts], world: World) -> None:
    parts = forge(world, Parts.read(world.top / "2.stella"))
    stands(world, parts.write(world.top / "evil.stella"), ONE_KEY[forge])


@pytest.mark.parametrize("forge", BOMBS, ids=lambda forge: forge.__name__)
def test_bombs(forge: Callable[[World, Parts], Parts], world: World) -> None:
    parts = forge(world, Parts.read(world.top / "2.stella"))
    stands(world, parts.write(world.top / "evil.stella"), BOMBS[forge])


@pytest.mark.parametrize("name", PATHS)
def test_paths(name: str, world: World) -> None:
    make, reason = PATHS[name]
    parts = Parts.read(world.top / "2.stella")
    stands(world, forged(world, parts, make(parts)).write(world.top / "evil.stella"), reason)
    assert not (world.top / "etc").exists()


def test_a_delta_without_base_is_refused_by_the_vendor_as_well(world: World) -> None:
    """`mirror verify` keeps nothing and may lack the base of a thin bundle; here there is none to lack."""
    evil = delta_without_base(world, Parts.read(world.top / "2.stella")).write(world.top / "evil.stella")
    world.verify("2.stella")
    with pytest.raises(LayoutMismatch):
        world.verify(evil)


def test_a_pack_larger_than_what_is_read_in_one_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packer's thief: contents that the site would read back with their neighbours are not taken."""
    for module in ("contents", "receive"):
        monkeypatch.setattr(f"stella.bundle.{module}.WHOLE", 100_000)
    parts = Parts.read(world.top / "2.stella")
    old, raw = blob_of(parts, "zstd"), blob_of(parts, "raw")
    stored = text("feed-2 is another one", 95_000) + parts.blobs[raw.blob]
    new = Blob(blob=sha256(stored), enc="raw", holds=(*old.holds, *raw.holds), size=len(stored))
    rows = sorted([new, *(row for row in parts.stored if row not in {old, raw})], key=lambda blob: blob.blob)
    blobs = parts.blobs | {new.blob: stored}
    made = Parts(parts.documents, {row.blob: blobs[row.blob] for row in rows}).packed(world.packer_key(), rows)
    stands(world, made.write(world.top / "evil.stella"), "limit")


# ---- mix and match: genuine documents of another generation

MIXED = {
    "milestone.json": "mix_and_match",
    "bundle.dsse.json": "mix_and_match",
    "packer.dsse.json": "mix_and_match",
    "anchor.tsr": "mix_and_match",
    "time-anchor.json": "mix_and_match",
    "entries.ndjson.zst": "mix_and_match",
    "stored.ndjson.zst": "mix_and_match",
    "tuf/timestamp.json": "structure",  # the snapshot that it names is not there
    "tuf/": "mix_and_match",
    "all but tuf/": "structure",  # generation 1 itself under newer trust: full, but its blobs are those of 2
}


@pytest.mark.parametrize("title", MIXED)
def test_mix_and_match(title: str, world: World) -> None:
    first, second = Parts.read(world.top / "1.stella"), Parts.read(world.top / "2.stella")
    if title == "tuf/":
        documents = {name: data for name, data in second.documents.items() if not name.startswith("tuf/")}
        documents |= {f"tuf/{name}": data for name, data in first.tuf().items()}
    elif title == "all but tuf/":
        documents = first.documents | {name: data for name, data in second.documents.items() if name.startswith("tuf/")}
        names = {f"tuf/{name}" for name in first.tuf()} - {f"tuf/{name}" for name in second.tuf()}
        documents = {name: data for name, data in documents.items() if name not in names}
        world.top.joinpath("D").rename(
            world.top / "old"
        )  # a fresh site: the running one would call it a replay... of itself
        world.lay_site()
        evil = Parts(documents, second.blobs).write(world.top / "evil.stella")
        refused(world, evil, MIXED[title])
        return
    else:
        documents = second.documents | {title: first.documents[title]}
    stands(world, Parts(documents, second.blobs).write(world.top / "evil.stella"), MIXED[title])


def test_the_signer_policy_of_before_a_rotation(world: World) -> None:
    world.rotate("packer")
    world.pass_time(60)
    world.create(second_release(), "3.stella", renew=True)
    third = Parts.read(world.top / "3.stella")
    old = Parts.read(world.top / "2.stella").documents["signers.json"]
    stands(world, third.with_documents(signers_json=old).write(world.top / "evil.stella"), "mix_and_match")
    assert world.import_("3.stella").generation == 3


@pytest.mark.parametrize(
    "title", ["milestone.json", "anchor.tsr", "tuf/timestamp.json", "entries.ndjson.zst", "signers.json"]
)
def test_a_document_is_missing(title: str, world: World) -> None:
    parts = Parts.read(world.top / "2.stella")
    documents = {name: data for name, data in parts.documents.items() if name != title}
    stands(world, Parts(documents, parts.blobs).write(world.top / "evil.stella"), "structure")


def test_a_document_too_many(world: World) -> None:
    parts = Parts.read(world.top / "2.stella")
    documents = parts.documents | {"tuf/9.delegation.json": b"{}"}
    stands(world, Parts(documents, parts.blobs).write(world.top / "evil.stella"), "structure")


# ---- replay, rollback, freeze


def test_a_replayed_older_generation(world: World) -> None:
    world.import_("2.stella")
    refused(world, "1.stella", "not_monotonic")
    refused(world, "1.stella", "not_monotonic", quarantined=False, dry_run=True)
    assert world.files() == second_release()


def test_older_trust_below_a_generation_that_is_not_older(world: World) -> None:
    """After a rollback to 1, generation 2 is newer than what runs, but its trust is older than what was seen."""
    world.import_("2.stella")
    world.pass_time(60)
    world.create(first_release(), "3.stella")
    world.import_("3.stella")
    world.rollback(1)
    refused(world, "2-full.stella", "rollback")
    assert world.import_("3.stella").generation == 3


def test_a_bundle_that_is_too_old(world: World) -> None:
    world.pass_time(15 * DAY)
    refused(world, "2.stella", "stale")
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_trust_that_is_no_longer_renewed(world: World) -> None:
    world.pass_time(29 * DAY)
    refused(world, "2.stella", "expired")
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_who_renews_trust_alone_cannot_hide_the_age_of_the_content(world: World) -> None:
    """Keys of targets, snapshot and timestamp are stolen: an old generation no longer expires, but it is stale."""
    world.pass_time(29 * DAY)
    renewed = Parts.read(world.top / "2.stella").targeted(world)
    refused(world, renewed.write(world.top / "evil.stella"), "stale")


def test_a_clock_that_was_set_back_revives_nothing(world: World) -> None:
    world.pass_time(20 * DAY)
    world.site_clock.set_wall(NOW + 2 * DAY)
    error = refused(world, "2.stella", "clock_behind")
    assert error.facts["local"] == at(NOW + 2 * DAY)
    world.create(second_release(), "3.stella", renew=True)
    found = world.import_("3.stella")
    assert (found.generation, found.clock) == (3, "clock_behind")


def test_a_clock_that_was_set_back_across_a_reboot(world: World) -> None:
    """After a reboot only what is written down counts: the newest proof of time and what was carried on from it."""
    world.pass_time(20 * DAY)
    world.create(second_release(), "3.stella", renew=True)
    world.import_("3.stella")
    world.site_clock.reboot("boot-2")
    world.site_clock.set_wall(NOW)
    world.pass_time(3600)
    assert world.status().clock == "clock_behind"
    refused(world, "2-full.stella", "not_monotonic")
    world.clock.set_wall(NOW + 3600)
    parts = Parts.read(world.top / "3.stella")
    dated_back = forged(world, parts, parts.entries, generation=4)
    refused(world, dated_back.write(world.top / "evil.stella"), "anchor_replayed")


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_ten_years_off_changes_no_verdict(years: int, world: World) -> None:
    """A good bundle imports, a bad one is refused for its own reason, whatever the clock of the site says."""
    world.site_clock.set_wall(NOW + years * YEAR)
    parts = Parts.read(world.top / "2.stella")
    for forge, reason in (
        (by_a_stranger, "key_unknown"),
        (other_entries, "root_mismatch"),
        (other_bytes, "digest_mismatch"),
    ):
        refused(world, forge(world, parts).write(world.top / "evil.stella"), reason)
    future = forged_time(world, parts, NOW + 5 * DAY)
    refused(world, future.write(world.top / "evil.stella"), "anchor_invalid")
    found = world.import_("2.stella")
    assert found.clock == ("clock_ahead_suspected" if years > 0 else "clock_behind")
    assert found.trusted_time == at(NOW + 3600)
    refused(world, "1.stella", "not_monotonic")
    assert world.files() == second_release()


@pytest.mark.parametrize("years", [-10, 10])
def test_a_site_laid_under_a_wrong_clock(years: int, world: World) -> None:
    world.d.rename(world.top / "other")
    world.site_clock.set_wall(NOW + years * YEAR)
    world.lay_site()
    assert world.import_("1.stella").generation == 1
    assert world.import_("2.stella").generation == 2


def test_two_people_may_vouch_for_a_clock_far_ahead(world: World) -> None:
    world.site_clock.set_wall(NOW + YEAR)
    refused(world, "2.stella", "approval_required", quarantined=False, confirm_clock=True, reason="checked by phone")
    refused(world, "2.stella", "usage", quarantined=False, confirm_clock=True, approver="kim")
    refused(world, "2.stella", "expired", confirm_clock=True, approver="kim", reason="checked by phone")


# ---- proofs of time


def forged_time(world: World, parts: Parts, proved: int, **changes: Any) -> Parts:
    """Every key is stolen: the statement names a token of any time."""
    token = world.token(parts.generation.root, proved)
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token), time=at(proved)),)
    return parts.anchored(token, proved).released(world.release_keys(), anchors=anchors, **changes).targeted(world)


def over_another_root(world: World, parts: Parts) -> Parts:
    first = Parts.read(world.top / "1.stella")
    made = parts.with_documents(
        anchor_tsr=first.documents["anchor.tsr"], time_anchor_json=first.documents["time-anchor.json"]
    )
    return made.released(world.release_keys(), anchors=first.generation.anchors).targeted(world)


def of_the_future(world: World, parts: Parts) -> Parts:
    return forged_time(world, parts, NOW + 2 * DAY)


def of_the_past(world: World, parts: Parts) -> Parts:
    return forged_time(world, parts, NOW - DAY // 2, created=at(NOW + DAY))


def by_a_foreign_authority(world: World, parts: Parts) -> Parts:
    other = authority.make_authority(counted_entropy("authority"), NOW, "stable")
    token = authority.issue(bytes.fromhex(parts.generation.root), NOW + 3600, other.key, other.certificate)
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token)),)
    return parts.anchored(token, NOW + 3600).released(world.release_keys(), anchors=anchors).targeted(world)


def dated_differently(world: World, parts: Parts) -> Parts:
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], time=at(NOW)),)
    return parts.released(world.release_keys(), anchors=anchors).targeted(world)


def not_a_token(world: World, parts: Parts) -> Parts:
    token = b"no token"
    anchors = (msgspec.structs.replace(parts.generation.anchors[0], digest=sha256(token)),)
    return parts.anchored(token, NOW + 3600).released(world.release_keys(), anchors=anchors).targeted(world)


def no_token_named(world: World, parts: Parts) -> Parts:
    return parts.released(world.release_keys(), anchors=()).targeted(world)


TOKENS = {
    over_another_root: "anchor_invalid",
    of_the_future: "anchor_invalid",
    of_the_past: "anchor_invalid",
    by_a_foreign_authority: "anchor_invalid",
    dated_differently: "anchor_invalid",
    not_a_token: "anchor_invalid",
    no_token_named: "structure",
}


@pytest.mark.parametrize("forge", TOKENS, ids=lambda forge: forge.__name__)
def test_proofs_of_time(forge: Callable[[World, Parts], Parts], world: World) -> None:
    parts = forge(world, Parts.read(world.top / "2.stella"))
    evil = parts.write(world.top / "evil.stella")
    refused(world, evil, TOKENS[forge])
    world.create(second_release(), "3.stella", renew=True)
    assert world.import_("3.stella").generation == 3


def test_a_proof_of_time_is_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer generation with an older proof of time; only a reason and a second person make it acceptable."""
    world.import_("2.stella")
    monkeypatch.setattr(service, "_created", lambda *_: NOW + 60)
    world.create(first_release(), "3.stella")
    refused(world, "3.stella", "anchor_replayed")
    refused(world, "3.stella", "usage", quarantined=False, force=True, approver="kim")
    refused(world, "3.stella", "approval_required", quarantined=False, force=True, reason="authority was down")
    refused(
        world,
        "3.stella",
        "approval_required",
        quarantined=False,
        force=True,
        reason="authority was down",
        approver="op",
    )
    assert world.import_("3.stella", force=True, reason="authority was down", approver="kim").generation == 3
    assert world.state().anchor == NOW + 3600, "a forced import never lowers what was seen"


# ---- whose channel, whose keys


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Another channel of the same vendor: same name, same files, its own keys."""
    world = World(tmp_path_factory.mktemp("strangers") / "world", seed="strangers").lay_channel()
    world.create(first_release(), "1.stella")
    world.pass_time(3600)
    world.create(second_release(), "2.stella")
    return world


def test_a_bundle_of_another_channel(world: World, strangers: World) -> None:
    stands(world, strangers.top / "2.stella", "wrong_channel")


def test_a_bundle_of_another_channel_that_claims_this_one(world: World, strangers: World) -> None:
    """The foreign policy with this channel's id: the claim passes, the trust does not."""
    parts = Parts.read(strangers.top / "2.stella")
    ours, theirs = world.channel.channel().channel_id, strangers.channel.channel().channel_id
    policy = parts.documents["signers.json"].replace(theirs.encode(), ours.encode())
    refused(world, parts.with_documents(signers_json=policy).write(world.top / "evil.stella"), "mix_and_match")
    root = {"tuf/1.root.json": Parts.read(world.top / "1.stella").documents["tuf/1.root.json"]}
    made = Parts(parts.documents | {"signers.json": policy} | root, parts.blobs)
    stands(world, made.write(world.top / "evil.stella"), "signature")


def test_fewer_release_signatures_than_the_policy_asks_for(tmp_path: Path) -> None:
    world = World(tmp_path / "world").lay_channel(signers=3, threshold=2).lay_site()
    world.create(first_release(), "1.stella")
    parts = Parts.read(world.top / "1.stella")
    one = envelope(parts).signatures[0]
    for signatures in ((one,), (one, one), (one, dsse.Signature("0" * 64, one.sig))):
        evil = with_envelope(parts, "bundle.dsse.json", signatures=signatures).write(world.top / "evil.stella")
        refused(world, evil, "threshold")
    stranger = parts.released([STRANGER, world.release_keys()[0]])
    refused(world, stranger.write(world.top / "evil.stella"), "threshold")
    assert world.import_("1.stella").generation == 1


def production_world(tmp_path: Path) -> World:
    key = PrivateKey.generate(counted_entropy("production"))._key
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    world = World(tmp_path / "world")
    world.secrets["env:MIRROR_SIGN_KEY_B64"] = base64.b64encode(pem)
    world.site_settings = SiteSettings(require_production=True)
    return world


def test_a_development_key_where_production_is_required(world: World, tmp_path: Path) -> None:
    world.site_settings = SiteSettings(require_production=True)
    refused(world, "2.stella", "test_key")
    world.site_settings = SiteSettings()
    assert world.import_("2.stella").signing == "development"
    other = production_world(tmp_path / "other").lay_channel().lay_site()
    other.create(first_release(), "1.stella")
    assert other.import_("1.stella").signing == "production"


def test_a_development_key_that_calls_itself_production(world: World) -> None:
    lie = Parts.read(world.top / "2.stella").released(world.release_keys(), signing="production").targeted(world)
    stands(world, lie.write(world.top / "evil.stella"), "test_key")


# ---- change of root


def rotated(world: World, role: str = "root") -> str:
    world.rotate(role)
    world.pass_time(60)
    world.create(second_release(), f"{role}.stella", renew=True)
    return f"{role}.stella"


def test_a_change_of_root_needs_a_second_person(world: World) -> None:
    bundle = rotated(world)
    error = refused(world, bundle, "approval_required", quarantined=False)
    assert int(error.exit) == 3
    refused(world, bundle, "approval_required", quarantined=False, approver="op")
    refused(world, bundle, "approval_required", quarantined=False, approver=" ")
    found = world.import_(bundle, approver="kim")
    assert found.new_roots == (2,)
    assert world.state().root_version == 2
    assert world.files() == second_release()


def test_a_root_is_left_out(world: World) -> None:
    rotated(world)
    parts = Parts.read(world.top / rotated(world))
    gap = Parts({title: data for title, data in parts.documents.items() if title != "tuf/2.root.json"}, parts.blobs)
    refused(world, gap.write(world.top / "evil.stella"), "root_gap", approver="kim")
    assert world.import_("root.stella", approver="kim").new_roots == (2, 3)


def test_a_root_signed_by_too_few_of_the_old_keys(world: World) -> None:
    parts = Parts.read(world.top / rotated(world))
    old = json.loads(parts.documents["tuf/1.root.json"])["signed"]["roles"]["root"]["keyids"]
    root = json.loads(parts.documents["tuf/2.root.json"])
    first = next(mark["keyid"] for mark in root["signatures"] if mark["keyid"] in old)
    root["signatures"] = [mark for mark in root["signatures"] if mark["keyid"] not in old or mark["keyid"] == first]
    weak = Parts(parts.documents | {"tuf/2.root.json": json.dumps(root).encode()}, parts.blobs)
    refused(world, weak.write(world.top / "evil.stella"), "threshold", approver="kim")
    assert world.import_("root.stella", approver="kim").new_roots == (2,)


def test_two_people_who_force_an_older_generation_under_a_newer_root_keep_a_site_that_works(world: World) -> None:
    """Generation 1 with the newer root beside it: forced, it runs; the site still trusts what follows."""
    world.import_("2.stella")
    newer = Parts.read(world.top / rotated(world))
    first = Parts.read(world.top / "1.stella")
    mixed = Parts(first.documents | {"tuf/2.root.json": newer.documents["tuf/2.root.json"]}, first.blobs)
    evil = mixed.write(world.top / "evil.stella")
    refused(world, evil, "not_monotonic", approver="kim")
    assert world.import_(evil, force=True, reason="drill", approver="kim").generation == 1
    assert world.import_("root.stella").generation == 3


# ---- going back on purpose


def test_force_needs_a_reason_and_another_person(world: World) -> None:
    world.import_("2.stella")
    refused(world, "1.stella", "usage", quarantined=False, force=True, approver="kim")
    refused(world, "1.stella", "approval_required", quarantined=False, force=True, reason="drill")
    refused(world, "1.stella", "approval_required", quarantined=False, force=True, reason="drill", approver="op")
    assert world.import_("1.stella", force=True, reason="drill", approver="kim").generation == 1
    assert world.files() == first_release()
    last = world.state().history[-1]
    assert (last.why, last.approver, last.actor) == ("drill", "kim", "op")
    assert world.import_("2.stella").generation == 2, "what was seen stays seen, and the way forward is open"


def test_force_makes_nothing_else_acceptable(world: World) -> None:
    parts = Parts.read(world.top / "2.stella")
    evil = by_a_stranger(world, parts).write(world.top / "evil.stella")
    stands(world, evil, "key_unknown", force=True, reason="I want it", approver="kim")


# ---- two histories


@pytest.mark.parametrize("later", [False, True], ids=["same trust version", "later trust version"])
def test_two_roots_for_one_generation(later: bool, world: World, tmp_path: Path) -> None:
    """The vendor, or all of his keys, tell this site another generation 2 than the one it runs."""
    other = World(tmp_path / "fork", "fork")
    other.clock.reading = world.clock.reading
    shutil.copytree(world.m, other.m)
    head = other.m / "head.json"
    record = json.loads((other.m / "generations/00000001.json").read_bytes())
    trust = {
        title: digest for title, digest in record["documents"].items() if title == "signers.json" or title[:4] == "tuf/"
    }
    mark = {"generation": 1, "root": record["root"]}
    head.write_bytes(json.dumps({"schema": "stella.head@1", "generation": mark, "documents": trust}).encode())
    if later:
        other.rotate("packer")
    other.create(second_release() | {"policies/gate.stella": b"allow all\n"}, "2.stella")
    world.import_("2.stella")
    refused(world, other.top / "2.stella", "equivocation")
    refused(world, other.top / "2.stella", "equivocation", force=True, reason="the vendor says so", approver="kim")
    assert world.files() == second_release()


# ---- once more


def test_importing_twice_changes_nothing(world: World) -> None:
    world.import_("2.stella")
    before = (world.d / "state.json").read_bytes()
    found = world.import_("2.stella")
    assert found.notes == ("already active; nothing was changed",)
    assert world.import_("2-full.stella").generation == 2
    assert (world.d / "state.json").read_bytes() == before


def test_a_thin_bundle_without_its_base(world: World) -> None:
    world.d.rename(world.top / "other")
    world.lay_site()
    error = refused(world, "2.stella", "base_missing")
    assert error.facts["generation"] == 1
    assert "generation 1" in error.advice
    assert world.import_("2-full.stella").generation == 2
    assert world.files() == second_release()


def test_a_dry_run_of_a_bad_bundle_leaves_no_trace(world: World) -> None:
    before = (world.d / "state.json").read_bytes()
    evil = other_bytes(world, Parts.read(world.top / "2.stella")).write(world.top / "evil.stella")
    refused(world, evil, "digest_mismatch", quarantined=False, dry_run=True)
    refused(world, by_a_stranger(world, Parts.read(evil)).write(evil), "key_unknown", quarantined=False, dry_run=True)
    assert (world.d / "state.json").read_bytes() == before
