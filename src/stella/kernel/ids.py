"""Ids made from given time and randomness (UUIDv7, RFC 9562 section 5.7)."""

from __future__ import annotations

from stella.kernel.instant import Instant

RANDOM_BYTES = 10  # randomness that one id takes


def uuid7(now: Instant, random: bytes) -> str:
    """A UUIDv7 of a whole second and ten random bytes: ids of later seconds sort after those of earlier ones."""
    value = (now * 1000) << 80 | int.from_bytes(random[:RANDOM_BYTES], "big")
    value = value & ~(0xF << 76) | 7 << 76  # version
    value = value & ~(3 << 62) | 2 << 62  # variant
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
