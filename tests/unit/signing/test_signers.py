"""The signer policy: who may sign what, and which policies are refused."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.errors import BadSignature, BelowThreshold, KeyUnknown, NotCanonical, NotJson, WrongPayloadType
from stella.signing.errors import BadPolicy, MalformedPublicKey
from stella.signing.keys import PrivateKey, PublicKey
from stella.signing.signers import (
    MAX_ANCHORS,
    MAX_KEYS,
    AnchorRoot,
    PolicyRole,
    SignerPolicy,
    parse,
    policy_key,
    verify_packer,
    verify_release,
)
from stella.testing import counted_entropy

ENTROPY = counted_entropy("signers")
RELEASE = [PrivateKey.generate(ENTROPY) for _ in range(3)]
PACKER, STRANGER = PrivateKey.generate(ENTROPY), PrivateKey.generate(ENTROPY)
TYPE = "application/vnd.in-toto+json"
ANCHOR = AnchorRoot("own-1", base64.b64encode(b"der").decode(), "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z", False)


def policy(**changes: Any) -> SignerPolicy:
    keys = tuple(policy_key(key.public, development=key is RELEASE[2]) for key in RELEASE)
    made = SignerPolicy(
        channel="acme",
        channel_id="0" * 32,
        release=PolicyRole(keys, 2),
        packer=PolicyRole((policy_key(PACKER.public, development=False),), 1),
        anchors=(ANCHOR,),
    )
    return msgspec.structs.replace(made, **changes)


def changed(anchor: AnchorRoot = ANCHOR, **changes: Any) -> AnchorRoot:
    return msgspec.structs.replace(anchor, **changes)


def test_it_is_read_as_it_was_written() -> None:
    assert parse(dump(policy())) == policy()
    assert dump(policy()).startswith(b'{"anchors":[')
    assert b'"schema":"stella.signers@1"' in dump(policy())


def test_a_release_needs_its_threshold_of_release_keys() -> None:
    signed = verify_release(policy(), dsse.sign(TYPE, b"payload", RELEASE[:2]), TYPE, "statement")
    assert (signed.payload, signed.development) == (b"payload", False)
    assert signed.keyids == tuple(sorted(key.keyid for key in RELEASE[:2]))
    with pytest.raises(BelowThreshold):
        verify_release(policy(), dsse.sign(TYPE, b"payload", [RELEASE[0], PACKER]), TYPE, "statement")
    with pytest.raises(KeyUnknown):
        verify_release(policy(), dsse.sign(TYPE, b"payload", [PACKER, STRANGER]), TYPE, "statement")
    with pytest.raises(WrongPayloadType):
        verify_release(policy(), dsse.sign("text/plain", b"payload", RELEASE), TYPE, "statement")


def test_one_development_key_makes_it_a_development_signature() -> None:
    assert verify_release(policy(), dsse.sign(TYPE, b"payload", RELEASE[1:]), TYPE, "statement").development


def test_a_signature_that_does_not_verify_does_not_taint() -> None:
    envelope = dsse.sign(TYPE, b"payload", RELEASE[:2])
    other = dsse.sign(TYPE, b"other", RELEASE[2:])
    mixed = msgspec.json.decode(envelope)
    mixed["signatures"] += msgspec.json.decode(other)["signatures"]
    assert not verify_release(policy(), msgspec.json.encode(mixed), TYPE, "statement").development


def test_the_packer_is_another_role() -> None:
    assert verify_packer(policy(), dsse.sign(TYPE, b"payload", [PACKER]), TYPE, "packer").payload == b"payload"
    with pytest.raises(KeyUnknown):
        verify_packer(policy(), dsse.sign(TYPE, b"payload", RELEASE), TYPE, "packer")
    with pytest.raises(BadSignature):
        verify_packer(policy(), dsse.sign(TYPE, b"a", [PACKER]).replace(b'"YQ=="', b'"Yg=="'), TYPE, "packer")


def misnamed() -> PolicyRole:
    key = policy_key(STRANGER.public, development=False)
    return PolicyRole((msgspec.structs.replace(key, keyid=RELEASE[0].keyid),), 1)


KEYS = policy().release.keys


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"release": PolicyRole((), 1)}, "threshold is 1 of 0"),
        ({"release": PolicyRole(KEYS, 0)}, "threshold is 0 of 3"),
        ({"release": PolicyRole(KEYS, 4)}, "threshold is 4 of 3"),
        ({"packer": PolicyRole((), 0)}, "packer threshold is 0 of 0"),
        ({"release": PolicyRole((KEYS[0], KEYS[0]), 2)}, "occurs twice"),
        ({"release": misnamed()}, "under the id of another key"),
        ({"packer": PolicyRole(KEYS[:1], 1)}, "both a release key and a packer key"),
        ({"release": PolicyRole(KEYS * (MAX_KEYS // 3 + 1), 1)}, f"the limit is {MAX_KEYS}"),
        ({"anchors": (ANCHOR, ANCHOR)}, "one name"),
        ({"anchors": (ANCHOR, changed(name="own-2", revoked=True))}, "occurs twice"),
        ({"anchors": (changed(valid_from="2026-01-01"),)}, "malformed"),
        ({"anchors": (changed(valid_to="9999-99-99T00:00:00Z"),)}, "malformed"),
        ({"anchors": (changed(certificate="***"),)}, "malformed"),
        ({"anchors": (changed(certificate="é"),)}, "malformed"),
        ({"anchors": (changed(valid_to=ANCHOR.valid_from),)}, "ends before it begins"),
        ({"anchors": tuple(changed(name=str(at)) for at in range(MAX_ANCHORS + 1))}, f"the limit is {MAX_ANCHORS}"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadPolicy, match=problem):
        parse(dump(policy(**changes)))


def test_a_policy_at_its_limits_is_read() -> None:
    many = tuple(policy_key(PrivateKey.generate(ENTROPY).public, development=False) for _ in range(MAX_KEYS))
    anchors = tuple(
        changed(name=str(at), certificate=base64.b64encode(b"%d" % at).decode()) for at in range(MAX_ANCHORS)
    )
    full = policy(release=PolicyRole(many, MAX_KEYS), anchors=anchors)
    assert parse(dump(full)) == full


def test_a_malformed_key_is_refused() -> None:
    weak = msgspec.structs.replace(KEYS[0], public=base64.b64encode(b"\x01" + bytes(31)).decode())
    with pytest.raises(MalformedPublicKey):
        parse(dump(policy(release=PolicyRole((weak,), 1))))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotJson),
        (b"{}", NotJson),
        (dump(policy()) + b"\n", NotCanonical),
        (dump(policy()).replace(b'"channel":', b'"extra":1,"channel":'), NotJson),
        (dump(policy()).replace(b"signers@1", b"signers@2"), NotJson),
    ],
)
def test_another_document_or_spelling_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(data)


def test_a_policy_key_is_a_public_key() -> None:
    made = policy_key(STRANGER.public, development=True)
    assert PublicKey.from_base64(made.public).keyid == made.keyid == STRANGER.keyid
    assert made.development
