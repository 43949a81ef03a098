"""Private keys that sign statements: ECDSA on P-256 or Ed25519, made from given randomness.

Rules:
- A private key leaves memory only encrypted: as cosign's PEM (scrypt), which cosign opens too, or it is not written.
- It is read from that PEM and from encrypted PKCS#8.
- Signing is deterministic (RFC 6979, RFC 8032): the same statement has the same signature.
- No error says anything of the content of a private key.
"""

from __future__ import annotations

from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stella.runtime.ports import Entropy
from stella.signing import cosign_pem, pkcs8
from stella.signing.errors import UnusableKey, WrongPassphrase
from stella.signing.keys import MAX_KEY_FILE, P256_ORDER
from stella.signing.verifying_key import VerifyingKey
from stella.signing.vocabulary import Algorithm

_ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class SigningKey:
    """A private key; a `dsse.Signer`. Raises UnusableKey for a key of another kind."""

    def __init__(self, key: object, what: str = "in memory") -> None:
        p256 = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
        if not p256 and not isinstance(key, Ed25519PrivateKey):
            raise UnusableKey(what=what, problem="it is neither on P-256 nor Ed25519")
        self._key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey = key  # type: ignore[assignment]  # narrowed above
        spki = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public = VerifyingKey(spki, what)

    @classmethod
    def generate(cls, entropy: Entropy, algorithm: Algorithm = "ecdsa-p256") -> Self:
        """A new key; 48 bytes of entropy make the bias of the reduction negligible (FIPS 186-5, A.2.1)."""
        if algorithm == "ed25519":
            return cls(Ed25519PrivateKey.from_private_bytes(entropy(32)))
        return cls(ec.derive_private_key(int.from_bytes(entropy(48)) % (P256_ORDER - 1) + 1, ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, what: str) -> Self:
        """From cosign's PEM or encrypted PKCS#8; raises WrongPassphrase or UnusableKey naming `what`."""
        if len(pem) > MAX_KEY_FILE:
            raise WrongPassphrase(path=what, problem=f"{len(pem)} bytes, the limit is {MAX_KEY_FILE}")
        der = cosign_pem.decrypt(pem, passphrase, what) if cosign_pem.is_one(pem) else b""
        try:
            if der:
                return cls(serialization.load_der_private_key(der, None), what)
            if pkcs8.is_one(pem):
                return cls(serialization.load_der_private_key(pkcs8.judged(pem), passphrase), what)
        except pkcs8.Dear as error:
            raise UnusableKey(what=what, problem=str(error)) from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise WrongPassphrase(path=what, problem="wrong passphrase or damaged file") from None
        raise UnusableKey(what=what, problem="it is no encrypted private key in PEM")

    @property
    def keyid(self) -> str:
        """Key id of the public half."""
        return self.public.keyid

    @property
    def native(self) -> ec.EllipticCurvePrivateKey | Ed25519PrivateKey:
        """The key as the library has it, to sign certificates with."""
        return self._key

    def sign(self, data: bytes) -> bytes:
        """Signature over `data`: ECDSA with SHA-256 in DER, or 64 bytes of Ed25519."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, _ECDSA)

    def to_pem(self, passphrase: bytes, entropy: Entropy) -> bytes:
        """Cosign's encrypted PEM; raises ValueError on an empty passphrase."""
        der = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cosign_pem.encrypt(der, passphrase, entropy)
