"""Ed25519 keys that sign statements and metadata, and the P-256 key of a time-stamp authority.

Rules:
- A key id is the SHA-256 of the SubjectPublicKeyInfo in DER, hex.
- Private keys are made from entropy that is handed in, and leave memory only as encrypted PKCS#8 (RFC 5958) in PEM.
- A public key has one spelling, and never a point of small order: for such a point anyone can make signatures.
- No error says anything of the content of a private key.
"""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stella.kernel.digest import sha256
from stella.runtime.ports import Entropy
from stella.signing import pkcs8
from stella.signing.errors import MalformedProductionKey, MalformedPublicKey, WrongPassphrase

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-5, SEC 2
FIELD_PRIME = 2**255 - 19  # RFC 8032 section 5.1
ORDER_8_Y = (
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826  # root of d*y^4 + 2*y^2 = 1, d of RFC 8032
)
SMALL_ORDER_Y = frozenset(
    {0, 1, FIELD_PRIME - 1, ORDER_8_Y, FIELD_PRIME - ORDER_8_Y}
)  # y of points of order 1, 2, 4, 8
MAX_KEY_FILE = 16 * 1024  # bytes; a key file has a few hundred, and key derivation should not be fed more

_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS8 = serialization.PrivateFormat.PKCS8


class PublicKey:
    """An Ed25519 public key; a `dsse.Verifier`. Made from 32 raw bytes; raises MalformedPublicKey."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:
            raise MalformedPublicKey(problem=f"{len(raw)} bytes instead of 32") from None
        y = int.from_bytes(raw, "little") % 2**255  # the top bit is the sign of x
        if y >= FIELD_PRIME or y in SMALL_ORDER_Y:
            raise MalformedPublicKey(problem="it is no point of the prime-order group in its one spelling")
        self.raw = raw

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """From the base64 of the 32 raw bytes; raises MalformedPublicKey."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedPublicKey(problem="not base64") from None
        if base64.b64encode(raw).decode() != text:
            raise MalformedPublicKey(problem="another spelling of its base64")
        return cls(raw)

    @cached_property
    def keyid(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, hex."""
        return sha256(self._key.public_bytes(_DER, _SPKI))

    def to_base64(self) -> str:
        """Base64 of the 32 raw bytes."""
        return base64.b64encode(self.raw).decode()

    def to_pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM, as other tools read it."""
        return self._key.public_bytes(_PEM, _SPKI)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is by this key over `data` (RFC 8032)."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """An Ed25519 private key; a `dsse.Signer`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = PublicKey(raw)

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A new key from 32 bytes of entropy."""
        return cls(Ed25519PrivateKey.from_private_bytes(entropy(32)))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, path: str) -> Self:
        """From encrypted PKCS#8; raises WrongPassphrase naming `path`."""
        key = _load(pem, passphrase, path)
        if not isinstance(key, Ed25519PrivateKey):
            raise WrongPassphrase(path=path, problem="it is not an Ed25519 key")
        return cls(key)

    @property
    def keyid(self) -> str:
        """Key id of the public half."""
        return self.public.keyid

    def sign(self, data: bytes) -> bytes:
        """64-byte signature over `data` (RFC 8032); deterministic."""
        return self._key.sign(data)

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8 in PEM; raises ValueError on an empty passphrase."""
        return self._key.private_bytes(_PEM, _PKCS8, serialization.BestAvailableEncryption(passphrase))


class TimestampKey:
    """The P-256 private key of a time-stamp authority."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A new key; 48 bytes of entropy make the bias of the reduction negligible (FIPS 186-5, A.2.1)."""
        return cls(ec.derive_private_key(int.from_bytes(entropy(48)) % (P256_ORDER - 1) + 1, ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, path: str) -> Self:
        """From encrypted PKCS#8; raises WrongPassphrase naming `path`."""
        key = _load(pem, passphrase, path)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise WrongPassphrase(path=path, problem="it is not a P-256 key")
        return cls(key)

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256, deterministic (RFC 6979), DER."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8 in PEM; raises ValueError on an empty passphrase."""
        return self.key.private_bytes(_PEM, _PKCS8, serialization.BestAvailableEncryption(passphrase))


def _load(pem: bytes, passphrase: bytes, path: str) -> object:
    if len(pem) > MAX_KEY_FILE or not pkcs8.is_one(pem):
        raise WrongPassphrase(path=path, problem="it is not an encrypted private key in PEM (PKCS#8)")
    try:
        return serialization.load_der_private_key(pkcs8.judged(pem), passphrase)
    except pkcs8.Dear as error:
        raise WrongPassphrase(path=path, problem=str(error)) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise WrongPassphrase(path=path, problem="wrong passphrase or damaged file") from None


def production_key(secret: bytes) -> PrivateKey:
    """The key in `MIRROR_SIGN_KEY_B64`: base64 of an Ed25519 PEM (PKCS#8); raises MalformedProductionKey."""
    text = b"".join(secret.split())
    if not text:
        raise MalformedProductionKey(problem="it is empty")
    if text.startswith(b"-----BEGIN"):
        raise MalformedProductionKey(problem="it is a PEM, not the base64 of one")
    try:
        pem = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedProductionKey(problem="it is not base64") from None
    return PrivateKey(_ed25519(pem))


def _ed25519(pem: bytes) -> Ed25519PrivateKey:
    """The key of an unencrypted PEM; every way to fail has its own words, and none quotes the input."""
    if b"-----BEGIN" not in pem:
        raise MalformedProductionKey(problem="its base64 does not hold a PEM")
    if b"-----BEGIN PUBLIC KEY-----" in pem:
        raise MalformedProductionKey(problem="it is a public key")
    if b"ENCRYPTED" in pem:
        raise MalformedProductionKey(problem="its PEM is encrypted")
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MalformedProductionKey(problem="its PEM is damaged") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise MalformedProductionKey(problem="it is a private key of another kind than Ed25519")
    return key
