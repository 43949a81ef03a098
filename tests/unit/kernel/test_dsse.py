"""DSSE: the vector of its specification, and every way an envelope is not what it says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.dsse import MAX_SIGNATURES, Verified, pae, sign, verify
from stella.kernel.errors import BadSignature, BelowThreshold, KeyUnknown, NotJson, StellaError, WrongPayloadType
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy

TYPE = "application/vnd.in-toto+json"
ENTROPY = counted_entropy("dsse")
ONE, TWO, STRANGER = (PrivateKey.generate(ENTROPY) for _ in range(3))
KEYS = [ONE.public, TWO.public]
PAYLOAD = b'{"what":"is signed"}'
ENVELOPE = sign(TYPE, PAYLOAD, [ONE, TWO])


def altered(**changes: Any) -> bytes:
    return json.dumps(json.loads(ENVELOPE) | changes).encode()


def signatures(*signed: tuple[str, bytes]) -> list[dict[str, str]]:
    return [{"keyid": keyid, "sig": base64.b64encode(raw).decode()} for keyid, raw in signed]


def refused(error: type[StellaError], data: bytes, threshold: int = 1, kind: str = TYPE) -> StellaError:
    with pytest.raises(StellaError) as caught:
        verify(data, kind, KEYS, threshold, "statement")
    assert type(caught.value) is error, caught.value
    return caught.value


def test_the_encoding_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("\u20ac", b"") == b"DSSEv1 3 \xe2\x82\xac 0 "


class SpecificationKey:
    """The ECDSA key of the test vector in the DSSE protocol document."""

    keyid = "66301bbf"

    def __init__(self) -> None:
        x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
        y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
        self.key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()

    def verify(self, signature: bytes, data: bytes) -> bool:
        r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        self.key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        return True


def test_the_envelope_of_the_specification() -> None:
    sig = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    data = json.dumps(
        {
            "payload": "aGVsbG8gd29ybGQ=",
            "payloadType": "http://example.com/HelloWorld",
            "signatures": [{"keyid": "66301bbf", "sig": sig}],
        }
    ).encode()
    found = verify(data, "http://example.com/HelloWorld", [SpecificationKey()], 1, "vector")
    assert found == Verified(b"hello world", ("66301bbf",))


def test_an_envelope_gives_its_payload_and_the_keys_that_signed() -> None:
    found = verify(ENVELOPE, TYPE, KEYS, 2, "statement")
    assert found == Verified(PAYLOAD, tuple(sorted((ONE.keyid, TWO.keyid))))
    assert sign(TYPE, PAYLOAD, [TWO, ONE]) == ENVELOPE


def test_url_safe_base64_is_read_too() -> None:
    payload = b"\xfb\xff\xbf" * 5
    document = json.loads(sign(TYPE, payload, [ONE]))
    assert "+" in document["payload"]
    document["payload"] = document["payload"].replace("+", "-").replace("/", "_")
    document["signatures"][0]["sig"] = document["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert verify(json.dumps(document).encode(), TYPE, KEYS, 1, "statement").payload == payload


def test_a_key_id_is_only_a_hint() -> None:
    data = altered(signatures=signatures(("anything", ONE.sign(pae(TYPE, PAYLOAD)))))
    assert verify(data, TYPE, KEYS, 1, "statement").keyids == (ONE.keyid,)


def test_one_key_counts_once() -> None:
    raw = ONE.sign(pae(TYPE, PAYLOAD))
    data = altered(signatures=signatures((ONE.keyid, raw), (TWO.keyid, raw), ("other", raw)))
    caught = refused(BelowThreshold, data, 2)
    assert caught.facts == {"valid": 1, "threshold": 2, "what": "statement"}
    with pytest.raises(BelowThreshold):
        verify(sign(TYPE, PAYLOAD, [ONE, ONE]), TYPE, [ONE.public, ONE.public], 2, "statement")


@pytest.mark.parametrize("threshold", [0, -1])
def test_no_threshold_is_below_one(threshold: int) -> None:
    refused(KeyUnknown, altered(signatures=[]), threshold)


def test_a_swapped_type_is_refused_before_and_after() -> None:
    assert refused(WrongPayloadType, ENVELOPE, kind="text/plain").reason == "payload_type"
    refused(BadSignature, altered(payloadType="text/plain"), kind="text/plain")


def test_a_signature_over_the_payload_alone_is_refused() -> None:
    for what in (PAYLOAD, base64.b64encode(PAYLOAD), base64.urlsafe_b64encode(PAYLOAD)):
        refused(BadSignature, altered(signatures=signatures((ONE.keyid, ONE.sign(what)))))


def test_bytes_cannot_move_between_type_and_payload() -> None:
    raw = ONE.sign(pae("a", b"b 1 c"))
    data = {"payload": base64.b64encode(b"c").decode(), "payloadType": "a 5 b", "signatures": signatures(("", raw))}
    refused(KeyUnknown, json.dumps(data).encode(), kind="a 5 b")


def test_a_stranger_is_unknown_and_a_wrong_signature_is_wrong() -> None:
    assert refused(KeyUnknown, sign(TYPE, PAYLOAD, [STRANGER])).facts == {"signatures": 1, "trusted": 2}
    raw = STRANGER.sign(pae(TYPE, PAYLOAD))
    assert refused(BadSignature, altered(signatures=signatures((TWO.keyid, raw)))).facts["keyid"] == TWO.keyid[:12]


def test_signatures_are_capped() -> None:
    many = signatures(*[(ONE.keyid, b"x" * 64)] * (MAX_SIGNATURES - 1), (ONE.keyid, ONE.sign(pae(TYPE, PAYLOAD))))
    assert verify(altered(signatures=many), TYPE, KEYS, 1, "statement").payload == PAYLOAD
    caught = refused(NotJson, altered(signatures=[*many, many[0]]))
    assert f"limit is {MAX_SIGNATURES}" in str(caught)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        altered(payload="***"),
        altered(payload="é"),
        altered(payload="YQ"),
        altered(payload=None),
        altered(extra=1),
        altered(signatures=[{"sig": "YQ=="}]),
        altered(signatures=[{"keyid": "a", "sig": "?"}]),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    refused(NotJson, data)


def same_or_refused(data: bytes) -> bool:
    try:
        found = verify(data, TYPE, KEYS, 1, "statement")
    except StellaError:
        return True
    return found.payload == PAYLOAD


@given(st.integers(0, len(ENVELOPE) * 8 - 1))
def test_a_flipped_bit_gives_no_other_payload(at: int) -> None:
    bits = bytearray(ENVELOPE)
    bits[at // 8] ^= 1 << (at % 8)
    assert same_or_refused(bytes(bits))


@pytest.mark.nightly
def test_no_flipped_bit_gives_another_payload() -> None:
    for at in range(len(ENVELOPE) * 8):
        bits = bytearray(ENVELOPE)
        bits[at // 8] ^= 1 << (at % 8)
        assert same_or_refused(bytes(bits)), at


@given(st.binary(max_size=40), st.integers(0, len(ENVELOPE)), st.integers(0, 40))
def test_replaced_bytes_give_no_other_payload(new: bytes, at: int, length: int) -> None:
    assert same_or_refused(ENVELOPE[:at] + new + ENVELOPE[at + length :])


@given(st.integers(0, len(PAYLOAD) * 8 - 1))
def test_a_flipped_bit_of_the_payload_breaks_both_signatures(at: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[at // 8] ^= 1 << (at % 8)
    refused(BadSignature, altered(payload=base64.b64encode(bytes(payload)).decode()))


@given(st.integers(0, 511))
def test_a_flipped_bit_of_a_signature_loses_that_key(at: int) -> None:
    raw = bytearray(ONE.sign(pae(TYPE, PAYLOAD)))
    raw[at // 8] ^= 1 << (at % 8)
    refused(BadSignature, altered(signatures=signatures((ONE.keyid, bytes(raw)))))
    both = signatures((ONE.keyid, bytes(raw)), (TWO.keyid, TWO.sign(pae(TYPE, PAYLOAD))))
    refused(BelowThreshold, altered(signatures=both), 2)
