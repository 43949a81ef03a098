"""Nonces that a service wants in DPoP proofs (RFC 9449 section 9), so that none can be made in advance.

Rules:
- A nonce is computed from a key and the minute, so nothing is stored, and services that share the key agree.
- The nonce of this minute and of the one before are good.
"""

from __future__ import annotations

import hashlib
import hmac

from stella.kernel.instant import Instant, Seconds
from stella.tenancy.compact import encode

PERIOD: Seconds = 60
KEY_BYTES = 32


class Nonces:
    """Makes and knows nonces; `key` is 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key for nonces has {KEY_BYTES} bytes")
        self._key = key

    def at(self, now: Instant) -> str:
        """The nonce to hand out at that time, in the header `DPoP-Nonce`."""
        return encode(hmac.digest(self._key, b"dpop-nonce %d" % (now // PERIOD), hashlib.sha256)[:16])

    def good(self, nonce: str, now: Instant) -> bool:
        """Whether a nonce was handed out within the last minute or two."""
        given = nonce.encode()
        return any(hmac.compare_digest(given, self.at(now - age).encode()) for age in (0, PERIOD))
