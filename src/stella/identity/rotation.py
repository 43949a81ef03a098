"""Which signing key does what at a time; pure.

Rules:
- A key is published before it signs, for longer than a verifier keeps a key set without asking again. The first key of
  an installation signs at once: nobody has asked yet.
- One key signs at a time, the last that has begun. The one before is retired then, and stays published until all that
  it signed has expired, clocks that differ included.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stella.kernel.instant import Instant, Seconds
from stella.tenancy import jwks
from stella.tenancy.model import MAX_LIFE, SKEW

FRESH: Seconds = jwks.SOFT  # what our key set says of its age
LEAD: Seconds = 2 * FRESH  # from the publication of a key to its first use
KEPT: Seconds = MAX_LIFE + SKEW  # a key that is retired is published for so long


class Stored(msgspec.Struct, frozen=True):
    """A signing key as the database has it."""

    kid: str
    alg: str
    state: str
    private: str
    public: str
    made: Instant
    starts: Instant
    retired: Instant | None


def signer(keys: Sequence[Stored], now: Instant) -> Stored | None:
    """The key that signs now; None when there is none."""
    begun = [key for key in keys if key.state == "active" and key.starts <= now]
    return max(begun, key=lambda key: (key.starts, key.made, key.kid), default=None)


def following(keys: Sequence[Stored], now: Instant) -> Stored | None:
    """A key that is published and signs later."""
    return next((key for key in keys if key.state == "active" and key.starts > now), None)


def superseded(keys: Sequence[Stored], now: Instant) -> list[Stored]:
    """Keys that are to be retired: another one signs instead."""
    signs = signer(keys, now)
    return [key for key in keys if signs and key.state == "active" and key is not signs and key.starts <= signs.starts]


def is_due(keys: Sequence[Stored], now: Instant, every: Seconds) -> bool:
    """Whether it is time for a new key."""
    signs = signer(keys, now)
    return signs is not None and following(keys, now) is None and signs.starts + every - LEAD <= now
