"""Fetching a key set over the network.

Rules:
- https, or http on this machine; no user name, no proxy, and an answer that points elsewhere is not followed.
- Size and time of the whole exchange are bounded, also when an answer drips.
"""

from __future__ import annotations

import http.client
import re
import ssl
from urllib.parse import SplitResult, urlsplit

from stella.kernel.instant import Seconds
from stella.runtime.egress import on_this_machine
from stella.runtime.watch import Watch
from stella.tenancy.errors import KeySetUnreachable, UnusableKeyAddress
from stella.tenancy.jwks import Answer
from stella.tenancy.keys import MAX_SET

FETCH_SECONDS = 5.0
MAX_ETAG = 256  # characters; a longer one is not worth keeping

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.ASCII | re.IGNORECASE)


class KeyAddress:
    """The real transport of a key cache. Raises UnusableKeyAddress when it is made with an address that cannot be used.

    `trust` is the context that says which certificates count; None is what this machine trusts.
    """

    def __init__(self, url: str, trust: ssl.SSLContext | None = None, seconds: float = FETCH_SECONDS) -> None:
        self._parts = _address(url)
        self._url = url
        self._seconds = seconds
        self._trust = trust

    def __call__(self, etag: str) -> Answer:
        """Fetch the set unless it is the one with that ETag; raises KeySetUnreachable."""
        connection = self._connection()
        watch = Watch(connection, self._seconds)
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        headers = {"Accept": "application/jwk-set+json, application/json"} | ({"If-None-Match": etag} if etag else {})
        try:
            connection.request("GET", path, headers=headers)
            watch.hold()
            response = connection.getresponse()
            body = response.read(MAX_SET + 1) if response.status == http.client.OK else b""
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise KeySetUnreachable(url=self._url, problem=str(error) or type(error).__name__) from None
        finally:
            watch.end()
            connection.close()
        if watch.late:  # the end of what came looks like the end of an answer
            raise KeySetUnreachable(url=self._url, problem=f"no whole answer within {self._seconds:g} s")
        return self._answer(response, body)

    def _answer(self, response: http.client.HTTPResponse, body: bytes) -> Answer:
        if response.status not in {http.client.OK, http.client.NOT_MODIFIED}:
            raise KeySetUnreachable(url=self._url, problem=f"status {response.status}")
        if response.status == http.client.OK and len(body) > MAX_SET:
            raise KeySetUnreachable(url=self._url, problem=f"the answer is larger than {MAX_SET} bytes")
        if response.status == http.client.OK and response.length:  # what was announced did not all come
            raise KeySetUnreachable(url=self._url, problem="the answer was cut short")
        etag = response.headers.get("ETag", "")
        usable = len(etag) <= MAX_ETAG and etag.isascii() and etag.isprintable()
        return Answer(
            body=body if response.status == http.client.OK else None,
            etag=etag if usable else "",
            max_age=max_age(response.headers.get("Cache-Control", "")),
        )

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._seconds)
        return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=self._trust)


def max_age(header: str) -> Seconds | None:
    """The age that a Cache-Control header allows; None when it says nothing of it."""
    found = _MAX_AGE.search(header)
    return int(found[1]) if found else None


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.hostname and (parts.port is None or parts.port) and url.isascii() and url.isprintable()
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or " " in url:
        raise UnusableKeyAddress(url=ascii(url)[1:-1], problem="it is not an address")
    if parts.username is not None or parts.password is not None:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise UnusableKeyAddress(url=shown, problem="it carries a user name or password")
    local = parts.hostname == "localhost" or on_this_machine(parts.hostname)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise UnusableKeyAddress(url=url, problem="it is neither https nor on this machine")
    return parts
