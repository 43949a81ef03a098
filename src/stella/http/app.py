"""The ASGI application: finds the route, knows who asks, runs the handler, tells the log.

Rules:
- There is no stack of middleware: this one function is all that stands between the server and a handler.
- Every answer is one that the OpenAPI document lists; whatever fails becomes a problem with a code.
- A client that has left is no failure and gets no answer. An answer that fails on its way is cut off, so that nobody
  takes it for a whole one; the log says why.
- What is under way for a tenant ends when the tenant is suspended or deleted: a body is taken no further, an answer
  that is streamed is cut off.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from typing import Any, Protocol

from stella.http.auth import TENANT, Tokens, allow, challenge, presented
from stella.http.denials import STRANGER
from stella.http.errors import (
    Draining,
    Failed,
    MethodRefused,
    RangeRefused,
    ScopeMissing,
    TooManyJobs,
    TooManyUploads,
    TooSlow,
)
from stella.http.exchange import Answer, Cut, Gone, Headers, Message, Receive, Request, Send
from stella.http.jobs import trace_of
from stella.http.logs import Log, RequestLine
from stella.http.metrics import Metrics
from stella.http.problem import MEDIA_TYPE, RETRY_AFTER, body_of, status_of
from stella.http.routes import Routes
from stella.kernel.errors import Exit, StellaError
from stella.operations import Principal
from stella.tenancy.errors import TokenScopeMissing
from stella.tenancy.model import Pending

_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
TOO_MANY = 429
CLIENT_GONE = 499  # in the log; nobody gets it


class Denied(Protocol):
    """Hears of what is refused, and to whom: `denials.Denials.tell`."""

    def __call__(self, principal: Principal, action: str, resource: str, **facts: str) -> None: ...


def _nobody_is_told(principal: Principal, action: str, resource: str, **facts: str) -> None:
    """Stands for an audit log where there is none."""


class App:
    """One service as ASGI. `prefix` begins the ids of its requests."""

    def __init__(  # its parts
        self, routes: Routes, tokens: Tokens, log: Log, metrics: Metrics, prefix: str, denied: Denied = _nobody_is_told
    ) -> None:
        self._routes = routes
        self._tokens = tokens
        self._log = log
        self._metrics = metrics
        self._prefix = prefix
        self._denied = denied
        self._numbers = itertools.count(1)
        self.answered = 0
        self.draining = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begin = time.perf_counter()
        request = Request(f"{self._prefix}-{next(self._numbers):x}", scope, receive, send)
        request.stopped = self._tokens.stopped
        broken: BaseException | None = None
        answer = Answer(CLIENT_GONE)
        try:
            answer = await self._answer(request)
            status = await self._send(request, answer)
        except Gone:
            status = CLIENT_GONE
        except Cut as error:
            broken, status = error, answer.status
        except asyncio.CancelledError as error:  # the time of a drain is over
            if request.started:
                broken, status = error, answer.status
            else:
                status = await self._send(request, self._failure(request, Draining()))
        except Exception as error:  # noqa: BLE001  # an answer that has begun can only be cut off
            broken, status = error, answer.status
            self._tell_failed(request, error)
        seconds = time.perf_counter() - begin
        self.answered += 1
        principal = request.principal
        tenant = principal.tenant if principal.name else ""
        took = seconds if answer.stream is None else request.begun - begin  # how long a stream goes on is its client's
        self._metrics.request(request.operation, tenant, status, took)
        if status == TOO_MANY:
            self._metrics.limited(tenant)
        self._log.request(
            RequestLine(
                self._log.time(),
                request.id,
                request.operation,
                request.method,
                status,
                round(1000 * seconds, 2),
                principal.name,
                tenant,
                request.trace,
            )
        )
        if broken is not None:
            raise broken

    async def _answer(self, request: Request) -> Answer:
        try:
            traceparent = request.headers.get(b"traceparent")
            if traceparent is not None and (match := _TRACE.match(traceparent)):
                request.trace = match[1].decode()
            return await self._handled(request)
        except StellaError as error:
            return self._failure(request, error)
        except (Gone, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001  # the last guard: a client gets a code, the log gets the place
            self._tell_failed(request, error)
            return self._failure(request, Failed(problem=type(error).__name__, request=request.id))

    def _tell_failed(self, request: Request, error: Exception) -> None:
        self._log.event("failed", {"request": request.id, "operation": request.operation, "traceback": trace_of(error)})

    async def _handled(self, request: Request) -> Answer:
        try:
            route, request.values = self._routes.find(request.method, request.scope["path"])
        except StellaError:
            request.operation = "unknown"
            request.principal = await self._who(request)
            raise
        request.operation = route.name
        if route.scope:
            request.principal = await self._who(request)
        try:
            if route.scope and not route.own:
                allow(request.principal, route.scope)
            return await route.handle(request)
        except ScopeMissing as error:
            facts = {"code": error.code, "reason": error.reason, "scope": str(error.facts["scope"])}
            self._denied(request.principal, "auth.denied", route.name, **facts)
            self._metrics.refused(TokenScopeMissing.reason)
            raise

    async def _who(self, request: Request) -> Principal:
        given = presented(request.headers, request.scope)
        try:
            try:
                return self._tokens.principal(given, names=TENANT in request.headers)
            except Pending:
                given.wait = True
                return await asyncio.to_thread(self._tokens.principal, given)
        except StellaError as error:
            if given.known is not None:
                request.principal = given.known
            if given.known is not None or given.refused:
                whom = given.known or STRANGER
                self._denied(whom, "auth.denied", request.operation, code=error.code, reason=error.reason)
            raise

    def _failure(self, request: Request, error: StellaError) -> Answer:
        if isinstance(error, TooManyJobs | TooManyUploads):
            self._metrics.limited(request.principal.tenant)
        headers: Headers = [(b"content-type", MEDIA_TYPE)]
        if words := challenge(error):
            headers.append((b"www-authenticate", words))
        elif isinstance(error, MethodRefused):
            headers.append((b"allow", str(error.facts["allowed"]).encode()))
        elif isinstance(error, RangeRefused):
            headers.append((b"content-range", f"bytes */{error.facts['size']}".encode()))
        elif error.exit is Exit.TRANSIENT:
            headers.append((b"retry-after", RETRY_AFTER))
        if isinstance(error, TooSlow) or request.leaves_much():
            headers.append((b"connection", b"close"))
        return Answer(status_of(error), body_of(error, request.id), headers)

    async def _send(self, request: Request, answer: Answer) -> int:
        """Send an answer; the status that was really sent."""
        if answer.stream is not None:
            return await self._stream(request, answer)
        body = b"" if request.method == "HEAD" else answer.body
        headers = answer.headers
        headers.append((b"x-request-id", request.id.encode()))
        if answer.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        request.started = True
        await request.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if (b"connection", b"close") in headers:
            await request.send({"type": "http.response.body", "body": body, "more_body": True})
            await request.drop()
            body = b""
        await request.send({"type": "http.response.body", "body": body})
        return answer.status

    async def _stream(self, request: Request, answer: Answer) -> int:
        status = [answer.status]

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0], request.started = message["status"], True
                request.begun = time.perf_counter()
                message["headers"] = [*message["headers"], (b"x-request-id", request.id.encode())]
            elif message.get("more_body") and request.stopped(request.principal.tenant):
                raise Cut
            await request.send(message)

        request.begun = time.perf_counter()
        stream: Any = answer.stream
        await stream(send)
        return status[0]
