"""Our envelopes and securesystemslib's are read by each other, and both refuse the same ones."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from stella.kernel import dsse
from stella.kernel.errors import BadSignature, BelowThreshold
from stella.signing import attestation, verification
from stella.signing.keys import PrivateKey
from stella.signing.signing_key import SigningKey
from stella.testing import counted_entropy
from tests import signed

TYPE = "application/vnd.in-toto+json"
ENTROPY = counted_entropy("dsse peers")
KEYS = [PrivateKey.generate(ENTROPY) for _ in range(3)]


def theirs(key: PrivateKey) -> SSlibKey:
    return SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.public.raw.hex()})


@given(st.binary(max_size=300), st.text(max_size=30).filter(lambda text: text.isprintable()))
def test_they_read_ours(payload: bytes, kind: str) -> None:
    data = dsse.sign(kind, payload, KEYS)
    envelope = Envelope.from_dict(json.loads(data))
    assert set(envelope.verify([theirs(key) for key in KEYS], 3)) == {key.keyid for key in KEYS}
    assert (envelope.payload, envelope.payload_type, envelope.pae()) == (payload, kind, dsse.pae(kind, payload))


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_we_read_theirs(payload: bytes, seed: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    ours = PrivateKey(private)
    envelope = Envelope(payload, TYPE, {})
    envelope.sign(CryptoSigner(private, theirs(ours)))
    data = json.dumps(envelope.to_dict()).encode()
    verified = dsse.verify(data, TYPE, [ours.public], 1, "envelope")
    assert (verified.payload, verified.keyids) == (payload, (ours.keyid,))


@pytest.mark.parametrize("change", [{"payload": "cGF5bG9hZQ=="}, {"payloadType": "text/plain"}])
def test_both_refuse_what_was_changed(change: dict[str, str]) -> None:
    document = json.loads(dsse.sign(TYPE, b"payload", KEYS[:1])) | change
    data = json.dumps(document).encode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(data)).verify([theirs(KEYS[0])], 1)
    with pytest.raises(BadSignature):
        dsse.verify(data, document["payloadType"], [KEYS[0].public], 1, "envelope")


def test_both_refuse_another_key_and_a_missed_threshold() -> None:
    data = dsse.sign(TYPE, b"payload", KEYS[:1])
    swapped = data.replace(KEYS[0].keyid.encode(), KEYS[1].keyid.encode())
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(swapped)).verify([theirs(KEYS[1])], 1)
    with pytest.raises(BadSignature):
        dsse.verify(swapped, TYPE, [KEYS[1].public], 1, "envelope")
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(data)).verify([theirs(key) for key in KEYS[:2]], 2)
    with pytest.raises(BelowThreshold):
        dsse.verify(data, TYPE, [key.public for key in KEYS[:2]], 2, "envelope")


@pytest.mark.parametrize("key", [signed.P256, signed.ED25519])
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_they_read_the_envelopes_of_our_bundles(key: SigningKey, predicate: dict[str, object]) -> None:
    data = signed.by_key(key, payload=attestation.statement(signed.KIND, {"x": signed.DIGEST}, predicate))
    document = json.loads(data)["dsseEnvelope"]
    for signature in document["signatures"]:
        signature["keyid"] = key.keyid
    believed = SSlibKey.from_crypto(load_der_public_key(key.public.spki), key.keyid)
    envelope = Envelope.from_dict(document)
    assert set(envelope.verify([believed], 1)) == {key.keyid}
    other = SSlibKey.from_crypto(load_der_public_key(signed.STRANGER.public.spki), key.keyid)
    with pytest.raises(VerificationError):
        envelope.verify([other], 1)


@pytest.mark.parametrize("key", [signed.P256, signed.ED25519])
def test_we_read_bundles_around_their_envelopes(key: SigningKey) -> None:
    theirs_public = SSlibKey.from_crypto(load_der_public_key(key.public.spki), key.keyid)
    envelope = Envelope(signed.PAYLOAD, TYPE, {})
    envelope.sign(CryptoSigner(key.native, theirs_public))
    document = json.loads(signed.by_key(key, None))
    document["dsseEnvelope"] = envelope.to_dict()
    found = verification.verify(json.dumps(document).encode(), signed.trust(), signed.demand())
    assert found.keyid == key.keyid
