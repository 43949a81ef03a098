"""HTTP/1.1 on a connection: uvicorn's protocol with bounds before the application is reached.

Rules:
- The request line and the headers are bounded in bytes and in number; more is 431 and the end of the connection.
- A client has a few seconds to send them; one that takes longer is 408 and the end of the connection. So is one that
  connects and says nothing.
- What is not HTTP is 400. All of these are problems with a code, like every other failure.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from stella.http.errors import BadHttp, HeadersTooLarge, TooSlow
from stella.http.problem import MEDIA_TYPE, body_of, status_of
from stella.kernel.errors import StellaError

MAX_HEADER_BYTES = 32 * 1024  # a token and a trace take a few hundred
MAX_HEADERS = 100
HEADER_SECONDS = 10.0


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0  # of a head that came in several reads, without the last
        self._read = 0  # bytes of the present read
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it
        self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._read = len(data)
        super().data_received(data)
        if self._in_head and not self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(_too_large())
            elif self._timer is None:
                self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._no_timer()
        if len(self.headers) > MAX_HEADERS or (
            self._head_bytes + self._read > MAX_HEADER_BYTES and self._size() > MAX_HEADER_BYTES
        ):
            raise _TooLarge
        super().on_headers_complete()

    def _size(self) -> int:
        """Bytes of the head without its separators, as far as it came."""
        fields: list[tuple[bytes, bytes]] = self.headers or []  # none before the first request
        return len(getattr(self, "url", b"")) + sum(len(name) + len(value) for name, value in fields)

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(TooSlow(limit=HEADER_SECONDS))

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser gives up."""
        if self._size() > MAX_HEADER_BYTES or len(self.headers or ()) > MAX_HEADERS:
            self._refuse(_too_large())
        else:
            self._refuse(BadHttp(problem=msg.removesuffix(".").lower()))

    def _refuse(self, error: StellaError) -> None:
        """Say why and close; nothing more is read."""
        self._refused = True
        self._no_timer()
        if self.transport.is_closing():
            return
        body = body_of(error, "connection")
        head = [
            STATUS_LINE[status_of(error)],
            b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (MEDIA_TYPE, len(body)),
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(limit=MAX_HEADER_BYTES, count=MAX_HEADERS)


class _TooLarge(httptools.HttpParserError):
    """Stops the parser, which wraps whatever a callback raises."""
