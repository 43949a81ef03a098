"""A request as handlers see it, and an answer as they give it.

Rules:
- A body is read only when a handler asks for it, and never beyond its limit; reading has a time limit as a whole.
- An answer is whole in memory, or a stream that its handler writes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from stella.http.errors import BodyTooLarge, TooSlow, WrongMediaType
from stella.identity.errors import TenantNotActive
from stella.kernel.digest import sha256
from stella.operations import Principal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
WORTH_READING = 64 * 1024  # bytes of a body that nobody wants; a new connection costs as much
DROPPED = 8 * 1024 * 1024  # bytes of a body that was refused; a piece of an upload that comes too late is half of it
DROP_SECONDS = 2.0
MAX_DIGITS = 18  # of a number of bytes; Python refuses to read thousands of them
ENDLESS = 2**63
PIECE_TIMEOUT = 30  # seconds between two pieces of an upload


class Gone(Exception):
    """The client has left."""


class Cut(Exception):
    """An answer that has begun is not for whoever gets it any more: its tenant was stopped."""


def _goes_on(tenant: str) -> str:
    """Stands for a look at the tenant where nobody knows of any."""
    del tenant
    return ""


class Request:
    """One request. `values` are those of the path's parameters."""

    __slots__ = (
        "begun",
        "headers",
        "id",
        "operation",
        "principal",
        "receive",
        "scope",
        "send",
        "started",
        "stopped",
        "trace",
        "values",
        "whole",
    )

    begun: float  # when the answer began, by perf_counter: said of streams alone

    def __init__(self, request_id: str, scope: Message, receive: Receive, send: Send) -> None:
        self.id = request_id
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive
        self.send = send
        self.values: tuple[str, ...] = ()
        self.principal: Principal = NOBODY
        self.stopped: Callable[[str], str] = _goes_on  # of a tenant; see `auth.Tokens`
        self.trace = ""
        self.whole = False  # whether all of the body was read
        self.started = False  # whether the answer has begun
        self.operation = ""

    def header(self, name: bytes) -> str:
        """A header by its lower-case name; empty when absent, the last when there are several."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def query(self) -> str:
        return bytes(self.scope["query_string"]).decode("latin-1")

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body. Raises BodyTooLarge, TooSlow or Gone."""
        self.announced(limit, "service.max_body_mib")
        message = await self._next(seconds)
        if not message.get("more_body"):
            data: bytes = message["body"]
            if len(data) > limit:
                raise BodyTooLarge(limit=limit, setting="service.max_body_mib")
            return data
        pieces = bytearray(message["body"])
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while message.get("more_body"):
            if len(pieces) > limit:
                raise BodyTooLarge(limit=limit, setting="service.max_body_mib")
            message = await self._next(end - loop.time(), seconds)
            pieces += message["body"]
        if len(pieces) > limit:
            raise BodyTooLarge(limit=limit, setting="service.max_body_mib")
        return bytes(pieces)

    async def json(self, limit: int, seconds: float) -> bytes:
        """The body of a request that must be JSON; also raises WrongMediaType."""
        body = await self.body(limit, seconds)
        found = self.header(b"content-type").partition(";")[0].strip().lower()
        if found != "application/json" and (body or found):
            raise WrongMediaType(found=found or "of no type", expected="application/json")
        return body or b"{}"

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises TooSlow when nothing comes for long, Gone when the client has left, TenantNotActive when its tenant was
        stopped meanwhile.
        """
        more = True
        while more:
            message = await self._next(PIECE_TIMEOUT)
            if state := self.stopped(self.principal.tenant):
                raise TenantNotActive(tenant=self.principal.tenant, state=state)
            more = bool(message.get("more_body"))
            if message["body"]:
                yield message["body"]

    def announced(self, limit: int, setting: str) -> int | None:
        """The Content-Length, if any; raises BodyTooLarge."""
        length = number_in(self.header(b"content-length"))
        if length is not None and length > limit:
            raise BodyTooLarge(limit=limit, setting=setting)
        return length

    async def drop(self) -> None:
        """Read what is left of the body and drop it, within bounds: many clients listen when they have sent all."""
        left = DROPPED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DROP_SECONDS):
                while left > 0 and not self.whole:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return
                    left -= len(message["body"])
                    self.whole = not message.get("more_body")

    async def gone(self) -> None:
        """Return when the client has left."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _next(self, seconds: float, told: float | None = None) -> Message:
        if getattr(getattr(self.receive, "__self__", None), "more_body", True):
            try:
                async with asyncio.timeout(max(seconds, 0)):
                    message = await self.receive()
            except TimeoutError:
                raise TooSlow(limit=told or seconds) from None
        else:  # uvicorn has all of it already, so nobody is waited for
            message = await self.receive()
        if message["type"] == "http.disconnect":
            raise Gone
        self.whole = not message.get("more_body")
        return message

    def leaves_much(self) -> bool:
        """Whether so much of the body is unread that closing the connection is better than reading it."""
        announced = number_in(self.header(b"content-length")) or 0
        return not self.whole and (announced > WORTH_READING or bool(self.header(b"transfer-encoding")))


def number_in(text: str) -> int | None:
    """A number of bytes in a header; None when it is none. One of absurdly many digits is endless."""
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if len(text) <= MAX_DIGITS else ENDLESS


class Answer:
    """What is sent back. With `stream` the handler sends everything itself through that coroutine."""

    __slots__ = ("body", "headers", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: Headers | None = None,
        *,
        stream: Callable[[Send], Awaitable[None]] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers if headers is not None else []
        self.stream = stream


def answer(value: msgspec.Struct, status: int = 200, headers: Headers | None = None) -> Answer:
    """A struct as JSON; a file name that is not UTF-8 is written with its escapes, as the command line does."""
    return Answer(status, encode(value), [(b"content-type", JSON), *(headers or ())])


def tagged(request: Request, found: Answer) -> Answer:
    """The answer with an ETag of its body; 304 without one when the client has it."""
    etag = f'"{sha256(found.body)}"'.encode()
    known = {tag.strip().removeprefix("W/") for tag in request.header(b"if-none-match").split(",")}
    if etag.decode() in known:
        return Answer(304, b"", [(b"etag", etag)])
    found.headers.append((b"etag", etag))
    return found


def encode(value: Any) -> bytes:
    """JSON of a value."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        import json  # noqa: PLC0415  # rare

        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).encode("utf-8", "backslashreplace")


NOBODY = Principal("", frozenset())
