"""Making access tokens (RFC 9068), for the issuer of our own and for tests.

Rules:
- A token lives two to five minutes, names one audience and one tenant, and has an id of its own.
- The key decides on the algorithm; its id is its thumbprint (RFC 7638), so no two keys share one.
- A private key leaves memory only as encrypted PKCS#8.
"""

from __future__ import annotations

from typing import Self

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from stella.kernel.ids import RANDOM_BYTES, uuid7
from stella.kernel.instant import Instant, Seconds
from stella.kernel.tenant import parse_tenant
from stella.runtime.ports import Entropy
from stella.signing.errors import WrongPassphrase
from stella.signing.keys import P256_ORDER
from stella.tenancy.compact import encode
from stella.tenancy.keys import RSA_BITS, VerifyKey, read_key
from stella.tenancy.model import Algorithm, Confirmation

TTL = range(2 * 60, 5 * 60 + 1)  # seconds that a token may live
ACCESS_TOKEN = "at+jwt"  # noqa: S105  # a media type
MAX_KEY_FILE = 16 * 1024  # bytes

_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8
_PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey


class SigningKey:
    """A private key that signs tokens: RSA of 2048 to 8192 bits, P-256 or Ed25519. Raises ValueError for any other."""

    def __init__(self, key: _PrivateKey) -> None:
        self._native = key
        self._key: RSAKey | ECKey | OKPKey
        match key:
            case RSAPrivateKey() if key.key_size in RSA_BITS:
                self._key, self.alg = RSAKey.import_key(key), "RS256"
            case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
                self._key, self.alg = ECKey.import_key(key), "ES256"
            case Ed25519PrivateKey():
                self._key, self.alg = OKPKey.import_key(key), "EdDSA"
            case _:
                raise ValueError("not a key that signs tokens")
        self.kid = self._key.thumbprint()

    @classmethod
    def generate(cls, entropy: Entropy, alg: Algorithm = "ES256") -> Self:
        """A new P-256 or Ed25519 key. RSA keys come from elsewhere, since they are not made from given randomness."""
        if alg == "EdDSA":
            return cls(Ed25519PrivateKey.from_private_bytes(entropy(32)))
        if alg == "ES256":  # 48 bytes make the bias of the reduction negligible (FIPS 186-5, A.2.1)
            return cls(ec.derive_private_key(int.from_bytes(entropy(48)) % (P256_ORDER - 1) + 1, ec.SECP256R1()))
        raise ValueError(f"no {alg} key can be made here")

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, path: str) -> Self:
        """From encrypted PKCS#8; raises WrongPassphrase naming `path`."""
        if len(pem) > MAX_KEY_FILE or b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in pem:
            raise WrongPassphrase(path=path, problem="it is not an encrypted private key in PEM (PKCS#8)")
        try:
            return cls(serialization.load_pem_private_key(pem, passphrase))  # type: ignore[arg-type]  # it checks
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise WrongPassphrase(
                path=path, problem="wrong passphrase, damaged file, or not a key for tokens"
            ) from None

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8 in PEM; raises ValueError on an empty passphrase."""
        return self._native.private_bytes(_PEM, _PKCS8, serialization.BestAvailableEncryption(passphrase))

    def jwk(self) -> dict[str, str]:
        """The public half, as a key set publishes it."""
        public = {name: str(value) for name, value in self._key.as_dict(private=False).items()}
        return {**public, "kid": self.kid, "alg": self.alg, "use": "sig"}

    @property
    def public(self) -> VerifyKey:
        found = read_key(self.jwk())
        if found is None:  # a public exponent that verifiers refuse
            raise ValueError("its public half is not one that verifies tokens")
        return found

    def sign(self, header: dict[str, object], payload: bytes) -> str:
        """A JWS in its compact form over any header and payload; the header's `alg` and `kid` are given as they are."""
        signed = f"{encode(msgspec.json.encode(header))}.{encode(payload)}"
        signature = JWSRegistry.algorithms[self.alg].sign(signed.encode(), self._key)
        return f"{signed}.{encode(signature)}"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says."""

    issuer: str
    subject: str
    audience: str
    tenant: str
    client: str
    scopes: frozenset[str]
    ttl: Seconds = TTL.start
    roles: tuple[str, ...] = ()
    installation: str = ""
    acting: str = ""
    authenticated: Instant = 0
    confirmation: Confirmation | None = None


def mint(key: SigningKey, grant: Grant, now: Instant, entropy: Entropy) -> str:
    """A token valid from now on. Raises BadTenant, and ValueError for a life out of bounds."""
    if grant.ttl not in TTL:
        raise ValueError(f"a token lives {TTL.start} to {TTL.stop - 1} seconds, not {grant.ttl}")
    optional = {
        "roles": list(grant.roles),
        "inst": grant.installation,
        "auth_time": grant.authenticated,
        "act": {"sub": grant.acting} if grant.acting else None,
        "cnf": _confirmation(grant.confirmation),
    }
    claims = {
        "iss": grant.issuer,
        "sub": grant.subject,
        "aud": grant.audience,
        "client_id": grant.client,
        "tid": parse_tenant(grant.tenant),
        "scope": " ".join(sorted(grant.scopes)),
        "iat": now,
        "nbf": now,
        "exp": now + grant.ttl,
        "jti": uuid7(now, entropy(RANDOM_BYTES)),
        **{name: value for name, value in optional.items() if value},
    }
    return key.sign({"typ": ACCESS_TOKEN, "alg": key.alg, "kid": key.kid}, msgspec.json.encode(claims))


def _confirmation(found: Confirmation | None) -> dict[str, str]:
    plain: dict[str, str] = msgspec.to_builtins(found) if found else {}
    return {name: value for name, value in plain.items() if value}
