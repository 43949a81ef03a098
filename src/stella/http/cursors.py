"""Cursors of lists: opaque, and good for the query that gave them alone.

Rules:
- A cursor is a position with a MAC over the position and the query. Whatever else it says is BadCursor.
- The key follows from the service's token, so cursors survive a restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from stella.http.errors import BadCursor

MAC = 16  # bytes: forging one takes 2^128 tries


class Cursors:
    """Makes and reads cursors."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"stella cursors", "sha256")

    def make(self, query: str, position: str) -> str:
        """A cursor for a position in the answer to a query."""
        data = position.encode()
        return base64.urlsafe_b64encode(self._mac(query, data) + data).decode().rstrip("=")

    def read(self, query: str, cursor: str) -> str:
        """The position; raises BadCursor."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadCursor from None
        mac, data = raw[:MAC], raw[MAC:]
        if not data or not hmac.compare_digest(mac, self._mac(query, data)):
            raise BadCursor
        return data.decode()

    def _mac(self, query: str, data: bytes) -> bytes:
        return hmac.digest(self._key, hashlib.sha256(query.encode()).digest() + data, "sha256")[:MAC]
