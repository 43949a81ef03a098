"""HTTP/1.1 requests to one service, on the standard library: a fifth of the start-up of larger clients.

Rules:
- The token travels in the Authorization header alone, and never over plain HTTP to another machine.
- An answer that is a problem (RFC 9457) becomes the error that the operation would have raised here.
- A request is retried only when it is safe: nothing was sent, or the method or its Idempotency-Key makes it so.
- In the middle of something the service may be away for as long as a restart takes; before that it is away at once.
- An answer that was cut off is none.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from stella.client.errors import BadToken, NotAService, ServiceAway, TokenInTheClear, UnknownProblem
from stella.kernel.errors import StellaError

Kind = TypeVar("Kind")
PATIENCE = 60.0  # seconds for one answer; long work is a job, and its answer comes at once
FIRST = 1.4  # seconds in which a service has to be there at first
RESTART = 30.0  # seconds in which one comes back that was there: a stop with its drain, a start
PAUSE = 0.2  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 2.0
PASSING = "unavailable"  # the reason of errors that pass; a full disk needs somebody
WRONG_OFFSET = "HTTP-021"  # what the last piece of an upload came to was not known yet
MAX_ANSWER = 256 * 1024 * 1024  # bytes of a JSON answer; the listing of two million entries stays below
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Patience:
    """How long a service may be away, from the last thing that came: as a restart takes, or `first`, a moment."""

    def __init__(self, *, first: bool = False) -> None:
        self._seconds = FIRST if first else RESTART
        self.renew()

    def renew(self) -> None:
        """Something came."""
        self._end = time.monotonic() + self._seconds
        self._pause = PAUSE

    def wait(self, error: StellaError) -> None:
        """Wait for a moment; raise the error instead when it does not pass by itself, or has not passed in time."""
        left = self._end - time.monotonic()
        if left <= 0 or (error.reason != PASSING and error.code != WRONG_OFFSET):
            raise error
        time.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


class Transport:
    """Requests to `url` with a bearer token; raises NotAService or TokenInTheClear."""

    def __init__(self, url: str, token: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            self._port = parts.port
        except ValueError as error:
            raise NotAService(url=url, problem=f"it is no address: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NotAService(url=url, problem="it is no http or https address")
        if not (token.isascii() and token.isprintable()):
            raise BadToken
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise TokenInTheClear(url=url)
        self.url = url
        self._parts = parts
        self._token = token

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._port
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
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have said why
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
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of a request with a JSON body; repeated while the service is away.

        With a patience of the caller it is repeated after every error that passes, else when there is no answer alone.
        """
        data = None if body is None else msgspec.json.encode(body)
        kind = {} if data is None else {"Content-Type": "application/json"}
        waiting = patience or Patience(first=True)
        while True:
            try:
                with self.open(method, path, data, {**kind, **(headers or {})}) as answer:
                    return answer.status, answer.headers, self._read(answer)
            except StellaError as error:
                if patience is None and not isinstance(error, ServiceAway):
                    raise
                waiting.wait(error)

    def plain(self, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        """Status and body of the answer to a request without a token; raises ServiceAway or NotAService.

        It is a POST with that body, or a GET.
        """
        connection = self._connection(PATIENCE)
        try:
            try:
                sent = {"Accept": "application/json"} | ({"Content-Type": kind} if kind else {})
                method = "GET" if body is None else "POST"
                connection.request(method, self._parts.path.rstrip("/") + path, body, sent)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise ServiceAway(url=self.url, problem=str(error) or type(error).__name__) from None
            return answer.status, self._read(answer)
        finally:
            connection.close()

    def decoded(self, data: bytes, kind: type[Kind]) -> Kind:
        """A JSON answer as a type; raises NotAService."""
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, ValueError) as error:
            raise NotAService(url=self.url, problem=f"its answer has another form: {error}") from None

    def problem(self, found: Any, otherwise: str) -> StellaError:  # noqa: ANN401  # any JSON value
        """The error that a problem document describes; NotAService when it is none."""
        try:
            return error_of(found)
        except (KeyError, TypeError, ValueError, AttributeError):
            return NotAService(url=self.url, problem=otherwise)

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            data = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceAway(url=self.url, problem=str(error) or type(error).__name__) from None
        if answer.length and len(data) <= MAX_ANSWER:
            raise ServiceAway(url=self.url, problem="the answer was cut off")
        if len(data) > MAX_ANSWER:
            raise NotAService(url=self.url, problem=f"an answer of more than {MAX_ANSWER} bytes")
        return data

    def _error(self, answer: http.client.HTTPResponse) -> StellaError:
        data = self._read(answer)
        try:
            found = msgspec.json.decode(data)
        except (msgspec.MsgspecError, ValueError):
            found = None
        return self.problem(found, f"status {answer.status} without a problem document")


def error_of(problem: Mapping[str, Any]) -> StellaError:
    """The error that a problem document describes.

    Raises KeyError, TypeError, ValueError or AttributeError when it is none.
    """
    from stella.about.catalogue import error_classes  # noqa: PLC0415  # only when something failed

    kind = error_classes().get(problem["code"])
    facts = {str(name): fact for name, fact in problem["facts"].items()}
    if kind is not None and kind.fields() <= facts.keys():
        return kind(**facts)
    return UnknownProblem(detail=problem["detail"], code_there=problem["code"])
