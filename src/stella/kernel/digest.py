"""SHA-256 digests as lower-case hex, the only spelling of a digest inside Stella."""

from __future__ import annotations

import hashlib
import re

HEX = re.compile(r"[0-9a-f]{64}\Z")


def sha256(data: bytes | memoryview) -> str:
    """SHA-256 of `data` as 64 lower-case hex characters."""
    return hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether `text` is 64 lower-case hex characters."""
    return HEX.match(text) is not None
