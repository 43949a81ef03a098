"""Instants as feeds write them: RFC 3339 with any offset and fraction, or a day."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)?)?\Z", re.ASCII)
FIRST_YEAR = 1970  # what is before is a placeholder, such as the year 1


def parse_instant(text: str | None) -> int | None:
    """Seconds since 1970; None for nothing and for a placeholder. Raises ValueError for what is no time."""
    if text is None:
        return None
    match = _FORM.match(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is no time")
    day, clock, offset = match.groups()
    zone = "+00:00" if not offset or offset in "Zz" else offset
    found = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone}")
    return int(found.timestamp()) if found.year >= FIRST_YEAR else None


def day_of(instant: int) -> str:
    """The day of an instant in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")
