"""An issuer with keys of each algorithm, and the ways a test bends its tokens."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from stella.runtime.ports import Clock
from stella.tenancy.compact import encode
from stella.tenancy.errors import TokenKeyUnknown
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Found, Issuer, Presented, Verified
from stella.tenancy.tokens import Verifier
from stella.testing import ManualClock, counted_entropy

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z, where a ManualClock begins
ISSUER = "https://issuer.example"
AUDIENCE = "stella"

ES = SigningKey.generate(counted_entropy("es"), "ES256")
ED = SigningKey.generate(counted_entropy("ed"), "EdDSA")
OTHER = SigningKey.generate(counted_entropy("other"), "ES256")


class _Gone:
    """Named the same in every process, as ids of tests must be."""

    def __repr__(self) -> str:
        return "GONE"


GONE: Any = _Gone()  # as a claim: leave it out


@functools.cache
def rs() -> SigningKey:
    return SigningKey(rsa.generate_private_key(65537, 2048))


class Keys:
    """A KeySource over a dictionary, which counts."""

    def __init__(self, *keys: SigningKey, until: int = 10**12) -> None:
        self.keys = {key.kid: key.public for key in keys or (ES, ED, rs())}
        self.epoch = 1
        self.until = until
        self.asked = 0

    def get(self, kid: str, *, wait: bool = True) -> Found:  # noqa: ARG002  # nothing to wait for
        self.asked += 1
        if kid not in self.keys:
            raise TokenKeyUnknown(problem="it is not in the key set")
        return Found(self.keys[kid], self.epoch, self.until)


def claims(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "subject-1",
        "aud": AUDIENCE,
        "client_id": "client-1",
        "tid": "acme",
        "scope": "mirror:read site:read",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "jti": "token-1",
    }
    return {name: value for name, value in (found | changes).items() if value is not GONE}


def token(
    key: SigningKey = ES, header: Mapping[str, Any] | None = None, payload: bytes | None = None, **at: Any
) -> str:
    """A token with some claims changed; `header` members replace or, when GONE, remove."""
    head = {"typ": "at+jwt", "alg": key.alg, "kid": key.kid} | dict(header or {})
    body = json.dumps(claims(**at)).encode() if payload is None else payload
    return key.sign({name: value for name, value in head.items() if value is not GONE}, body)


def with_header(header: bytes, key: SigningKey = ES) -> str:
    """A token whose header is these bytes; the signature is over another one."""
    _, payload, signature = token(key).split(".")
    return f"{encode(header)}.{payload}.{signature}"


def verifier(keys: Any = None, clock: Clock | None = None, **more: Any) -> Verifier:
    return Verifier([Issuer(ISSUER, keys or Keys())], AUDIENCE, clock or ManualClock(), **more)


def verify(text: str, **more: Any) -> Verified:
    return verifier(**more).verify(Presented(text))
