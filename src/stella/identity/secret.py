"""Secrets of principals and clients: made here, shown once, kept as scrypt (RFC 7914).

Rules:
- A secret has 256 random bits, so that nobody finds it by trying; scrypt is for the day when a copy of the database is
  lost and somebody has chosen secrets by hand.
- Comparing takes the same time whatever differs, and an unknown name costs what a wrong secret does.
- The text says how it was made, so that the cost can be raised without a migration.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from stella.runtime.ports import Entropy

BYTES = 32
SALT = 16
COST, BLOCKS, LANES = 2**14, 8, 1  # 16 MiB and about 50 ms: OWASP's least for scrypt that a small service can bear
MEMORY = 64 * 1024 * 1024  # bytes that OpenSSL may take
MAX_GIVEN = 1024  # characters of a secret that somebody presents
_MAX_COST = 2**17  # of a stored text; a row that asks for more was not written here


def make(entropy: Entropy) -> str:
    """A new secret: 43 characters that need no escaping anywhere."""
    return base64.urlsafe_b64encode(entropy(BYTES)).rstrip(b"=").decode()


def hashed(secret: str, entropy: Entropy) -> str:
    """What is kept of a secret."""
    salt = entropy(SALT)
    found = _scrypt(secret, salt, COST)
    return f"scrypt${COST}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


def matches(given: str, kept: str) -> bool:
    """Whether a secret is the one of which `kept` is what is kept; False for a text of another form."""
    try:
        kind, cost, salt, found = kept.split("$")
        number, salted, wanted = int(cost), base64.b64decode(salt, validate=True), base64.b64decode(found)
    except (ValueError, binascii.Error):
        return False
    if kind != "scrypt" or not 1 < number <= _MAX_COST:
        return False
    same = hmac.compare_digest(_scrypt(given[:MAX_GIVEN], salted, number), wanted)
    return same and len(given) <= MAX_GIVEN


def spend(given: str) -> None:
    """Take as long as a comparison, for somebody who is not there."""
    _scrypt(given[:MAX_GIVEN], bytes(SALT), COST)


def _scrypt(secret: str, salt: bytes, cost: int) -> bytes:
    data = secret.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=cost, r=BLOCKS, p=LANES, maxmem=MEMORY, dklen=BYTES)
