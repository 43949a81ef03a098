"""Public keys that verify tokens, read from JWKs and key sets (RFC 7517).

Rules:
- A key has exactly one algorithm: its type decides, and what it says of its use must agree. No token has a say.
- A key set with a private or a symmetric key in it, or with one id twice, is refused as a whole; a key of another kind
  is skipped, since issuers publish more than we use.
- Key material has one spelling. RSA has 2048 to 8192 bits, curves are P-256 and Ed25519, and no point is of small
  order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from stella.signing.errors import MalformedPublicKey
from stella.signing.keys import PublicKey
from stella.tenancy.compact import MAX_KID, decode
from stella.tenancy.errors import BadKeySet

MAX_SET = 256 * 1024  # bytes of a key set
MAX_KEYS = 64  # in a set
RSA_BITS = range(2048, 8192 + 1)
EXPONENTS = range(3, 2**32, 2)  # larger ones cost time and gain nothing
P256_BYTES = 32  # of a coordinate

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_NAMES = {"RS256": {"RS256"}, "ES256": {"ES256"}, "EdDSA": {"EdDSA", "Ed25519"}}  # RFC 9864 gives EdDSA its own names


class VerifyKey:
    """A public key with its one algorithm; `thumbprint` is that of RFC 7638."""

    __slots__ = ("_key", "_verify", "alg", "thumbprint")

    def __init__(self, alg: str, key: RSAKey | ECKey | OKPKey) -> None:
        self.alg = alg
        self.thumbprint = key.thumbprint()
        self._key = key
        self._verify: Callable[..., bool] = JWSRegistry.algorithms[alg].verify

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is by this key over `data`."""
        try:
            return self._verify(data, signature, self._key)
        except ValueError:
            return False


def read_key(jwk: Mapping[str, object]) -> VerifyKey | None:
    """The key that a JWK holds; None when it is not one that verifies tokens, or is not well made."""
    alg = _algorithm(jwk)
    if alg is None or holds_secret(jwk) or not _may_verify(jwk, alg):
        return None
    material = {name: text for name in ("kty", "crv", "x", "y", "n", "e") if isinstance(text := jwk.get(name), str)}
    try:
        match alg:
            case "RS256":
                return VerifyKey(alg, RSAKey.import_key({**material})) if _good_rsa(material) else None
            case "ES256":
                good = all(len(_bytes(material, name)) == P256_BYTES for name in "xy")
                return VerifyKey(alg, ECKey.import_key({**material})) if good else None
            case _:
                PublicKey(_bytes(material, "x"))  # refuses points of small order
                return VerifyKey(alg, OKPKey.import_key({**material}))
    except (ValueError, JoseError, MalformedPublicKey):  # a point beside its curve, an even exponent
        return None


def holds_secret(jwk: Mapping[str, object]) -> bool:
    """Whether a JWK holds any part of a private or symmetric key."""
    return not _PRIVATE.isdisjoint(jwk) or jwk.get("kty") == "oct"


def _algorithm(jwk: Mapping[str, object]) -> str | None:
    """The one algorithm of a key of that type."""
    match (jwk.get("kty"), jwk.get("crv")):
        case ("RSA", _):
            return "RS256"
        case ("EC", "P-256"):
            return "ES256"
        case ("OKP", "Ed25519"):
            return "EdDSA"
    return None


def _may_verify(jwk: Mapping[str, object], alg: str) -> bool:
    """Whether what a key says of its use allows it to verify signatures of that algorithm."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(named := jwk.get("alg", alg), str)
        and named in _NAMES[alg]
    )


def _bytes(material: Mapping[str, str], name: str) -> bytes:
    """A member's bytes; none at all where it is absent or spelled in another way."""
    text = material.get(name, "")
    return (decode(text.encode()) if text.isascii() else None) or b""


def _good_rsa(material: Mapping[str, str]) -> bool:
    modulus, exponent = (_bytes(material, name) or b"\0" for name in "ne")
    bits, power = int.from_bytes(modulus).bit_length(), int.from_bytes(exponent)
    spelled = modulus[0] != 0 and exponent[0] != 0  # no leading zeros (RFC 7518 section 6.3.1.1)
    return spelled and bits in RSA_BITS and power in EXPONENTS


def read_set(data: bytes, issuer: str) -> dict[str, VerifyKey]:
    """The usable keys of a key set by their ids; raises BadKeySet."""
    if len(data) > MAX_SET:
        raise BadKeySet(issuer=issuer, problem=f"it is larger than {MAX_SET} bytes")
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadKeySet(issuer=issuer, problem="it is not JSON with each member once") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise BadKeySet(issuer=issuer, problem="it has no list of keys")
    return keys_of(keys, issuer)


def keys_of(keys: list[dict[str, object]], issuer: str) -> dict[str, VerifyKey]:
    """The usable keys among some JWKs, by their ids; raises BadKeySet."""
    if len(keys) > MAX_KEYS:
        raise BadKeySet(issuer=issuer, problem=f"it has {len(keys)} keys, the limit is {MAX_KEYS}")
    if any(holds_secret(key) for key in keys):
        raise BadKeySet(issuer=issuer, problem="it publishes a private or symmetric key")
    ids = [kid for key in keys if isinstance(kid := key.get("kid"), str)]
    if len(set(ids)) != len(ids):
        raise BadKeySet(issuer=issuer, problem="it has one key id twice")
    usable = {kid: made for key in keys if (kid := _kid(key)) and (made := read_key(key))}
    if not usable:
        raise BadKeySet(issuer=issuer, problem="none of its keys can be used")
    return usable


def _kid(key: Mapping[str, object]) -> str:
    kid = key.get("kid")
    return kid if isinstance(kid, str) and len(kid) <= MAX_KID else ""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found
