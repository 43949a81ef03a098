"""Key sets: what is used, what is skipped, and what makes the whole set refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from stella.tenancy.compact import decode, encode
from stella.tenancy.errors import BadKeySet
from stella.tenancy.keys import MAX_KEYS, read_key, read_set
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy
from tests.unit.tenancy.issued import ED, ES, rs


def key_set(*keys: Any, **more: Any) -> bytes:
    return json.dumps({"keys": list(keys)} | more).encode()


def problem(data: bytes) -> str:
    with pytest.raises(BadKeySet) as caught:
        read_set(data, "https://issuer.example")
    return str(caught.value.facts["problem"])


def test_the_usable_keys_by_their_ids() -> None:
    found = read_set(key_set(ES.jwk(), ED.jwk(), rs().jwk(), extra="ignored"), "x")
    assert {kid: key.alg for kid, key in found.items()} == {ES.kid: "ES256", ED.kid: "EdDSA", rs().kid: "RS256"}


@pytest.mark.parametrize(
    "skipped",
    [
        {"kty": "EC", "crv": "P-384", "kid": "a", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "kid": "a", "x": encode(bytes(32))},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "a", "pub": "AA"},
        {"kty": "RSA", "kid": "a", "n": "AA", "e": "AQAB"},
        {"kid": "a"},
        {"kty": ["EC"], "kid": "a"},
        {},
    ],
    ids=str,
)
def test_a_key_of_another_kind_is_skipped(skipped: dict[str, Any]) -> None:
    assert list(read_set(key_set(skipped, ES.jwk()), "x")) == [ES.kid]
    assert problem(key_set(skipped)) == "none of its keys can be used"


@pytest.mark.parametrize("change", [{"kid": ""}, {"kid": 7}, {"kid": None}, {"kid": "k" * 129}, {"kid": ["a"]}])
def test_a_key_without_a_usable_id_is_skipped(change: dict[str, Any]) -> None:
    assert list(read_set(key_set(ES.jwk() | change, ED.jwk()), "x")) == [ED.kid]


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"use": None},
        {"use": ["sig"]},
        {"key_ops": ["sign"]},
        {"key_ops": [["verify"]]},
        {"key_ops": {"verify": 1}},
        {"alg": "RS256"},
        {"alg": "none"},
        {"alg": None},
        {"alg": ["ES256"]},
        {"x": "AA"},
        {"x": 5},
        {"x": None},
        {"x": ""},
        {"y": ES.jwk()["y"] + "="},
        {"y": ES.jwk()["x"]},
        {"crv": "P-256K"},
        {"crv": None},
        {"kty": "RSA"},
        {"kty": "OKP"},
    ],
    ids=str,
)
def test_a_key_that_says_something_else_is_not_used(change: dict[str, Any]) -> None:
    assert read_key(ES.jwk() | change) is None


@pytest.mark.parametrize("change", [{}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"x5c": ["AA"]}])
def test_a_key_that_says_what_fits_is_used(change: dict[str, Any]) -> None:
    found = read_key(ES.jwk() | change)
    assert found is not None
    assert found.thumbprint == ES.kid


def test_edwards_keys_have_two_names_of_their_algorithm() -> None:
    assert read_key(ED.jwk() | {"alg": "Ed25519"}) is not None
    assert read_key(ED.jwk() | {"alg": "Ed448"}) is None


def integer(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8))


def test_rsa_keys_have_bounds() -> None:
    jwk = rs().jwk()
    modulus = int.from_bytes(decode(jwk["n"].encode()) or b"")
    assert read_key(jwk) is not None
    for change in (
        {"e": integer(1)},
        {"e": integer(2)},
        {"e": integer(65536)},
        {"e": integer(2**32 + 1)},
        {"e": encode(b"\0\1\0\1")},
        {"e": ""},
        {"n": encode(b"\0" + (decode(jwk["n"].encode()) or b""))},
        {"n": integer(modulus >> 1024 | 1)},
        {"n": integer(modulus << 8000 | 1)},
        {"n": integer(modulus) + "="},
        {"n": ""},
    ):
        assert read_key(jwk | change) is None, change


def test_a_small_rsa_key_or_another_curve_signs_nothing() -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(ValueError, match="not a key that signs tokens"):
            SigningKey(key)


@pytest.mark.parametrize(
    "secret",
    [
        {"kty": "oct", "kid": "s", "k": "AAAA"},
        {"kty": "oct", "kid": "s"},
        {"kty": "EC", "crv": "P-256", "kid": "s", "d": "AAAA"},
        {"kty": "RSA", "kid": "s", "p": "AAAA"},
        {"kty": "OKP", "kid": "s", "d": None},
        {"kty": "AKP", "kid": "s", "priv": "AAAA"},
        {"kty": "EC", "kid": "s", "k": "AAAA"},
    ],
    ids=str,
)
def test_a_secret_inside_refuses_the_set(secret: dict[str, Any]) -> None:
    assert problem(key_set(ES.jwk(), secret)) == "it publishes a private or symmetric key"


@pytest.mark.parametrize("twin", [ED.jwk() | {"kid": ES.kid}, ES.jwk(), {"kty": "AKP", "kid": ES.kid}])
def test_one_id_twice_refuses_the_set(twin: dict[str, Any]) -> None:
    assert problem(key_set(ES.jwk(), twin)) == "it has one key id twice"


def test_a_set_has_bounds() -> None:
    entropy = counted_entropy("many")
    many = [SigningKey.generate(entropy, "EdDSA").jwk() for _ in range(MAX_KEYS + 1)]
    assert len(read_set(key_set(*many[:-1]), "x")) == MAX_KEYS
    assert problem(key_set(*many)) == f"it has {MAX_KEYS + 1} keys, the limit is {MAX_KEYS}"
    thousand = [{"kty": "OKP", "kid": str(number)} for number in range(1000)]
    assert problem(key_set(*thousand)) == "it has 1000 keys, the limit is 64"
    assert "larger than" in problem(key_set(ES.jwk(), pad="x" * 1_000_000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":[null]}',
        b'{"keys":["x"]}',
        b'{"keys":[]}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"EC","kty":"RSA"}]}',
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"keys":[' + b"[" * 50_000,
        b'{"keys":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: f"{len(data)} {data[:20]!r}",
)
def test_what_is_no_key_set(data: bytes) -> None:
    assert problem(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([ES.jwk(), ED.jwk(), rs().jwk()]), st.sampled_from(["kty", "crv", "x", "y", "n", "e"]), JSON)
def test_material_of_any_kind_is_a_key_or_none(jwk: dict[str, Any], member: str, value: Any) -> None:
    found = read_key(jwk | {member: value})
    assert found is None or member not in jwk or value == jwk[member]
