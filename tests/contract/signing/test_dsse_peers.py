"""Our envelopes and securesystemslib's are read by each other, and both refuse the same ones."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from stella.kernel import dsse
from stella.kernel.errors import BadSignature, BelowThreshold
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy

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
