"""Keys: the same from the same entropy, encrypted at rest, and never said aloud."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import Exit
from stella.signing.errors import MalformedProductionKey, MalformedPublicKey, WrongPassphrase
from stella.signing.keys import (
    FIELD_PRIME,
    MAX_KEY_FILE,
    P256_ORDER,
    SMALL_ORDER_Y,
    PrivateKey,
    PublicKey,
    TimestampKey,
    production_key,
)
from stella.testing import counted_entropy

PASS = b"a long passphrase"
# RFC 8032 section 7.1, test 2
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def key() -> PrivateKey:
    return PrivateKey.generate(lambda count: SEED[:count])


def pem_of(private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, secret: bytes = b"") -> bytes:
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def ours() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(SEED)


def test_the_vector_of_rfc_8032() -> None:
    assert key().public.raw == PUBLIC
    assert key().sign(b"\x72") == SIGNATURE
    assert PublicKey(PUBLIC).verify(SIGNATURE, b"\x72")
    assert not PublicKey(PUBLIC).verify(SIGNATURE, b"\x73")
    assert not PublicKey(PUBLIC).verify(SIGNATURE[:-1], b"\x72")


def test_a_key_id_is_the_digest_of_the_public_key_info() -> None:
    der = bytes.fromhex("302a300506032b6570032100") + PUBLIC
    from hashlib import sha256

    assert key().keyid == key().public.keyid == sha256(der).hexdigest()
    assert (
        serialization.load_pem_public_key(key().public.to_pem()).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        == der
    )


@given(st.binary(min_size=64, max_size=64).filter(any))
def test_no_other_signature_verifies(flips: bytes) -> None:
    other = bytes(one ^ two for one, two in zip(SIGNATURE, flips, strict=True))
    assert not PublicKey(PUBLIC).verify(other, b"\x72")


def test_base64_and_back_in_one_spelling() -> None:
    text = key().public.to_base64()
    assert PublicKey.from_base64(text).raw == PUBLIC
    spellings = [text + "\n", text.rstrip("="), text[:-2] + "B=", "", "é", "!" * 44, base64.b64encode(b"x").decode()]
    for other in spellings:
        with pytest.raises(MalformedPublicKey):
            PublicKey.from_base64(other)


def add(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    """The addition law of the curve (RFC 8032 section 5.1.4, affine)."""
    d = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME
    (x1, y1), (x2, y2) = one, two
    cross = d * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + cross, -1, FIELD_PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - cross, -1, FIELD_PRIME)
    return x % FIELD_PRIME, y % FIELD_PRIME


def points(y: int) -> list[tuple[int, int]]:
    """Points of the curve with that y."""
    d = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME
    square = (y * y - 1) * pow(d * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    root = pow(square, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    if root * root % FIELD_PRIME != square:
        root = root * pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME) % FIELD_PRIME
    return [(root, y), (-root % FIELD_PRIME, y)] if root * root % FIELD_PRIME == square else []


def test_the_refused_points_are_those_whose_order_divides_eight() -> None:
    found = set()
    for y in SMALL_ORDER_Y:
        for point in points(y):
            double = add(point, point)
            eightfold = add(add(double, double), add(double, double))
            assert eightfold == (0, 1)
            found.add(point)
    assert len(found) == 8


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [*SMALL_ORDER_Y, FIELD_PRIME, FIELD_PRIME + 1, FIELD_PRIME + 18])
def test_a_weak_or_oddly_spelled_point_is_no_key(y: int, sign: int) -> None:
    with pytest.raises(MalformedPublicKey, match="prime-order"):
        PublicKey((y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_has_32_bytes(size: int) -> None:
    with pytest.raises(MalformedPublicKey, match=f"{size} bytes instead of 32"):
        PublicKey(b"\x05" * size)


def test_at_rest_a_key_is_encrypted_and_opens_with_its_passphrase_only() -> None:
    pem = key().to_pem(PASS)
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert PrivateKey.from_pem(pem, PASS, "keys/one.pem").keyid == key().keyid
    with pytest.raises(WrongPassphrase) as caught:
        PrivateKey.from_pem(pem, b"another", "keys/one.pem")
    assert "keys/one.pem" in str(caught.value)
    assert caught.value.exit is Exit.DENIED


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (pem_of(ours()), "not an encrypted private key"),
        (b"", "not an encrypted private key"),
        (key().to_pem(PASS) + b"\n" * MAX_KEY_FILE, "not an encrypted private key"),
        (key().to_pem(PASS)[:-60], "wrong passphrase or damaged file"),
        (pem_of(ec.derive_private_key(7, ec.SECP256R1()), PASS), "not an Ed25519 key"),
    ],
)
def test_what_is_no_key_file(pem: bytes, problem: str) -> None:
    with pytest.raises(WrongPassphrase, match=problem):
        PrivateKey.from_pem(pem, PASS, "x.pem")


def test_an_authority_key_is_p256() -> None:
    made = TimestampKey.generate(counted_entropy("tsa"))
    again = TimestampKey.from_pem(made.to_pem(PASS), PASS, "tsa.pem")
    assert made.sign(b"data") == again.sign(b"data") == TimestampKey.generate(counted_entropy("tsa")).sign(b"data")
    for other in (pem_of(ec.derive_private_key(7, ec.SECP384R1()), PASS), key().to_pem(PASS)):
        with pytest.raises(WrongPassphrase, match="not a P-256 key"):
            TimestampKey.from_pem(other, PASS, "tsa.pem")


@pytest.mark.parametrize("entropy", [bytes(48), b"\xff" * 48, (P256_ORDER - 1).to_bytes(48), P256_ORDER.to_bytes(48)])
def test_every_entropy_gives_a_scalar_in_range(entropy: bytes) -> None:
    number = TimestampKey.generate(lambda _: entropy).key.private_numbers().private_value
    assert 1 <= number < P256_ORDER


def test_a_production_key_is_the_base64_of_a_pem() -> None:
    secret = base64.encodebytes(pem_of(ours()))
    assert b"\n" in secret.strip()
    assert production_key(secret).keyid == key().keyid


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (b" \n", "it is empty"),
        (pem_of(ours()), "it is a PEM, not the base64 of one"),
        (b"*not base64 at all*", "it is not base64"),
        (base64.b64encode(b"hello"), "does not hold a PEM"),
        (base64.b64encode(pem_of(ours(), PASS)), "its PEM is encrypted"),
        (base64.b64encode(key().public.to_pem()), "it is a public key"),
        (base64.b64encode(pem_of(ours())[:-40]), "its PEM is damaged"),
        (base64.b64encode(pem_of(ec.derive_private_key(7, ec.SECP256R1()))), "another kind than Ed25519"),
    ],
)
def test_a_malformed_production_key_says_why_and_nothing_else(secret: bytes, problem: str) -> None:
    with pytest.raises(MalformedProductionKey, match=problem) as caught:
        production_key(secret)
    said = str(caught.value.problem()) + repr(caught.value)
    body = base64.b64decode(secret + b"===") + secret
    for at in range(len(body) - 12):
        assert body[at : at + 12].decode("latin-1") not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_private_key_does_not_show_itself() -> None:
    for shown in (repr(key()), str(key()), repr(vars(key()))):
        assert SEED.hex() not in shown
        assert base64.b64encode(SEED).decode() not in shown
