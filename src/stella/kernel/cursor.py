"""Cursors of keyset pagination: the key of the last row that was seen, as a word that nobody reads.

Rules:
- A cursor belongs to one query: its digest is inside, and with another query it is refused.
- It holds nothing secret, so it is not signed: a forged one can only name another place in rows that may
  be read anyway.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from stella.kernel.digest import sha256
from stella.kernel.errors import BadCursor

Key = TypeVar("Key", bound=tuple[Any, ...])
Row = TypeVar("Row")
MARK = 16  # hex digits of the digest of a query: enough to tell queries of one person apart
MAX_CURSOR = 4096  # characters; keys are names and numbers


def make_cursor(query: Sequence[object], key: Sequence[object]) -> str:
    """The cursor behind the row with that key, for the query."""
    return base64.urlsafe_b64encode(msgspec.json.encode([_mark(query), *key])).rstrip(b"=").decode()


def read_cursor(text: str, query: Sequence[object], form: type[Key]) -> Key:
    """The key inside a cursor, of the tuple type `form`; raises BadCursor when it is none or of another query."""
    try:
        if len(text) > MAX_CURSOR:
            raise ValueError
        mark, *key = msgspec.json.decode(
            base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=list[Any]
        )
        found: Key = msgspec.convert(key, form)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise BadCursor(problem="it was cut short or altered") from None
    if mark != _mark(query):
        raise BadCursor(problem="it belongs to another question")
    return found


def cut_page(
    found: Sequence[Row], limit: int, query: Sequence[object], key: Callable[[Row], Sequence[object]]
) -> tuple[Sequence[Row], str | None]:
    """The rows of a page, out of the `limit` + 1 that were asked for, and the cursor of the page behind.

    The cursor is None on the last page; `key` gives the key of a row.
    """
    rows = found[:limit]
    return rows, make_cursor(query, key(rows[-1])) if len(found) > limit else None


def _mark(query: Sequence[object]) -> str:
    return sha256(msgspec.json.encode(query))[:MARK]
