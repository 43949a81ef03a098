"""HTTP/1.1 on a connection: uvicorn's protocol with bounds before the application is reached.

Rules:
- The number of connections is bounded. One more is told so and closed; far more are closed without a word.
- The request line and the headers are bounded in bytes and in number; more is 431 and the end of the connection. So are
  the trailers of a chunked body, of which nothing is kept.
- Whoever owes something has a few seconds: a client that has just connected, one that has begun a request, one that was
  answered before all of its request was there. Only the next whole head gives it more time; else it is 408, or the end.
- A client that takes nothing of what it is sent for a minute is cut off.
- What is not HTTP is 400. It is said after the answers to the requests before it.
- All of these are problems with a code, like every other failure, and the connection stays until they can be heard.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from stella.http.errors import BadHttp, HeadersTooLarge, TooManyConnections, TooSlow
from stella.http.problem import MEDIA_TYPE, RETRY_AFTER, body_of, status_of
from stella.kernel.errors import Exit, StellaError

MAX_CONNECTIONS = 512  # half of the descriptors that a process usually has; the rest is for files and the database
MAX_TOLD = 64  # connections beyond that which are told so
LINGER_SECONDS = (
    2.0  # for a client that still sends to hear why it is refused; a close at once might overtake the answer
)
MAX_HEADER_BYTES = 32 * 1024  # a token and a trace take a few hundred
MAX_HEADERS = 100
HEADER_SECONDS = 10.0
TAKE_SECONDS = 60.0  # for 48 KiB at least: less than a kilobyte a second is no transfer


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0  # of the reads that the present head began and went on in
        self._read = 0  # bytes of the present read
        self._fruitful = False  # whether the present read has brought a begin or an end, or something of a body
        self._fruitless = 0  # bytes since there was a fruitful read
        self._refusal: StellaError | None = None
        self._owed: asyncio.TimerHandle | None = None  # while the client owes something, or is to go
        self._stuck: asyncio.TimerHandle | None = None  # while the client takes nothing

    @property
    def _working(self) -> bool:
        """Whether a request is being answered, or waits for those before it."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it
        if len(self.connections) > MAX_CONNECTIONS + MAX_TOLD:
            self.transport.abort()
            return
        self._owe()
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(TooManyConnections(limit=MAX_CONNECTIONS))

    def connection_lost(self, exc: Exception | None) -> None:
        self._owe_nothing()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._read, self._fruitful = len(data), False
        super().data_received(data)
        self._head_bytes += len(data)
        self._fruitless = 0 if self._fruitful else self._fruitless + len(data)
        if self._fruitless > MAX_HEADER_BYTES and self._refusal is None:
            self._refuse(_too_large())
        if not self._working:
            self._owe()

    def on_message_begin(self) -> None:
        self._in_head = self._fruitful = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._fruitful = False, True
        if len(self.headers) > MAX_HEADERS or (
            self._head_bytes + self._read > MAX_HEADER_BYTES and self._size() > MAX_HEADER_BYTES
        ):
            raise _TooLarge
        self._owe_nothing()
        super().on_headers_complete()
        if self.parser.should_upgrade():  # to nothing; the parser understands no more on this connection
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._fruitful = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fruitful = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._working:
            return
        if self._refusal is not None:
            self._tell(self._refusal)
        elif self.transport.is_closing():
            self._end_within(TAKE_SECONDS)
        elif self._in_head or self.cycle.more_body:
            self._owe()

    def _size(self) -> int:
        """Bytes of the head without its separators, as far as it came."""
        fields: list[tuple[bytes, bytes]] = self.headers or []  # none before the first request
        return len(getattr(self, "url", b"")) + sum(len(name) + len(value) for name, value in fields)

    def _owe(self) -> None:
        """The client has a few seconds from now, or from when it first owed something."""
        if self._owed is None:
            self._owed = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _owe_nothing(self) -> None:
        if self._owed is not None:
            self._owed.cancel()
            self._owed = None

    def _too_slow(self) -> None:
        self._owed = None
        if self._in_head:
            self._refuse(TooSlow(limit=HEADER_SECONDS))
        else:  # it has its answer
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser gives up."""
        if self._size() > MAX_HEADER_BYTES or len(self.headers or ()) > MAX_HEADERS:
            self._refuse(_too_large())
        else:
            self._refuse(BadHttp(problem=msg.removesuffix(".").lower()))

    def _refuse(self, error: StellaError) -> None:
        """Read nothing more, and say why when all requests before it are answered."""
        self._refusal = error
        self._owe_nothing()
        self.flow.pause_reading()
        if not self._working or self.cycle.more_body:  # else it is about what comes behind a whole request
            self._tell(error)

    def _tell(self, error: StellaError) -> None:
        """Send a refusal and close."""
        if self.transport.is_closing():
            return
        if self._working:
            if self.pipeline or self.cycle.response_started:  # it could be taken for a part of another answer
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = body_of(error, "connection")
        head = [STATUS_LINE[status_of(error)], b"content-type: %b\r\n" % MEDIA_TYPE]
        if error.exit is Exit.TRANSIENT:
            head.append(b"retry-after: %b\r\n" % RETRY_AFTER)
        head.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body))
        self.transport.write(b"".join([*head, body]))
        self.transport.write_eof()
        self.flow.pause_reading()
        self._end_within(LINGER_SECONDS)

    def _end_within(self, seconds: float) -> None:
        """End the connection then, whatever the client does."""
        self._owe_nothing()
        self._owed = self.loop.call_later(seconds, self.transport.abort)


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(limit=MAX_HEADER_BYTES, count=MAX_HEADERS)


class _TooLarge(httptools.HttpParserError):
    """Stops the parser, which wraps whatever a callback raises."""
