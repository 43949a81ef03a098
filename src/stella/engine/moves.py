"""What a simulation counts, as plain data: a command line shows it without loading what counted it."""

from __future__ import annotations

import msgspec


class Shift(msgspec.Struct, frozen=True):
    """So many findings have one word before, another after."""

    before: str
    after: str
    findings: int


class Moved(msgspec.Struct, frozen=True):
    """What changes for an asset, an environment, or all findings."""

    name: str
    findings: int
    changed: int
    newly_blocked: int
    unblocked: int
    unblocked_kev: int
