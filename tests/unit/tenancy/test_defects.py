"""A regression test for each class of defect that libraries for tokens had.

Rules:
- Identifiers name the defect of another product that a test guards against; each token here is an attack that worked
  there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from stella.kernel.canonical import dump
from stella.tenancy import errors
from stella.tenancy.compact import decode, encode
from stella.tenancy.errors import BadKeySet
from stella.tenancy.keys import read_key, read_set
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Presented
from tests.unit.tenancy.issued import ED, ES, OTHER, claims, rs, token, verifier

PUBLIC = serialization.PublicFormat
CODING = serialization.Encoding


def reason_of(text: str) -> str:
    with pytest.raises(errors.Refusal) as caught:
        verifier().verify(Presented(text))
    return caught.value.reason


def by_secret(secret: bytes, kid: str, alg: str = "HS256") -> str:
    """A token with an HMAC under a secret that everybody knows."""
    head = encode(json.dumps({"alg": alg, "typ": "at+jwt", "kid": kid}).encode())
    signed = f"{head}.{encode(json.dumps(claims()).encode())}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def public_forms(key: SigningKey) -> dict[str, bytes]:
    native = key._native.public_key()
    return {
        "PEM": native.public_bytes(CODING.PEM, PUBLIC.SubjectPublicKeyInfo),
        "PEM stripped": native.public_bytes(CODING.PEM, PUBLIC.SubjectPublicKeyInfo).strip(),
        "DER": native.public_bytes(CODING.DER, PUBLIC.SubjectPublicKeyInfo),
        "ssh": native.public_bytes(CODING.OpenSSH, PUBLIC.OpenSSH),
        "JWK": json.dumps(key.jwk()).encode(),
        "JWK canonical": dump(key.jwk()),
        "key set": json.dumps({"keys": [key.jwk()]}).encode(),
        "empty": b"",
    }


@pytest.mark.parametrize("form", public_forms(ES))
@pytest.mark.parametrize("key", [ES, ED, rs()], ids=lambda key: key.alg)
@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_public_key_is_never_a_secret(key: SigningKey, form: str, alg: str) -> None:
    """CVE-2022-29217 (ssh form), CVE-2024-33663 and -37568 (algorithm confusion), CVE-2026-48526 (JWK as secret)."""
    found = reason_of(by_secret(public_forms(key)[form], key.kid, alg))
    assert found == ("token.bad_signature" if alg == key.alg else "token.alg_denied")


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["cnf", "x"], [], "b64", None, ["https://example.com/unknown"]])
def test_an_extension_is_never_ignored(crit: Any) -> None:
    """CVE-2025-59420 (unknown `crit`), GHSA-752w-5fwx-jx9f (`crit` not looked at)."""
    assert reason_of(token(header={"crit": crit})) == "token.malformed"


def test_a_payload_that_is_not_encoded_is_not_read() -> None:
    """RFC 7797: with `b64` false the signature is over another text."""
    assert reason_of(token(header={"b64": False})) == "token.malformed"
    assert reason_of(token(header={"b64": False, "crit": ["b64"]})) == "token.malformed"


def test_a_bomb_is_not_unpacked() -> None:
    """CVE-2024-33664: an encrypted token that inflates. Five parts are no token, and `zip` means nothing here."""
    assert reason_of(token() + ".AAAA.AAAA") == "token.malformed"
    assert verifier().verify(Presented(token(header={"zip": "DEF"}))).tenant == "acme"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_an_unsigned_token(alg: str, signature: str) -> None:
    head = encode(json.dumps({"alg": alg, "typ": "at+jwt", "kid": ES.kid}).encode())
    assert reason_of(f"{head}.{encode(json.dumps(claims()).encode())}.{signature}") == "token.alg_denied"


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": OTHER.jwk()},
        {"jwk": OTHER.jwk(), "kid": OTHER.kid},
        {"jku": "https://attacker.example/jwks"},
        {"x5u": "https://attacker.example/chain"},
        {"x5c": ["AAAA"]},
    ],
    ids=str,
)
def test_a_key_that_the_token_brings(header: dict[str, Any]) -> None:
    assert reason_of(token(OTHER, header={"kid": ES.kid} | header)) == "token.malformed"


@pytest.mark.parametrize("kid", ["../../../dev/null", "' OR 1=1 --", "/etc/passwd", "\0", "|id", "${x}", ES.kid + " "])
def test_a_key_id_is_a_name_in_a_table_and_nothing_else(kid: str) -> None:
    assert reason_of(token(header={"kid": kid})) == "token.unknown_key"


def test_signatures_of_nothing() -> None:
    """CVE-2022-21449: r and s of 0, or of the order of the group, verify anything."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, body, _ = token(ES).split(".")
    for r in (0, 1, order - 1, order, 2**256 - 1):
        for s in (0, 1, order, 2**256 - 1):
            made = encode(r.to_bytes(32) + s.to_bytes(32))
            assert reason_of(f"{head}.{body}.{made}") == "token.bad_signature"
            assert reason_of(f"{head}.{body}.{encode(encode_dss_signature(r, s))}") == "token.bad_signature"


@pytest.mark.parametrize(
    "x",
    [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f", b"\xed" + b"\xff" * 30 + b"\x7f"],
    ids=["0", "1", "-1", "not reduced"],
)
def test_a_point_for_which_anyone_can_sign(x: bytes) -> None:
    assert read_key({"kty": "OKP", "crv": "Ed25519", "x": encode(x)}) is None


def test_an_ed25519_signature_has_one_spelling() -> None:
    """S and S + L are the same to a verifier that does not look (RFC 8032 section 5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    head, body, signature = token(ED).split(".")
    raw = decode(signature.encode()) or b""
    moved = raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    assert reason_of(f"{head}.{body}.{encode(moved)}") == "token.bad_signature"


def test_a_point_beside_the_curve() -> None:
    jwk = ES.jwk()
    off = encode(bytes(31) + b"\x05")
    assert read_key(jwk) is not None
    for bent in ({"x": off}, {"y": off}, {"x": off, "y": off}, {"x": encode(bytes(32)), "y": encode(bytes(32))}):
        assert read_key(jwk | bent) is None


@pytest.mark.parametrize("use", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": []}, {"key_ops": "verify"}])
@pytest.mark.parametrize("key", [ES, ED, rs()], ids=lambda key: key.alg)
def test_a_key_for_another_use(key: SigningKey, use: dict[str, Any]) -> None:
    """What PyJWT accepts: `use` and `key_ops` are not looked at."""
    with pytest.raises(BadKeySet):
        read_set(json.dumps({"keys": [key.jwk() | use]}).encode(), "x")


def test_a_time_that_is_text() -> None:
    """What PyJWT accepts: `exp` as a string of digits."""
    assert reason_of(token(exp=str(claims()["exp"]))) == "token.malformed"


def test_a_token_for_one_service_is_not_used_at_another() -> None:
    """RFC 8725 section 3.9; a list in which ours is one of several would make every service in it a thief."""
    for aud in ("other", ["stella", "other"], ["stella", "stella"], [], "stella ", "STELLA", "stella,other"):
        assert reason_of(token(aud=aud)) == "token.aud"


def test_another_kind_of_token_by_the_same_key() -> None:
    """RFC 8725 section 3.11: an id token or a logout token of the issuer is no access token."""
    for typ in ("JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", "id_token"):
        assert reason_of(token(header={"typ": typ})) == "token.malformed"
