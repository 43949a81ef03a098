"""Instants in policies: RFC 3339 in UTC with whole seconds."""

from __future__ import annotations

from stella.kernel.errors import BadTime
from stella.kernel.instant import parse_time
from stella.language.model import Before
from stella.language.values import Dated, Said, Value


def instant(text: str) -> int | None:
    """Seconds since 1970; None when the text is no instant."""
    try:
        return parse_time(text)
    except BadTime:
        return None


def before(value: Value) -> Before | None:
    """The test that the run is before a value; None when the value is no instant."""
    match value:
        case Dated(column):
            return Before(column.name)
        case Said(text):
            found = instant(text)
            return None if found is None else Before(None, found)
        case _:
            return None
