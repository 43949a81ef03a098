"""Randomness of this machine: the only code that draws any."""

from __future__ import annotations

import os


def system_entropy(count: int) -> bytes:
    """`count` bytes of the operating system's generator, fit for keys."""
    return os.urandom(count)
