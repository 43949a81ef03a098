"""Fetching a key set from a server that answers as a test wants."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stella.tenancy.errors import KeySetUnreachable, TokenKeyUnknown, UnusableKeyAddress
from stella.tenancy.fetch import KeyAddress, max_age
from stella.tenancy.jwks import KeyCache
from stella.tenancy.keys import MAX_SET
from stella.testing import ManualClock, counted_entropy
from tests.unit.tenancy.issued import ES, ISSUER

Answering = Callable[[http.server.BaseHTTPRequestHandler], None]
DRIPS = 1500  # half a minute, a hundred times what is waited
SET = json.dumps({"keys": [ES.jwk()]}).encode()


@contextlib.contextmanager
def serving(answer: Answering) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a server on this machine, and the headers of what it was asked."""
    asked: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(body: bytes = SET, status: int = 200, **headers: str) -> Answering:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


class Dripping:
    """A good set, and then one blank after another, with or without a length; or headers that never end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sent = 0

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        drop = b" "
        if self.kind == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            drop = b"x"
        else:
            handler.send_response(200)
            if self.kind == "length":
                handler.send_header("Content-Length", str(len(SET) + 1000))
            handler.end_headers()
            handler.wfile.write(SET)
        while self.sent < DRIPS:
            handler.wfile.write(drop)
            self.sent += 1
            time.sleep(0.02)


def cut_short(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(SET) + 10))
    handler.end_headers()
    handler.wfile.write(SET)
    handler.close_connection = True


def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(1)
    handler.close_connection = True


@pytest.mark.network
def test_a_set_comes_with_its_etag_and_age() -> None:
    with serving(answering(ETag='"v1"', Cache_Control="public, max-age=600, must-revalidate")) as (url, asked):
        answer = KeyAddress(f"{url}?x=1")("")
        assert answer == (SET, '"v1"', 600)
        KeyAddress(url)('"v1"')
    assert asked[0]["path"] == "/jwks?x=1"
    assert "if-none-match" not in asked[0]
    assert asked[1]["if-none-match"] == '"v1"'
    assert "authorization" not in asked[0]
    assert "cookie" not in asked[0]


@pytest.mark.network
def test_unchanged_has_no_body() -> None:
    with serving(answering(b"", 304, ETag='"v1"', Cache_Control="max-age=60")) as (url, _):
        assert KeyAddress(url)('"v1"') == (None, '"v1"', 60)


@pytest.mark.network
@pytest.mark.parametrize("status", [201, 204, 301, 302, 303, 307, 308, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    with (
        serving(answering()) as (elsewhere, asked),
        serving(answering(b"" if status == 204 else SET, status, Location=elsewhere)) as (url, _),
        pytest.raises(KeySetUnreachable, match=f"status {status}"),
    ):
        KeyAddress(url)("")
    assert asked == []


@pytest.mark.network
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answering(b"x" * 1_000_000), f"larger than {MAX_SET} bytes"),
        (answering(b"x" * (MAX_SET + 1)), f"larger than {MAX_SET} bytes"),
        (cut_short, "cut short"),
        (silent, "timed out|no whole answer|without response"),
    ],
    ids=["1 MB", "one byte too many", "cut short", "silent"],
)
def test_an_answer_out_of_bounds_is_a_failure(answer: Answering, words: str) -> None:
    with serving(answer) as (url, _), pytest.raises(KeySetUnreachable, match=words):
        KeyAddress(url, seconds=0.3)("")


@pytest.mark.network
@pytest.mark.parametrize("kind", ["headers", "length", "no length"])
def test_an_answer_that_drips_is_ended(kind: str) -> None:
    answer = Dripping(kind)
    with serving(answer) as (url, _), pytest.raises(KeySetUnreachable):
        KeyAddress(url, seconds=0.3)("")
    assert 0 < answer.sent < DRIPS, "the client hung up"


@pytest.mark.network
def test_nobody_there_is_a_failure_and_keys_stay() -> None:
    clock = ManualClock()
    with serving(answering()) as (url, _):
        cache = KeyCache(ISSUER, KeyAddress(url), clock, counted_entropy("x"), start=lambda work: work())
        assert cache.get(ES.kid).key.thumbprint == ES.kid
    clock.pass_time(300)
    assert cache.get(ES.kid).key.thumbprint == ES.kid
    with pytest.raises(TokenKeyUnknown):
        cache.get("unknown")


@pytest.mark.network
def test_an_etag_that_is_no_text_or_too_long_is_not_kept() -> None:
    for etag in ('"' + "x" * 300 + '"', '"\xe9"'):
        with serving(answering(ETag=etag)) as (url, _):
            assert KeyAddress(url)("").etag == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//host/jwks",
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "http://127.0.0.1.example/jwks",
        "http://0.0.0.0/jwks",
        "http://2130706433/jwks",
        "ftp://issuer.example/jwks",
        "file:///etc/passwd",
        "https://",
        "https:///jwks",
        "https://issuer.example:0/jwks",
        "https://issuer.example:99999/jwks",
        "https://issuer.example/jw ks",
        "https://issuer.example/\r\nX: y",
        "https://[::1",
        "https://user@issuer.example/jwks",
        "https://user:hidden-word@issuer.example/jwks",
        "http://localhost:hidden-word@issuer.example/jwks",
        "https://issuér.example/jwks",
    ],
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UnusableKeyAddress) as caught:
        KeyAddress(url)
    assert "hidden-word" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/jwks",
        "https://10.0.0.1:8443/",
        "http://127.0.0.1:1/x",
        "http://[::1]:1/",
        "http://localhost/",
    ],
)
def test_an_address_that_can_be_used(url: str) -> None:
    assert KeyAddress(url)._url == url


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("max-age=60", 60),
        ("public, Max-Age=600", 600),
        ("max-age=600,public", 600),
        ("s-maxage=5", None),
        ("x-max-age=5", None),
        ("max-age=-5", None),
        ("max-age=1e9", None),
        ("max-age=9999999999", None),
        ("max-age=", None),
        ("no-store", None),
    ],
)
def test_the_age_that_a_header_allows(header: str, seconds: int | None) -> None:
    assert max_age(header) == seconds
