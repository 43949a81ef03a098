"""Public keys that verify statements: ECDSA on P-256 with SHA-256, cosign's default, or Ed25519.

Rules:
- A key has one spelling: the SubjectPublicKeyInfo in DER as it is written here, and no other form of the same point.
- Its id is the SHA-256 of that in hex; Sigstore's hint is the same digest in base64.
- An Ed25519 point of small order is refused, because anyone can sign for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stella.signing.errors import MalformedPublicKey, UnusableKey
from stella.signing.keys import PublicKey
from stella.signing.vocabulary import Algorithm

MAX_SPKI = 1024  # bytes; one of these keys has 91 or 44
RAW = 32  # bytes of an Ed25519 key
_ECDSA = ec.ECDSA(hashes.SHA256())
_DER = serialization.Encoding.DER
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


class VerifyingKey:
    """A public key; a `dsse.Verifier`. Made from a SubjectPublicKeyInfo in DER; raises UnusableKey naming `what`."""

    def __init__(self, spki: bytes, what: str = "of the list") -> None:
        self._key = _load(spki, what)
        self.spki = spki
        self.algorithm: Algorithm = "ed25519" if isinstance(self._key, Ed25519PublicKey) else "ecdsa-p256"
        digest = hashlib.sha256(spki)
        self.keyid = digest.hexdigest()
        self.hint = base64.b64encode(digest.digest()).decode()

    @classmethod
    def from_pem(cls, pem: bytes, what: str) -> Self:
        """From a SubjectPublicKeyInfo in PEM, such as `cosign.pub`; raises UnusableKey."""
        try:
            key = serialization.load_pem_public_key(pem[:MAX_SPKI])
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise UnusableKey(what=what, problem="it is no public key in PEM") from None
        return cls(key.public_bytes(_DER, _SPKI), what)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From base64: 32 raw Ed25519 bytes, or a SubjectPublicKeyInfo; raises UnusableKey."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise UnusableKey(what="that was given", problem="it is not base64") from None
        if len(data) == RAW:
            data = Ed25519PublicKey.from_public_bytes(data).public_bytes(_DER, _SPKI)
        return cls(data, "that was given")

    def to_pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM, as other tools read it."""
        return self._key.public_bytes(serialization.Encoding.PEM, _SPKI)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is by this key over `data`."""
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                self._key.verify(signature, data, _ECDSA)
        except InvalidSignature:
            return False
        return True


def _load(spki: bytes, what: str) -> Ed25519PublicKey | ec.EllipticCurvePublicKey:
    if len(spki) > MAX_SPKI:
        raise UnusableKey(what=what, problem=f"{len(spki)} bytes, the limit is {MAX_SPKI}")
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey(what=what, problem="it is no public key in DER") from None
    if isinstance(key, Ed25519PublicKey):
        try:
            PublicKey(key.public_bytes_raw())  # refuses points of small order
        except MalformedPublicKey:
            raise UnusableKey(what=what, problem="it is a point for which anyone can sign") from None
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey(what=what, problem="it is neither on P-256 nor Ed25519")
    if key.public_bytes(_DER, _SPKI) != spki:
        raise UnusableKey(what=what, problem="it is another spelling of its point")
    return key
