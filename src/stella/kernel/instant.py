"""Points in time and the trusted-time floor.

Rules:
- An instant is whole seconds since 1970 in UTC; a duration is whole seconds. No float ever holds a time.
- A proof of time says "not earlier than", never "now": the floor only rises.
- The local clock alone decides nothing: behind the floor the floor counts, and far ahead of it the floor counts as
  well, until a proof of time near the local clock, or two people, confirm it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from stella.kernel.errors import BadDuration, BadTime

Instant = int
Seconds = int
ClockState = Literal["ok", "clock_behind", "clock_ahead_suspected"]

CLOCK_TOLERANCE: Seconds = 5  # clocks of one machine may step back this much without anyone having touched them

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})([smhd])\Z", re.ASCII)


def parse_time(text: str) -> Instant:
    """Parse RFC 3339 in UTC with whole seconds; raises BadTime."""
    try:
        if not _FORM.match(text):
            raise ValueError
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise BadTime(text=text) from None


def format_time(instant: Instant) -> str:
    """RFC 3339 in UTC, such as 2026-01-31T12:00:00Z."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: str) -> Seconds:
    """Parse 90s, 15m, 24h or 14d; raises BadDuration."""
    match = _DURATION.match(text)
    if not match:
        raise BadDuration(text=text)
    return int(match[1]) * _UNITS[match[2]]


def format_duration(seconds: Seconds) -> str:
    """The largest unit that keeps two digits of meaning: 45s, 12m, 31h, 20d."""
    sign, size = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, above in (("d", 2 * 86400), ("h", 2 * 3600), ("m", 120)):
        if size >= above:
            return f"{sign}{size // _UNITS[unit]}{unit}"
    return f"{sign}{size}s"


class Reading(msgspec.Struct, frozen=True):
    """What the clocks of a machine say at one moment; `boot_seconds` counts since boot, suspended time included."""

    wall: Instant
    boot_id: str
    boot_seconds: Seconds


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The latest instant that is known to have passed, and the boot clock when that was learnt."""

    at: Instant
    boot_id: str
    boot_seconds: Seconds


class TrustedTime(msgspec.Struct, frozen=True):
    """The instant that expiry and staleness are judged at, and how it came about."""

    now: Instant
    floor: Instant
    local: Instant
    state: ClockState


def raise_floor(floor: Floor | None, reading: Reading, anchors: Iterable[Instant] = ()) -> Floor:
    """The floor carried to this moment: the persisted one plus time since then in the same boot, or a later anchor."""
    known = list(anchors)
    if floor is not None:
        elapsed = reading.boot_seconds - floor.boot_seconds if floor.boot_id == reading.boot_id else 0
        known.append(floor.at + max(elapsed, 0))
    return Floor(at=max(known, default=0), boot_id=reading.boot_id, boot_seconds=reading.boot_seconds)


def judge(floor: Floor, reading: Reading, max_gap: Seconds, *, confirmed: bool = False) -> TrustedTime:
    """Trusted time from a floor already raised to this moment.

    `confirmed` says that two people vouch for a local clock more than `max_gap` ahead of the floor.
    """
    now, state = reading.wall, "ok"
    if reading.wall < floor.at - CLOCK_TOLERANCE:
        now, state = floor.at, "clock_behind"
    elif reading.wall - floor.at > max_gap and not confirmed:
        now, state = floor.at, "clock_ahead_suspected"
    return TrustedTime(now=max(now, floor.at), floor=floor.at, local=reading.wall, state=state)  # type: ignore[arg-type]  # narrowed above
