"""Assertions by which a client proves that it has its private key (RFC 7523, `private_key_jwt`).

Rules:
- It is signed by the client's one key, with that key's one algorithm, and says in `iss` and `sub` who the client is.
- It is for this issuer, lives for minutes, and is good once.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from stella.kernel.instant import Reading, Seconds
from stella.tenancy.binding import Replays
from stella.tenancy.compact import read_header, split
from stella.tenancy.errors import TokenMalformed
from stella.tenancy.keys import read_key
from stella.tenancy.model import SKEW

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFE: Seconds = 5 * 60
MAX_ID = 128  # characters


class Assertion(msgspec.Struct, frozen=True):
    """The claims of an assertion."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: int
    jti: str
    iat: int | None = None
    nbf: int | None = None


_decoder = msgspec.json.Decoder(Assertion)


def client_named(text: str) -> str:
    """Whom an assertion names, not yet believed; empty when it cannot be read."""
    try:
        return _decoder.decode(split(text.encode("ascii", "replace")).payload.decode()).sub
    except (TokenMalformed, ValueError, RecursionError):
        return ""


def proves(text: str, client: str, jwk: str, audiences: Collection[str], now: Reading, replays: Replays) -> bool:
    """Whether an assertion proves that its sender is the client with that key."""
    try:
        parts = split(text.encode("ascii", "replace"))
        header, _ = read_header(parts.header)
        found = _decoder.decode(parts.payload.decode())
    except (TokenMalformed, ValueError, RecursionError):
        return False
    key = read_key(msgspec.json.decode(jwk, type=dict[str, object]))
    if key is None or header.alg != key.alg or not key.verify(parts.signature, parts.signed):
        return False
    tenant = client.partition(".")[0]
    return _fits(found, client, audiences, now) and replays.first_use(tenant, client, found.jti, found.exp, now)


def _fits(found: Assertion, client: str, audiences: Collection[str], now: Reading) -> bool:
    named = (found.aud,) if isinstance(found.aud, str) else found.aud
    return (
        found.iss == found.sub == client
        and len(named) == 1
        and named[0] in audiences
        and now.wall - SKEW < found.exp <= now.wall + MAX_LIFE + SKEW
        and all(time is None or time <= now.wall + SKEW for time in (found.iat, found.nbf))
        and 0 < len(found.jti) <= MAX_ID
        and found.jti.isprintable()
        and " " not in found.jti
    )
