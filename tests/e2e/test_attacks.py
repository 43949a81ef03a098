"""Every attack has its own reason, leaves the site as it was, and does not stop the next good bundle.

The attacker owns the medium; `forgers` says what else he has.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from stella.bundle.errors import LayoutMismatch
from stella.bundle.model import Blob
from stella.kernel import dsse
from stella.kernel.digest import sha256
from stella.runtime.settings import SiteSettings
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy
from tests.e2e.forgers import (
    BOMBS,
    ONE_KEY,
    PATHS,
    SIGNATURES,
    STRANGER,
    blob_of,
    delta_without_base,
    envelope,
    with_envelope,
)
from tests.e2e.refusal import refused, stands
from tests.world import (
    Parts,
    World,
    first_release,
    forged,
    second_release,
    text,
)


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
