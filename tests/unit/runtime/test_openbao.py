"""OpenBao's answers, good and hostile, from a server of a few lines; the real one is in the contract suite."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stella.runtime import config
from stella.runtime.errors import BaoAway, BaoDenied, BaoRefused, SecretMissing, SecretUnreadable
from stella.runtime.openbao import MAX_ANSWER, OpenBao
from stella.runtime.settings import BaoSettings
from stella.signing.bao_custody import BaoCustody
from stella.signing.errors import UnusableKey
from stella.testing import counted_entropy

pytestmark = pytest.mark.network


class Server:
    """Answers everything alike, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.absent = False  # whether the first thing that is asked for is not there
        self.asked: list[tuple[str, str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                outer.asked.append((self.command, self.path, self.headers.get("X-Vault-Token")))
                self.send_response(404 if outer.absent else outer.status)
                outer.absent = False
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names are those of the base

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def say(self, data: object) -> None:
        self.body = json.dumps({"data": data}).encode()


@pytest.fixture(scope="module")
def only() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def server(only: Server) -> Server:
    only.status, only.body, only.asked, only.absent = 200, b"{}", [], False
    return only


def test_a_secret_behind_a_reference(server: Server) -> None:
    server.say({"data": {"passphrase": "correct horse"}})
    bao, env = BaoSettings(address=server.address, token="env:T"), {"T": "token\n"}
    assert config.read_secret("bao:secret/stella/keys#passphrase", env, bao) == b"correct horse"
    assert server.asked == [("GET", "/v1/secret/data/stella/keys", "token")]
    assert config.read_secret("bao:secret/x#passphrase", {"BAO_ADDR": server.address, "BAO_TOKEN": "t"})
    with pytest.raises(SecretMissing, match="env:T"):
        config.read_secret("bao:secret/x#passphrase", {}, bao)


def test_the_token_of_openbao_is_in_no_openbao() -> None:
    (token,) = [key for key in config.every_key() if key.name == "bao.token"]
    (other,) = [key for key in config.every_key() if key.name == "keys.passphrase"]
    assert config._checked(other, "bao:secret/x#y", "here") == "bao:secret/x#y"
    for key, value in ((token, "bao:secret/x#y"), (other, "bao:"), (other, "vault:x")):
        with pytest.raises(config.LiteralSecret):
            config._checked(key, value, "here")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 412, 500])
def test_other_answers_are_refused_and_not_followed(server: Server, status: int) -> None:
    server.status, server.body = status, b'{"errors": ["no\x1b[31m"]}'.replace(b"\x1b", b"\\u001b")
    with pytest.raises(BaoRefused, match=f"status {status}") as caught:
        OpenBao(server.address, b"x").call("GET", "a/b")
    assert "\x1b" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_let_in_is_not_repeated(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(BaoDenied) as caught:
        OpenBao(server.address, b"s3cret").call("GET", "a/b")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 472, 473, 503])
def test_a_server_that_is_not_ready(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(BaoAway):
        OpenBao(server.address, b"x").call("GET", "a/b")


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"data": 1}', b"\xff", b'{"errors": [1]}', b"[" * 100_000])
def test_an_answer_that_cannot_be_read(server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(BaoRefused):
        OpenBao(server.address, b"x").call("GET", "a/b")


def test_an_answer_without_end(server: Server) -> None:
    server.body = b" " * (MAX_ANSWER + 1)
    with pytest.raises(BaoAway):
        OpenBao(server.address, b"x").call("GET", "a/b")


@pytest.mark.parametrize("name", ["a b", "a/../b", "a?x=1", "ä"])
def test_a_path_stays_one(server: Server, name: str) -> None:
    OpenBao(server.address, b"x").call("GET", f"transit/keys/{name}")
    path = server.asked[0][1]
    assert path.isascii()
    assert not {" ", "?", "#"} & set(path)


ANSWERS: list[object] = [
    {},
    {"keys": {}},
    {"keys": {"1": {"public_key": "x"}}},
    {"keys": {"1": {"public_key": "-----BEGIN PUBLIC KEY-----"}}},
    {"keys": {"1": {"public_key": "AAAA"}}},
    {"keys": {"1": 7}},
    {"signature": "vault:v1"},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_custody_takes_no_key_and_no_signature_that_is_none(server: Server, answer: object) -> None:
    server.say(answer)
    server.absent = True
    with pytest.raises((BaoRefused, UnusableKey)):
        BaoCustody(OpenBao(server.address, b"x"), "transit", counted_entropy("a")).make("ed25519", "policy")


def test_a_signature_by_another_key_is_not_used(server: Server) -> None:
    key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8032 section 7.1, test 1
    server.say({"keys": {"1": {"public_key": key}}, "signature": "vault:v1:" + "A" * 86 + "=="})
    server.absent = True
    custody = BaoCustody(OpenBao(server.address, b"x"), "transit", counted_entropy("a"))
    kept = custody.make("ed25519", "policy")
    with pytest.raises(BaoRefused, match="by another key"):
        custody.sign(kept.handle, b"data")


@pytest.mark.parametrize("reference", ["bao:", "bao:x", "bao:x/y", "bao:x#y", "bao:/y#z", "bao:x/#z"])
def test_a_reference_of_another_form(server: Server, reference: str) -> None:
    with pytest.raises(SecretUnreadable):
        config.read_secret(reference, {"BAO_ADDR": server.address, "BAO_TOKEN": "t"})
    assert server.asked == []
