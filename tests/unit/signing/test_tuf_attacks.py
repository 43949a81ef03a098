"""Each attack on the metadata is refused, with the reason that is its own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stella.kernel.errors import StellaError
from stella.signing.errors import (
    BadMetadata,
    MetadataBelowThreshold,
    MetadataMixed,
    MetadataRollback,
    RootGap,
    UntrustedMetadata,
)
from stella.signing.tuf_client import LIMITS, Trusted, Update, verify_update
from tests.unit.signing.laid import Laid, signed_by, trusted_after

ONLINE = ("timestamp", "snapshot", "targets")


def trusted_of(laid: Laid) -> Trusted:
    """A site that took the channel's current state."""
    root = laid.state["1.root.json"]
    return trusted_after(verify_update(Trusted(root), laid.state), root)


def refused(error: type[StellaError], trusted: Trusted, laid: Laid) -> StellaError:
    with pytest.raises(StellaError) as caught:
        verify_update(trusted, laid.state)
    assert type(caught.value) is error, caught.value
    return caught.value


@pytest.mark.parametrize("role", ONLINE)
def test_wrong_key(role: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.publish()
    laid.resign(role, laid.keys(1), lambda _: None)
    if role != "timestamp":
        laid.bind()
    if role == "snapshot":
        laid.resign("snapshot", laid.keys(1), lambda _: None)
        snapshot = laid.state[laid.name("snapshot")]
        laid.resign(
            "timestamp",
            [laid.online["timestamp"]],
            lambda signed: signed["meta"]["snapshot.json"].update(length=len(snapshot), hashes=hashes(snapshot)),
        )
    assert refused(UntrustedMetadata, trusted, laid).reason == "signature"


def hashes(data: bytes) -> dict[str, str]:
    from hashlib import sha256

    return {"sha256": sha256(data).hexdigest()}


@pytest.mark.parametrize("role", ONLINE)
def test_a_key_of_another_role_does_not_count(role: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    other = laid.online["targets" if role != "targets" else "timestamp"]
    laid.publish()
    laid.online[role] = other
    laid.resign(role, [other], lambda _: None)
    if role != "timestamp":
        laid.bind()
    refused(UntrustedMetadata, trusted, laid)


def rotated_by(laid: Laid, old: int, new: int) -> None:
    """Root 2 with new root keys, signed by so many old and so many new ones."""
    signed = json.loads(laid.state["1.root.json"])["signed"]
    before = laid.roots
    laid.rotate("root")
    signed = json.loads(laid.state["2.root.json"])["signed"]
    laid.state["2.root.json"] = signed_by(signed, [*before[:old], *laid.roots[:new]])


@pytest.mark.parametrize(
    ("old", "new", "error", "by"),
    [
        (0, 3, UntrustedMetadata, "root 1"),
        (1, 3, MetadataBelowThreshold, "root 1"),
        (2, 0, UntrustedMetadata, "root 2 itself"),
        (2, 1, MetadataBelowThreshold, "root 2 itself"),
    ],
)
def test_a_root_needs_the_old_and_the_new_threshold(old: int, new: int, error: type[StellaError], by: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    rotated_by(laid, old, new)
    caught = refused(error, trusted, laid)
    assert caught.facts["by"] == by
    assert caught.reason == ("threshold" if error is MetadataBelowThreshold else "signature")
    rotated_by(laid := Laid(), 2, 2)
    assert verify_update(trusted, laid.state).new_roots == (2,)


def test_one_key_under_two_ids_does_not_meet_a_threshold() -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.rotate("root")
    signed = json.loads(laid.state["2.root.json"])["signed"]
    only = laid.roots[0]
    twin = "0" * 64
    signed["keys"][twin] = signed["keys"][only.keyid]
    signed["roles"]["root"]["keyids"] = [only.keyid, twin]
    document = json.loads(signed_by(signed, [*Laid().roots[:2], only]))
    document["signatures"].append({"keyid": twin, "sig": document["signatures"][-1]["sig"]})
    laid.state["2.root.json"] = json.dumps(document).encode()
    assert "under its own id" in str(refused(BadMetadata, trusted, laid))


WEAK = "01" + "00" * 31


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key["keyval"].update(public=WEAK),
        lambda key: key["keyval"].update(public=key["keyval"]["public"].upper()),
        lambda key: key["keyval"].update(public=None),
        lambda key: key["keyval"].update(public="zz"),
        lambda key: key.update(keyval={}),
        lambda key: key.update(scheme="ecdsa-sha2-nistp256"),
        lambda key: key.update(keytype="rsa"),
    ],
)
def test_a_key_of_another_kind_or_spelling_is_no_key(change: Callable[[dict[str, Any]], None]) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    old = list(laid.roots)
    laid.rotate("root")
    keyid = laid.online["timestamp"].keyid
    laid.resign("root", [*old, *laid.roots], lambda signed: change(signed["keys"][keyid]))
    refused(BadMetadata, trusted, laid)


@pytest.mark.parametrize("step", [2, 3])
def test_a_root_cannot_be_skipped(step: int) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.rotate("root").rotate("timestamp").rotate("root")
    del laid.state[f"{step}.root.json"]
    caught = refused(RootGap, trusted, laid)
    assert caught.facts == {"missing": f"{step}.root.json", "trusted": 1, "offered": 4}
    assert caught.reason == "root_gap"


def test_a_root_version_is_exactly_one_more() -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    old = list(laid.roots)
    laid.rotate("root")
    laid.resign("root", [*old, *laid.roots], lambda signed: signed.update(version=3))
    assert "it says version 3" in str(refused(BadMetadata, trusted, laid))


def test_a_second_history_of_the_trusted_root_is_mixed() -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.rotate("root")
    laid.state["1.root.json"] = Laid("other").state["1.root.json"]
    assert refused(MetadataMixed, trusted, laid).facts["name"] == "1.root.json"


def test_an_older_root_is_a_rollback() -> None:
    laid = Laid()
    old = dict(laid.state)
    laid.rotate("root")
    trusted = trusted_of(laid)
    laid.state = old
    assert refused(MetadataRollback, trusted, laid).facts == {"name": "root.json", "found": 1, "seen": 2}


def test_an_older_state_is_a_rollback() -> None:
    laid = Laid()
    old = dict(laid.state)
    trusted = trusted_of(laid.publish())
    laid.state = old
    caught = refused(MetadataRollback, trusted, laid)
    assert (caught.facts["name"], caught.reason) == ("timestamp.json", "rollback")


def set_version(role: str, version: int) -> Callable[[dict[str, Any]], None]:
    return lambda signed: signed["meta"][f"{role}.json"].update(version=version)


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_an_older_file_under_a_new_timestamp_is_a_rollback(role: str) -> None:
    """A thief of the online keys cannot bring back what a site has gone past."""
    laid = Laid()
    laid.publish()
    trusted = trusted_of(laid)
    laid.publish()
    old = Laid().state
    laid.state[f"1.{role}.json"] = old[f"1.{role}.json"]
    del laid.state[f"3.{role}.json"]
    parent = {"snapshot": "timestamp", "targets": "snapshot"}[role]
    laid.resign(parent, [laid.online[parent]], set_version(role, 1))
    laid.bind()
    refused(MetadataRollback, trusted, laid)


def test_a_targets_version_seen_before_counts_even_without_its_snapshot() -> None:
    laid = Laid()
    targets = Laid().publish().state["2.targets.json"]
    trusted = Trusted(laid.state["1.root.json"], targets=targets)
    assert refused(MetadataRollback, trusted, laid).facts["name"] == "1.targets.json"


def test_a_listed_file_may_not_disappear() -> None:
    laid = Laid()
    extra = {"version": 4}
    laid.resign("snapshot", [laid.online["snapshot"]], lambda signed: signed["meta"].update({"kits.json": dict(extra)}))
    laid.bind()
    trusted = trusted_of(laid)
    laid.publish()
    caught = refused(MetadataRollback, trusted, laid)
    assert caught.facts == {"name": "kits.json", "found": "none", "seen": 4}


def test_a_snapshot_version_that_a_timestamp_named_counts_even_without_its_snapshot() -> None:
    laid = Laid()
    trusted = Trusted(laid.state["1.root.json"], timestamp=Laid().publish().state["timestamp.json"])
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed.update(version=3))
    caught = refused(MetadataRollback, trusted, laid)
    assert caught.facts == {"name": "snapshot.json", "found": 1, "seen": 2}


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_files_of_two_publications_do_not_mix(role: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    other = Laid().publish({"a": b"1"})
    laid.publish({"a": b"2"})
    laid.state[laid.name(role)] = other.state[other.name(role)]
    assert refused(MetadataMixed, trusted, laid).reason == "mix_and_match"


@pytest.mark.parametrize("role", ONLINE)
def test_one_version_has_one_content(role: str) -> None:
    one, two = Laid().publish({"a": b"1"}), Laid().publish({"a": b"2"})
    trusted = trusted_of(one)
    kept = {"timestamp": None, "snapshot": None, "targets": None} | {role: getattr(trusted, role)}
    caught = refused(MetadataMixed, Trusted(trusted.root, **kept), two)
    assert "seen before" in str(caught)


def test_a_file_that_is_not_what_its_name_says() -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.publish()
    laid.resign("snapshot", [laid.online["snapshot"]], lambda signed: signed.update(version=9))
    laid.bind()
    assert "it says version 9" in str(refused(MetadataMixed, trusted, laid))


@pytest.mark.parametrize("parent", ["timestamp", "snapshot"])
@pytest.mark.parametrize("dropped", ["hashes", "length"])
def test_a_parent_must_bind_its_child(parent: str, dropped: str) -> None:
    laid = Laid()
    child = {"timestamp": "snapshot", "snapshot": "targets"}[parent]
    laid.resign(parent, [laid.online[parent]], lambda signed: signed["meta"][f"{child}.json"].pop(dropped))
    if parent == "snapshot":
        data = laid.state["1.snapshot.json"]
        laid.resign(
            "timestamp",
            [laid.online["timestamp"]],
            lambda signed: signed["meta"]["snapshot.json"].update(length=len(data), hashes=hashes(data)),
        )
    caught = refused(BadMetadata, Trusted(laid.state["1.root.json"]), laid)
    assert "does not bind" in str(caught)


@pytest.mark.parametrize(("length", "algorithm"), [(-1, "sha256"), (1, "sha256"), (0, "sha512")])
def test_length_and_digest_both_count(length: int, algorithm: str) -> None:
    import hashlib

    laid = Laid()
    data = laid.state["1.snapshot.json"]
    bound = {"length": len(data) + length, "hashes": {algorithm: hashlib.new(algorithm, data).hexdigest()}}
    laid.resign("timestamp", [laid.online["timestamp"]], lambda signed: signed["meta"]["snapshot.json"].update(bound))
    with pytest.raises((BadMetadata, MetadataMixed)):
        verify_update(Trusted(laid.state["1.root.json"]), laid.state)


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.root.json"])
def test_a_missing_file(name: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    del laid.state[name]
    assert refused(BadMetadata, trusted, laid).facts == {"name": name, "problem": "it is missing"}


def test_a_snapshot_without_targets() -> None:
    laid = Laid()
    laid.resign("snapshot", [laid.online["snapshot"]], lambda signed: signed.update(meta={}))
    data = laid.state["1.snapshot.json"]
    laid.resign(
        "timestamp",
        [laid.online["timestamp"]],
        lambda signed: signed["meta"]["snapshot.json"].update(length=len(data), hashes=hashes(data)),
    )
    assert "names no targets" in str(refused(BadMetadata, Trusted(laid.state["1.root.json"]), laid))


@pytest.mark.parametrize("role", ["targets", "root", "snapshot"])
def test_metadata_of_another_role(role: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.state["timestamp.json"] = laid.state[f"1.{role}.json"]
    assert "another role" in str(refused(BadMetadata, trusted, laid))


@pytest.mark.parametrize(
    "name", ["kits.json", "2.snapshot.json", "01.root.json", "x.root.json", "²3.root.json", "1.root.json\n", "\x1b"]
)
def test_a_stray_file(name: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.state[name] = b"{}"
    caught = refused(BadMetadata, trusted, laid)
    assert "no other file names it" in str(caught)
    assert "\x1b" not in str(caught)


@pytest.mark.parametrize("role", [*ONLINE, "root"])
def test_a_file_above_its_limit_is_not_parsed(role: str) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.rotate("root")
    laid.state[laid.name(role)] = big = b" " * (LIMITS[role] + 1)
    for parent, child in (("snapshot", "targets"), ("timestamp", "snapshot")):
        if role == child:
            laid.resign(
                parent,
                [laid.online[parent]],
                lambda signed, c=child: signed["meta"][f"{c}.json"].update(length=len(big), hashes=hashes(big)),
            )
    if role == "targets":
        laid.bind()
    assert "the limit is" in str(refused(BadMetadata, trusted, laid))


def test_a_file_at_its_limit_is_parsed() -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.state["timestamp.json"] = b" " * LIMITS["timestamp"]
    assert "cannot be parsed" in str(refused(BadMetadata, trusted, laid))


HOSTILE = [
    b"",
    b"\xff",
    b"[" * 100_000,
    b'{"signed":' * 50_000,
    b"null",
    b"1" * 5000,
    b'{"signed":{"_type":"timestamp"}}',
    b'{"signatures":[],"signed":{"_type":"root","version":1e400}}',
    b'{"signatures":[{"keyid":1}],"signed":{"_type":"timestamp","version":-1}}',
    b'{"signatures":[{"keyid":"a","sig":"zz"},{"keyid":"a","sig":"zz"}],"signed":{"_type":"timestamp"}}',
    '{"signatures":[],"signed":{"_type":"timestamp","expires":"\ud800"}}'.encode("utf-8", "surrogatepass"),
]


@pytest.mark.parametrize("name", ["timestamp.json", "1.root.json", "2.root.json"])
@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_bytes_are_a_typed_error(name: str, data: bytes) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    laid.state[name] = data
    refused(BadMetadata, trusted, laid)


DEEP: Any = 0
for _ in range(600):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [1.5, DEEP, "\ud800", 2**70])
def test_a_document_without_canonical_form_is_not_signed(value: Any) -> None:
    laid = Laid()
    trusted = trusted_of(laid)
    document = json.loads(laid.state["timestamp.json"])
    document["signed"]["extra"] = value
    laid.state["timestamp.json"] = json.dumps(document).encode()
    refused(UntrustedMetadata, trusted, laid)


def tampered(name: str, data: bytes) -> Update | StellaError:
    laid = Laid().rotate("root")
    trusted = Trusted(Laid().state["1.root.json"])
    laid.state[name] = data
    try:
        return verify_update(trusted, laid.state)
    except StellaError as error:
        return error


NAMES = ("1.root.json", "2.root.json", "2.targets.json", "2.snapshot.json", "timestamp.json")
STATE = Laid().rotate("root").state
GENUINE = verify_update(Trusted(Laid().state["1.root.json"]), STATE)


def same_meaning(update: Update) -> bool:
    """Whether only what nobody signed was changed."""
    ours = [(key, value) for key, value in vars(update).items() if key != "files"]
    return ours == [(key, value) for key, value in vars(GENUINE).items() if key != "files"]


@given(st.sampled_from(NAMES), st.data())
def test_a_flipped_bit_never_verifies_as_something_else(name: str, data: st.DataObject) -> None:
    bits = bytearray(STATE[name])
    at = data.draw(st.integers(0, len(bits) * 8 - 1))
    bits[at // 8] ^= 1 << (at % 8)
    found = tampered(name, bytes(bits))
    assert isinstance(found, StellaError) or same_meaning(found)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_flipped_bit_verifies_as_something_else(name: str) -> None:
    accepted = []
    for at in range(len(STATE[name]) * 8):
        bits = bytearray(STATE[name])
        bits[at // 8] ^= 1 << (at % 8)
        found = tampered(name, bytes(bits))
        if isinstance(found, Update):
            assert same_meaning(found), at
            accepted.append(at)
    bound = name.endswith((".snapshot.json", ".targets.json"))  # the others may spell a signature's hex otherwise
    assert not (bound and accepted)


@given(st.sampled_from(NAMES), st.binary(max_size=200), st.integers(0, 4000), st.integers(0, 200))
@example("timestamp.json", b"", 0, 4000)
def test_replaced_ranges_never_verify_as_something_else(name: str, new: bytes, at: int, length: int) -> None:
    data = STATE[name]
    found = tampered(name, data[:at] + new + data[at + length :])
    assert isinstance(found, StellaError) or same_meaning(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = ["keys", "roles", "meta", "targets", "version", "expires", "spec_version", "_type", "consistent_snapshot"]


@given(st.sampled_from(["root", "timestamp", "snapshot", "targets"]), st.sampled_from(PLACES), JSON)
@example("snapshot", "meta", {"targets.json": {"version": 1.5, "length": "1", "hashes": {"sha256": 1}}})
@example("root", "keys", {"a": {"keytype": "rsa", "scheme": "x", "keyval": {"public": "y"}}})
@example("timestamp", "version", True)
def test_any_signed_nonsense_is_an_update_or_a_typed_error(role: str, place: str, value: Any) -> None:
    """Even whoever holds every key cannot crash a site."""
    laid = Laid()
    trusted = Trusted(laid.state["1.root.json"])
    if role == "root":
        old = list(laid.roots)
        laid.rotate("root")
        keys = [*old, *laid.roots]
    else:
        keys = [laid.online[role]]
    try:
        laid.resign(role, keys, lambda signed: signed.update({place: value}))
        if role in {"targets", "snapshot"}:
            laid.bind()
    except (StellaError, KeyError, TypeError, AttributeError, ValueError):
        return  # it has no canonical form, or does not bind anything: nobody can sign it
    except Exception as error:
        if type(error).__module__.startswith("securesystemslib"):
            return
        raise
    with contextlib.suppress(StellaError):
        verify_update(trusted, laid.state)
