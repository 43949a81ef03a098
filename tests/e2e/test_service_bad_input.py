"""What a client may send that it should not: each is a 4xx with its code, and the service is as well as before."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stella.runtime.postgres_server import Postgres
from tests.service import Got, Running, running

pytestmark = pytest.mark.network

MIB = 1024 * 1024
VERIFY = "/v1/mirror/verifications"
CREATE = "/v1/mirror/bundles"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    settings = {"STELLA_SERVICE_SEND_TIMEOUT": "2s"}
    with running(tmp_path_factory.mktemp("bad"), postgres, **settings) as made:
        yield made


def refused(got: Got, status: int, code: str) -> dict[str, Any]:
    """The problem, which must be the one that was expected."""
    assert (got.status, got.headers["content-type"]) == (status, "application/problem+json"), got
    problem: dict[str, Any] = got.json
    assert (problem["code"], problem["status"], problem["schema"]) == (code, status, "stella.problem@1")
    assert problem["detail"]
    assert problem["instance"].startswith("urn:stella:request:")
    return problem


def raw(service: Running, data: bytes, seconds: float = 20) -> bytes:
    """Send bytes as they are; everything that comes back until the service closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        found = b""
        while piece := _received(connection):
            found += piece
        return found


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@contextlib.contextmanager
def flat(service: Running, limit: int) -> Iterator[None]:
    """The peak memory of the service rises by no more than so many MiB in the block."""
    top = Path(f"/proc/{service.process.pid}")
    (top / "clear_refs").write_text("5")  # the peak begins anew
    before = _peak(top)
    yield
    assert _peak(top) < before + limit


def _peak(top: Path) -> int:
    line = next(line for line in (top / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize(
    ("headers", "code", "challenge"),
    [
        ({"Authorization": ""}, "HTTP-001", 'Bearer realm="stella"'),
        ({"Authorization": "Basic YTpi"}, "HTTP-001", 'Bearer realm="stella"'),
        ({"Authorization": "Bearer "}, "TOKEN-001", 'Bearer realm="stella", error="invalid_token"'),
        ({"Authorization": "Bearer wrong"}, "TOKEN-001", 'Bearer realm="stella", error="invalid_token"'),
        ({"Authorization": "Bearer \xe4\xff"}, "TOKEN-001", 'Bearer realm="stella", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", ["/v1/version", "/v1/jobs", "/v1/files/x", "/metrics", "/openapi.json", "/nowhere"])
def test_without_the_token(service: Running, path: str, headers: dict[str, str], code: str, challenge: str) -> None:
    got = service.call("GET", path, **headers)
    refused(got, 401, code)
    words, _, description = got.headers["www-authenticate"].partition(", error_description=")
    assert (words, bool(description)) == (challenge, code != "HTTP-001")


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"{", "HTTP-009", 400),
        (b"\xff\xfe", "HTTP-009", 400),
        (b"[" * 100_000, "HTTP-010", 422),
        (b'{"dir": ' + b"[" * 100_000, "HTTP-010", 422),
        (b"[]", "HTTP-010", 422),
        (b"null", "HTTP-010", 422),
        (b"{}", "HTTP-010", 422),
        (b'{"dir": 1, "out": "x"}', "HTTP-010", 422),
        (b'{"dir": "M", "out": "x", "colour": "red"}', "HTTP-010", 422),
        (b'{"dir": "M", "out": "x", "generation": 1e400}', "HTTP-010", 422),
        (b'{"dir": "\\ud800", "out": "x"}', "HTTP-009", 400),
        (b'{"dir": "M", "out": "x", "source": "src"}', "HTTP-010", 422),
    ],
)
def test_a_body_of_the_wrong_form(service: Running, body: bytes, code: str, status: int) -> None:
    refused(service.call("POST", CREATE, body, Content_Type="application/json"), status, code)


def test_an_unknown_field_is_named(service: Running) -> None:
    problem = refused(service.call("POST", CREATE, {"dir": "M", "out": "x", "colour": "red"}), 422, "HTTP-010")
    assert "colour" in problem["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; x=1", ""])
def test_a_body_of_another_type(service: Running, kind: str) -> None:
    refused(service.call("POST", CREATE, b"{}", Content_Type=kind), 415, "HTTP-008")


@pytest.mark.parametrize(
    "query", ["", "?dir=D&dir=E", "?dir=D&colour=red", "?dir=%ff", "?" + "&".join(f"a{n}=1" for n in range(200))]
)
def test_a_query_of_the_wrong_form(service: Running, query: str) -> None:
    refused(service.call("GET", f"/v1/site{query}"), 422, "HTTP-010")


def test_fields_in_the_query_of_a_post(service: Running) -> None:
    refused(service.call("POST", f"{CREATE}?dir=M", {"dir": "M", "out": "x"}), 422, "HTTP-010")


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/version"), ("DELETE", "/v1/site"), ("PUT", "/v1/jobs")])
def test_another_method(service: Running, method: str, path: str) -> None:
    got = service.call(method, path)
    refused(got, 405, "HTTP-004")
    assert "GET" in got.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/nothing", "/v1/version/", "//v1/version", "/v1/jobs/a/b/c"])
def test_nothing_there(service: Running, path: str) -> None:
    refused(service.call("GET", path), 404, "HTTP-003")


OUTSIDE = ["../x", "a/../../x", "/etc/passwd", "", ".", "a//b", "./a", "a\0b", "a\nb", "x" * 2000, "link/x", "link"]


@pytest.mark.parametrize("text", OUTSIDE)
@pytest.mark.parametrize("field", ["dir", "out", "source", "for"])
def test_nothing_outside_of_its_folder(service: Running, field: str, text: str) -> None:
    link = service.work / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    body: dict[str, Any] = {"dir": "M", "out": "x.stella"}
    body[field] = [f"artifacts={text}"] if field == "source" else text
    problem = refused(service.call("POST", CREATE, body), 422, "HTTP-011")
    assert f"`{field}`" in problem["detail"]


@pytest.mark.parametrize("text", ["s3://bucket/x", "S3://bucket", "file:///etc/passwd"])
def test_no_bucket_unless_it_is_set(service: Running, text: str) -> None:
    refused(service.call("POST", CREATE, {"dir": text, "out": "x"}), 422, "HTTP-011")


@pytest.mark.parametrize("path", ["..%2fservice.json", "%2e%2e/secrets/admin-token", "link/passwd"])
def test_no_file_outside_of_its_folder(service: Running, path: str) -> None:
    link = service.work / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    refused(service.call("GET", f"/v1/files/{path}"), 422, "HTTP-011")


def test_a_gigabyte_that_is_announced(service: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.putrequest("POST", CREATE)
    for name, value in (
        ("Authorization", f"Bearer {service.token}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(1024 * MIB)),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "HTTP-005")
    assert answer.getheader("connection") == "close"
    connection.close()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_client_that_listens_when_it_has_sent_all_hears_why_it_was_refused(service: Running, token: str) -> None:
    headers = {"Content_Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    for _ in range(10):
        got = service.call("POST", CREATE, b" " * (6 * MIB), **headers)
        refused(got, *((401, "TOKEN-001") if token else (413, "HTTP-005")))
        assert got.headers["connection"] == "close"


@pytest.mark.slow
@pytest.mark.parametrize("token", [True, False])
def test_a_gigabyte_that_just_comes(service: Running, token: bool) -> None:
    """In chunks, without a word on its size: it is cut off early, and costs no memory."""
    service.call("GET", "/v1/version")
    sent = 0
    chunk = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
    head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    head += f"Authorization: Bearer {service.token}\r\n\r\n" if token else "\r\n"
    address = ("127.0.0.1", service.port)
    with flat(service, 32), socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head.encode())
        with contextlib.suppress(OSError):
            for _ in range(1024):
                connection.sendall(chunk)
                sent += MIB
        assert sent < 64 * MIB
    assert service.call("GET", "/v1/version").status == 200


def test_a_body_that_comes_too_slowly(service: Running) -> None:
    head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    head += f"Authorization: Bearer {service.token}\r\n\r\n{{"
    found = raw(service, head.encode())
    assert found.startswith(b"HTTP/1.1 408 "), found
    assert b"HTTP-006" in found


@pytest.mark.slow
def test_headers_that_come_too_slowly(service: Running) -> None:
    """Nothing at all, and the beginning of a head: both at once, since each takes as long as the limit."""
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda data: raw(service, data), [b"", b"GET /v1/version HTTP/1.1\r\nHost: x\r\nX-A"]):
            assert found.startswith(b"HTTP/1.1 408 "), found


@pytest.mark.parametrize(
    "bomb",
    [
        b"X: %b\r\n" % (b"a" * 200_000),
        b"".join(b"X%d: 1\r\n" % number for number in range(5000)),
        b"X: %b\r\n" % (b"a" * 50_000_000),
    ],
)
def test_header_bombs(service: Running, bomb: bytes) -> None:
    with flat(service, 16):
        found = raw(service, b"GET /v1/version HTTP/1.1\r\nHost: x\r\n%b\r\n" % bomb)
    assert found.startswith(b"HTTP/1.1 431 ") or found == b"", found  # a reset may overtake the answer
    assert service.call("GET", "/v1/version").status == 200


def test_a_long_path(service: Running) -> None:
    found = raw(service, b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 40_000))
    assert found.startswith(b"HTTP/1.1 431 "), found
    assert b"HTTP-007" in found


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_not_http(service: Running, data: bytes) -> None:
    found = raw(service, data)
    assert found.startswith(b"HTTP/1.1 400 "), found
    assert b"HTTP-032" in found


def test_a_cursor_of_another_query(service: Running) -> None:
    for number in range(3):
        service.call("POST", VERIFY, {"bundle": f"{number}.stella", "trust": "T"})
    page = service.call("GET", "/v1/jobs?limit=2").json
    assert len(page["jobs"]) == 2
    assert service.call("GET", f"/v1/jobs?limit=2&cursor={page['next']}").status == 200
    for query in (
        f"operation=mirror.verify&cursor={page['next']}",
        f"state=done&cursor={page['next']}",
        f"cursor={page['next'][:-2]}AA",
        "cursor=1",
        "cursor=",
        "cursor=%00%ff",
    ):
        got = service.call("GET", f"/v1/jobs?{query}")
        if query.endswith("%ff"):
            refused(got, 422, "HTTP-010")
        else:
            refused(got, 400, "DOC-005")


def test_a_key_with_another_body(service: Running) -> None:
    first = service.call("POST", VERIFY, {"bundle": "a", "trust": "T"}, Idempotency_Key="k-verify")
    again = service.call("POST", VERIFY, {"bundle": "a", "trust": "T"}, Idempotency_Key="k-verify")
    assert (again.status, again.headers["location"]) == (202, first.headers["location"])
    assert again.headers["idempotent-replayed"] == "true"
    got = service.call("POST", VERIFY, {"bundle": "b", "trust": "T"}, Idempotency_Key="k-verify")
    problem = refused(got, 409, "HTTP-012")
    digests = {problem["facts"]["earlier"], problem["facts"]["found"]}
    assert len(digests) == 2
    assert all(digest in problem["detail"] for digest in digests)


def test_a_key_on_a_short_operation(service: Running) -> None:
    body = {"dir": "K", "channel": "stable"}
    first = service.call("POST", "/v1/mirror/channels", body, Idempotency_Key="k-init")
    again = service.call("POST", "/v1/mirror/channels", body, Idempotency_Key="k-init")
    assert (first.status, again.status) == (201, 201), again
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    other = service.call("POST", "/v1/mirror/channels", body | {"dir": "L"}, Idempotency_Key="k-init")
    refused(other, 409, "HTTP-012")
    assert not (service.work / "L").exists()
    without = service.call("POST", "/v1/mirror/channels", body)
    assert without.status == 400, "the channel is there already"


def test_a_failure_gives_the_key_back(service: Running) -> None:
    body = {"dir": "late", "reason": "x"}
    for _ in range(2):
        refused(service.call("POST", "/v1/site/rollback", body, Idempotency_Key="k-fail"), 404, "SITE-002")


@pytest.mark.parametrize("key", ["x" * 201, "\xe4"])
def test_a_key_of_the_wrong_form(service: Running, key: str) -> None:
    refused(service.call("POST", VERIFY, {"bundle": "a", "trust": "T"}, Idempotency_Key=key), 422, "HTTP-010")


def test_no_secret_is_in_the_log(service: Running) -> None:
    service.call("GET", "/v1/version?token=in-the-query", Cookie="in-a-cookie")
    log = service.log.read_text()
    assert service.token not in log
    assert "in-the-query" not in log
    assert "in-a-cookie" not in log
    assert "Traceback" not in log
