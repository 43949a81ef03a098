"""Asking an outside authority: what is sent, what is accepted, and that no address slips through."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from email.message import Message
from typing import Any

import pytest
from asn1crypto import core, tsp

from stella.kernel.errors import Exit, StellaError
from stella.runtime.watch import Watch
from stella.signing import anchor, exchange
from stella.signing.authority import issue, make_authority
from stella.signing.errors import AnchorInvalid, AuthorityUnreachable, UnusableAuthority
from stella.testing import counted_entropy

NONCE = b"\x00\x01\x02\x03\x04\x05\x06\x07"
NOW = 1_767_225_600
MADE = make_authority(counted_entropy("outside"), NOW, "outside")


def bare(status: int) -> bytes:
    """A TimeStampResp that has a status and no token."""
    return bytes.fromhex("30053003020100"[:-2]) + bytes([status])


def with_nonce(nonce: int | None, status: int = 0) -> bytes:
    """A token whose content has a nonce; its signature is broken by that, which is not this module's question."""
    response = tsp.TimeStampResp.load(issue(b"data", NOW, MADE.key, MADE.certificate))
    content = response["time_stamp_token"]["content"]["encap_content_info"]
    info = content["content"].parsed
    if nonce is not None:
        info["nonce"] = nonce
    content["content"] = core.ParsableOctetString(info.dump())
    response["status"] = {"status": status}
    return bytes(response.dump())


class Answering:
    """Stands for http.client's connections."""

    def __init__(self, body: bytes, status: int = 200, kind: str = "application/timestamp-reply") -> None:
        self.body, self.status, self.kind = body, status, kind
        self.asked: list[tuple[Any, ...]] = []
        self.closed = False
        self.sock = None

    def __call__(self, host: str, port: int | None, timeout: float) -> Answering:
        self.asked.append((host, port, timeout))
        return self

    def request(self, *given: Any) -> None:
        self.asked.append(given)

    def getresponse(self) -> Any:
        answer = io.BytesIO(self.body)
        headers = Message()
        headers["Content-Type"] = self.kind
        answer.status, answer.headers = self.status, headers  # type: ignore[attr-defined]
        return answer

    def close(self) -> None:
        self.closed = True


def fetch(monkeypatch: pytest.MonkeyPatch, answering: Answering, url: str = "https://tsa.example/tsr?a=1") -> bytes:
    monkeypatch.setattr(http.client, "HTTPSConnection", answering)
    monkeypatch.setattr(http.client, "HTTPConnection", answering)
    return anchor.fetch(url, b"data", NONCE)


def test_a_question_holds_digest_and_nonce() -> None:
    question = tsp.TimeStampReq.load(exchange.request(b"data", NONCE)).native
    from hashlib import sha512

    assert question["message_imprint"]["hashed_message"] == sha512(b"data").digest()
    assert question["message_imprint"]["hash_algorithm"]["algorithm"] == "sha512"
    assert question["nonce"] == int.from_bytes(NONCE)
    assert question["cert_req"] is True


def test_it_posts_the_question_and_returns_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    token = with_nonce(int.from_bytes(NONCE))
    answering = Answering(token)
    assert fetch(monkeypatch, answering) == token
    connected, (method, path, body, headers) = answering.asked
    assert connected == ("tsa.example", None, exchange.FETCH_SECONDS)
    assert (method, path) == ("POST", "/tsr?a=1")
    assert body == exchange.request(b"data", NONCE)
    assert headers == {"Content-Type": "application/timestamp-query"}
    assert answering.closed


@pytest.mark.parametrize(("url", "secure"), [("https://localhost/", True), ("http://localhost/", False)])
def test_https_is_spoken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, url: str, secure: bool) -> None:
    token = with_nonce(int.from_bytes(NONCE))
    encrypted, plain = Answering(token), Answering(token)
    monkeypatch.setattr(http.client, "HTTPSConnection", encrypted)
    monkeypatch.setattr(http.client, "HTTPConnection", plain)
    assert anchor.fetch(url, b"data", NONCE) == token
    assert (bool(encrypted.asked), bool(plain.asked)) == (secure, not secure)


def test_an_address_without_path_is_asked_at_its_top(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Answering(with_nonce(int.from_bytes(NONCE)))
    fetch(monkeypatch, answering, "http://127.0.0.1:3180")
    assert answering.asked[0][:2] == ("127.0.0.1", 3180)
    assert answering.asked[1][1] == "/"


@pytest.mark.parametrize(
    ("answering", "error"),
    [
        (Answering(b"", 302), AuthorityUnreachable),
        (Answering(b"", 500), AuthorityUnreachable),
        (Answering(with_nonce(int.from_bytes(NONCE)), 200, "text/html"), AuthorityUnreachable),
        (Answering(with_nonce(int.from_bytes(NONCE) + 1)), AnchorInvalid),
        (Answering(with_nonce(None)), AnchorInvalid),
        (Answering(with_nonce(int.from_bytes(NONCE), 2)), AnchorInvalid),
        (Answering(bare(2)), AnchorInvalid),
        (Answering(bare(0)), AnchorInvalid),
        (Answering(b"<html>"), AnchorInvalid),
        (Answering(b"0" * (anchor.MAX_TOKEN + 10)), AnchorInvalid),
    ],
)
def test_another_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch, answering: Answering, error: type[StellaError]
) -> None:
    with pytest.raises(error):
        fetch(monkeypatch, answering)
    assert answering.closed


@pytest.mark.parametrize(
    "failure", [OSError("no route"), TimeoutError(), http.client.BadStatusLine("x"), ValueError("bad chunk")]
)
def test_a_broken_exchange_can_be_tried_again(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    answering = Answering(b"")

    def fail() -> Any:
        raise failure

    answering.getresponse = fail  # type: ignore[method-assign]
    with pytest.raises(AuthorityUnreachable) as caught:
        fetch(monkeypatch, answering)
    assert caught.value.exit is Exit.TRANSIENT
    assert answering.closed


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tsa.example",
        "http://tsa.example/",
        "http://127.0.0.1.tsa.example/",
        "ftp://tsa.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https:///tsr",
        "https://[::1/tsr",
        "https://tsa.example:99999/",
        "https://tsa.example:0/",
        "https://tsa.example:x/",
        "https://user:secret@tsa.example/",
        "https://secret@tsa.example/",
        "https://:secret@tsa.example/",
    ],
)
def test_an_unusable_address_is_never_asked(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    answering = Answering(b"")
    with pytest.raises(UnusableAuthority) as caught:
        fetch(monkeypatch, answering, url)
    assert not answering.asked
    assert "secret" not in str(caught.value.problem())


def test_the_watchdog_ends_with_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdogs: list[threading.Timer] = []
    real = threading.Timer

    def recorded(*given: Any) -> threading.Timer:
        watchdogs.append(real(*given))
        return watchdogs[-1]

    monkeypatch.setattr(threading, "Timer", recorded)
    fetch(monkeypatch, Answering(with_nonce(int.from_bytes(NONCE))))
    assert len(watchdogs) == 1
    watchdogs[0].join(10)  # far below the time that a watchdog waits
    assert not watchdogs[0].is_alive()


def test_a_watchdog_without_a_socket_does_nothing() -> None:
    watch = Watch(Answering(b""), 60)  # type: ignore[arg-type]  # stands for a connection
    watch._abort()
    watch.end()
    assert watch.late


@pytest.mark.network
def test_an_answer_without_a_length_that_drips_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection lets go of its socket then, which must be ended all the same."""
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        line, _ = server.accept()
        with line, contextlib.suppress(OSError):
            line.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/timestamp-reply\r\n\r\n")
            while not ended.wait(0.01):
                line.sendall(b"0")

    monkeypatch.setattr(exchange, "FETCH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/tsr"
        try:
            with pytest.raises(AuthorityUnreachable, match="no whole answer"):
                exchange.fetch(url, b"data", NONCE)
        finally:
            ended.set()


def test_an_exchange_that_drips_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    class Sock:
        def shutdown(self, how: int) -> None:
            assert how == 2
            ended.set()

    answering = Answering(b"")
    answering.sock = Sock()  # type: ignore[assignment]

    def drip() -> Any:
        assert ended.wait(10)
        raise ConnectionResetError

    answering.getresponse = drip  # type: ignore[method-assign]
    monkeypatch.setattr(exchange, "FETCH_SECONDS", 0.02)
    with pytest.raises(AuthorityUnreachable, match="no whole answer"):
        fetch(monkeypatch, answering)
