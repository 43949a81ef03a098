"""Where an issuer says that its keys are, asked of a server that answers as a test wants."""

from __future__ import annotations

import http.server
import json
from typing import Any

import pytest

from stella.kernel.errors import StellaError
from stella.tenancy.discovery import AGAIN, SUFFIX, Discovered
from stella.tenancy.errors import KeySetUnreachable, UnusableKeyAddress
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.jwks import Answer
from stella.tenancy.keys import read_set
from tests.unit.tenancy.issued import ES
from tests.unit.tenancy.test_fetch import serving

pytestmark = pytest.mark.network

SET = json.dumps({"keys": [ES.jwk()]}).encode()


class Provider:
    """Answers for its document and for its keys; both can be changed."""

    def __init__(self) -> None:
        self.top = ""
        self.document: Any = None
        self.status = 200
        self.keys_status = 200
        self.keys_path = "/keys"

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        about = handler.path.endswith(SUFFIX)
        document = (
            {"issuer": self.top, "jwks_uri": f"{self.top}{self.keys_path}"} if self.document is None else self.document
        )
        body = (document if isinstance(document, bytes) else json.dumps(document).encode()) if about else SET
        handler.send_response(self.status if about else self.keys_status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def test_the_document_is_read_once_and_again_when_the_keys_are_gone() -> None:
    provider = Provider()
    with serving(provider) as (url, asked):
        provider.top = url.removesuffix("/jwks")
        fetch = Discovered(provider.top)
        for _ in range(3):
            assert read_set(fetch("").body or b"", provider.top)
        assert [one["path"] for one in asked] == [SUFFIX, "/keys", "/keys", "/keys"]
        provider.keys_status = 404
        with pytest.raises(KeySetUnreachable):
            fetch("")
        provider.keys_status = 200
        assert fetch("old").body == SET
        assert [one["path"] for one in asked][4:] == ["/keys", SUFFIX, "/keys"]
        assert "if-none-match" not in asked[-1]  # what is at another address is another set


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no",
        b"[]",
        b"{}",
        b"\xff",
        {"issuer": "https://issuer.example", "jwks_uri": "SAME/keys"},
        {"issuer": "", "jwks_uri": "SAME/keys"},
        {"issuer": None, "jwks_uri": "SAME/keys"},
        {"issuer": "SAME/", "jwks_uri": "SAME/keys"},
        {"issuer": "SAME"},
        {"issuer": "SAME", "jwks_uri": "http://keys.example/keys"},
        {"issuer": "SAME", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "SAME", "jwks_uri": "https://user:word@keys.example/keys"},
        {"issuer": "SAME", "jwks_uri": 5},
    ],
)
def test_a_document_that_counts_for_nothing(document: Any) -> None:
    provider = Provider()
    with serving(provider) as (url, asked):
        provider.top = url.removesuffix("/jwks")
        provider.document = document
        if isinstance(document, dict):
            text = json.dumps(document).replace("SAME", provider.top)
            provider.document = json.loads(text)
        with pytest.raises(StellaError) as caught:
            Discovered(provider.top)("")
        assert isinstance(caught.value, KeySetUnreachable | UnusableKeyAddress)
        assert [one["path"] for one in asked] == [SUFFIX]


def test_a_key_set_that_moved_is_found_though_something_answers_at_the_old_place() -> None:
    provider = Provider()
    with serving(provider) as (url, asked):
        provider.top = url.removesuffix("/jwks")
        fetch = Discovered(provider.top)
        fetch("")
        provider.keys_path = "/moved"
        for _ in range(AGAIN):
            fetch("old")
        assert [one["path"] for one in asked[-3:]] == ["/keys", SUFFIX, "/moved"]
        assert "if-none-match" not in asked[-1]
        provider.status = 500  # the document is away: the address that is known stays in use
        for _ in range(AGAIN):
            fetch("old")
        assert [one["path"] for one in asked[-3:]] == ["/moved", SUFFIX, "/moved"]
        assert asked[-1]["if-none-match"] == "old"


def test_another_machine_does_not_choose_what_is_asked_for_on_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.dumps({"issuer": "https://issuer.example", "jwks_uri": "http://127.0.0.1:8400/v1/stack"}).encode()
    asked: list[str] = []

    def answer(self: KeyAddress, etag: str) -> Answer:
        del etag
        asked.append(self._url)
        return Answer(document)

    monkeypatch.setattr(KeyAddress, "__call__", answer)
    with pytest.raises(KeySetUnreachable, match="not behind https"):
        Discovered("https://issuer.example")("")
    assert asked == [f"https://issuer.example{SUFFIX}"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_document(status: int) -> None:
    provider = Provider()
    provider.status = status
    with serving(provider) as (url, _):
        provider.top = url.removesuffix("/jwks")
        with pytest.raises(KeySetUnreachable):
            Discovered(provider.top)("")


@pytest.mark.parametrize("issuer", ["", "issuer.example", "http://issuer.example", "ftp://issuer.example", "https://"])
def test_an_issuer_that_cannot_be_asked(issuer: str) -> None:
    with pytest.raises(UnusableKeyAddress):
        Discovered(issuer)
