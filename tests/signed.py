"""A small world of signers for tests: a managed key of each kind, authorities of certificates and of time, a statement.

All is made from counted randomness at one moment, so every run has the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stella.signing import attestation, key_list
from stella.signing.authority import issue, make_authority
from stella.signing.certifier import Identity, make_certifier
from stella.signing.key_list import ListedKey
from stella.signing.signing_key import SigningKey
from stella.signing.trusted_root import Trusted, TrustedRoot
from stella.signing.verification import Demand, Trust
from stella.testing import counted_entropy

NOW = 1_767_225_600
YEAR = 365 * 86_400
KIND = "https://example.com/attestation/scan/v1"
DIGEST = "ab" * 32
WHO = Identity("https://issuer.example/tenants/acme/principals/acme.ci", "https://issuer.example")
ENTROPY = counted_entropy("signed")
P256 = SigningKey.generate(ENTROPY)
ED25519 = SigningKey.generate(ENTROPY, "ed25519")
STRANGER = SigningKey.generate(ENTROPY)
CERTIFIER = make_certifier(ENTROPY, NOW, "acme")
AUTHORITY = make_authority(ENTROPY, NOW, "acme")
ROOT = TrustedRoot(
    (Trusted(CERTIFIER.chain, NOW - 86_400, NOW + YEAR),),
    (Trusted((AUTHORITY.certificate, AUTHORITY.root), NOW - 86_400, NOW + YEAR),),
)
PAYLOAD = attestation.statement(KIND, {"app.tar": DIGEST}, {"verdict": "passed"})


def entry(key: SigningKey, **changes: Any) -> ListedKey:
    """A key of the list that has signed since long."""
    import msgspec

    return msgspec.structs.replace(key_list.listed(key.public, "policy", NOW - YEAR // 2), **changes)


def trust(*keys: ListedKey, root: TrustedRoot = ROOT) -> Trust:
    return Trust(keys or (entry(P256), entry(ED25519)), root)


def demand(**changes: Any) -> Demand:
    """What a careful verifier asks a moment after NOW."""
    asked = Demand(NOW + 60, frozenset({KIND}), DIGEST, identities=frozenset({WHO}))
    return asked._replace(**changes)


def stamp_at(at: int) -> Callable[[bytes], bytes]:
    return lambda data: issue(data, at, AUTHORITY.key, AUTHORITY.certificate)


def by_key(key: SigningKey = P256, at: int | None = NOW, payload: bytes = PAYLOAD) -> bytes:
    return attestation.by_key(payload, key.public, key.sign, None if at is None else stamp_at(at))


def by_identity(who: Identity = WHO, at: int = NOW, stamped: int | None = None, payload: bytes = PAYLOAD) -> bytes:
    stamp = stamp_at(at if stamped is None else stamped)
    return attestation.by_identity(payload, CERTIFIER, who, at, ENTROPY, stamp)


def changed(data: bytes, change: Callable[[Any], object]) -> bytes:
    """A bundle whose JSON was edited."""
    document = json.loads(data)
    change(document)
    return json.dumps(document).encode()
