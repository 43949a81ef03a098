"""HTTP/1.1 requests to one service, on the standard library: a fifth of the start-up of larger clients.

Rules:
- The token travels in the Authorization header alone, and never over plain HTTP to another machine.
- An answer that is a problem (RFC 9457) becomes the error that the operation would have raised here.
- A request is retried only when it is safe: nothing was sent, or the method or its Idempotency-Key makes it so.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from stella.client.errors import NotAService, ServiceAway, TokenInTheClear, UnknownProblem
from stella.kernel.errors import StellaError

PATIENCE = 60.0  # seconds for one answer; long work is a job, and its answer comes at once
ATTEMPTS = 4
PAUSE = 0.2  # seconds before the second attempt; doubled for each further one
MAX_ANSWER = 256 * 1024 * 1024  # bytes of a JSON answer; the listing of two million entries stays below
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Transport:
    """Requests to `url` with a bearer token; raises NotAService or TokenInTheClear."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NotAService(url=url, problem="it is no http or https address")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise TokenInTheClear(url=url)
        self.url = url
        self._parts = parts
        self._token = token

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=patience, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=patience)

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> Iterator[http.client.HTTPResponse]:
        """One request; the answer is open for the length of the block.

        Raises ServiceAway, the error that the service names, or NotAService.
        """
        connection = self._connection(patience)
        sent = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **(headers or {})}
        try:
            try:
                connection.request(method, self._parts.path.rstrip("/") + path, body, sent)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise ServiceAway(url=self.url, problem=str(error) or type(error).__name__) from None
            if answer.status >= http.client.BAD_REQUEST:
                raise self._error(answer)
            yield answer
        finally:
            connection.close()

    def json(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of a request with a JSON body; repeated while the service is away."""
        data = None if body is None else msgspec.json.encode(body)
        kind = {} if data is None else {"Content-Type": "application/json"}
        for attempt in range(ATTEMPTS):
            try:
                with self.open(method, path, data, {**kind, **(headers or {})}) as answer:
                    return answer.status, answer.headers, self._read(answer)
            except ServiceAway:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            data = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceAway(url=self.url, problem=str(error) or type(error).__name__) from None
        if len(data) > MAX_ANSWER:
            raise NotAService(url=self.url, problem=f"an answer of more than {MAX_ANSWER} bytes")
        return data

    def _error(self, answer: http.client.HTTPResponse) -> StellaError:
        data = self._read(answer)
        try:
            problem = msgspec.json.decode(data)
            return error_of(problem)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            return NotAService(url=self.url, problem=f"status {answer.status} without a problem document")


def error_of(problem: Mapping[str, Any]) -> StellaError:
    """The error that a problem document describes; raises KeyError, TypeError or ValueError when it is none."""
    from stella.about.catalogue import error_classes  # noqa: PLC0415  # only when something failed

    kind = error_classes().get(problem["code"])
    facts = {str(name): fact for name, fact in problem["facts"].items()}
    if kind is not None and kind.fields() <= facts.keys():
        return kind(**facts)
    return UnknownProblem(detail=problem["detail"], code_there=problem["code"])
