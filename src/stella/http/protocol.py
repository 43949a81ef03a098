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
        self._head_bytes = 0
        self._head_count = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        self._head_bytes = self._head_count = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_count += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._no_timer()
        if not self._refused:
            super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEADER_BYTES or self._head_count > MAX_HEADERS:
            raise _TooLarge

    def _no_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self._refuse(TooSlow(limit=HEADER_SECONDS))

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser gives up."""
        if self._head_bytes > MAX_HEADER_BYTES or self._head_count > MAX_HEADERS:
            self._refuse(HeadersTooLarge(limit=MAX_HEADER_BYTES, count=MAX_HEADERS))
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


class _TooLarge(httptools.HttpParserError):
    """Stops the parser, which wraps whatever a callback raises."""
