"""Requests that are well-formed enough to reach deep, and made to hurt: a 4xx with its code each time, never a 5xx."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import quote

import pytest

from stella import bootstrap
from stella.http.protocol import MAX_CONNECTIONS
from stella.operations import fields_of
from stella.runtime.postgres_server import Postgres
from tests.e2e.test_service_bad_input import flat, raw, refused
from tests.service import PATIENCE, Got, Running, running

pytestmark = pytest.mark.network

VERIFY = "/v1/mirror/verifications"
CREATE = "/v1/mirror/bundles"
INIT = "/v1/mirror/channels"
MANY = "9" * 5000  # digits: more than Python reads
CHUNKED = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("attacks"), postgres, STELLA_SERVICE_SEND_TIMEOUT="2s") as made:
        (made.work / "f").write_bytes(b"123456789")
        (made.work / "f").chmod(0o644)
        yield made
        lines = made.lines()  # each is one of JSON, whatever came
        assert not [line for line in lines if line["event"] in {"failed", "library"}]


ODD = [
    ("GET", "/v1/files/f", f"Range: bytes={MANY}-\r\n", "", 416, "HTTP-035"),
    ("GET", "/v1/files/f", f"Range: bytes=-{MANY}\r\n", "", 416, "HTTP-035"),
    ("GET", "/v1/files/f", f"Range: bytes=0-{MANY}\r\n", "", 416, "HTTP-035"),
    ("POST", INIT, f"Content-Type: application/json\r\nContent-Length: {'0' * 5000}2\r\n", "{}", 413, "HTTP-005"),
    ("POST", "/nowhere", f"Content-Length: {'0' * 5000}2\r\n", "{}", 404, "HTTP-003"),
    ("POST", "/nowhere", f"Content-Length: {MANY}\r\n", "{}", 400, "HTTP-032"),
    ("POST", INIT, "Content-Length: 2\r\nContent-Length: 3\r\n", "{}", 400, "HTTP-032"),
    ("POST", INIT, f"Content-Length: 5\r\n{CHUNKED}", "2\r\n{}\r\n0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, "Transfer-Encoding: gzip\r\n", "2\r\n{}\r\n0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, "Transfer-Encoding: chunked, identity\r\n", "2\r\n{}\r\n0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, CHUNKED, "-2\r\n{}\r\n0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, CHUNKED, "f" * 20 + "\r\n{}\r\n0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, CHUNKED, "2\r\n{}xx0\r\n\r\n", 400, "HTTP-032"),
    ("POST", INIT, CHUNKED, f"2;{'a' * 3_000_000}\r\n{{}}\r\n0\r\n\r\n", 431, "HTTP-007"),
    ("POST", INIT, CHUNKED, "2\r\n{}\r\n0\r\n" + "X: a\r\n" * 500_000 + "\r\n", 431, "HTTP-007"),
    ("GET", "/healthz", "X: a\r\n b\r\n", "", 400, "HTTP-032"),
    ("GET", "/healthz", "X : a\r\n", "", 400, "HTTP-032"),
    ("GET", "/healthz", "X: a\0b\r\n", "", 400, "HTTP-032"),
    ("GET", "/v1/files/ü", "", "", 400, "HTTP-032"),
    ("CONNECT", "example.com:443", "", "", 400, "HTTP-032"),
    ("OPTIONS", "*", "", "", 404, "HTTP-003"),
    ("OPTIONS", "/v1/jobs", "", "", 405, "HTTP-004"),
    ("TRACE", "/v1/jobs", "", "", 405, "HTTP-004"),
    ("GET", "/" * 20_000, "", "", 404, "HTTP-003"),
    ("GET", "/v1/files/" + "a/" * 10_000, "", "", 422, "HTTP-011"),
    ("GET", "/v1/files/%zz%", "", "", 404, "IO-001"),
    ("GET", "/v1/files/%ff", "", "", 404, "IO-001"),
    ("GET", "/v1/files/%00", "", "", 422, "HTTP-011"),
    ("GET", "/v1/files/%252e%252e%252fservice.json", "", "", 404, "IO-001"),
    ("GET", "/v1/files/..%5cservice.json", "", "", 404, "IO-001"),
    ("GET", "/v1/files/%c0%ae%c0%ae/service.json", "", "", 404, "IO-001"),
    ("GET", "/v1/files/%2e%2e%2fservice.json", "", "", 422, "HTTP-011"),
    ("GET", "/v1/files/f/../../service.json", "", "", 422, "HTTP-011"),
    ("GET", "/v1/files/%2fetc/passwd", "", "", 404, "HTTP-003"),
    ("GET", "/v1/jobs?" + "a=1&" * 7000, "", "", 422, "HTTP-010"),
    ("GET", "/v1/jobs?cursor=" + "A" * 30_000, "", "", 400, "DOC-005"),
    ("GET", f"/v1/jobs?limit={MANY}", "", "", 422, "HTTP-010"),
    ("GET", "/v1/jobs?operation=%00", "", "", 422, "HTTP-010"),
    ("GET", "/v1/jobs?operation=%ed%a0%80", "", "", 422, "HTTP-010"),
    ("GET", "/v1/jobs/%00", "", "", 404, "HTTP-017"),
    ("GET", "/v1/jobs/%00/events", "", "", 404, "HTTP-017"),
    ("PATCH", "/v1/uploads/%00", "Content-Type: application/octet-stream\r\nUpload-Offset: 0\r\n", "", 404, "HTTP-020"),
    (
        "PATCH",
        "/v1/uploads/x",
        f"Content-Type: application/octet-stream\r\nUpload-Offset: {MANY}\r\n",
        "",
        422,
        "HTTP-010",
    ),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "code"), ODD, ids=range(len(ODD)))
def test_odd_requests(
    service: Running, method: str, path: str, headers: str, body: str, status: int, code: str
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\nConnection: close\r\n"
    with flat(service, 16):
        found = raw(service, f"{head}{headers}\r\n{body}".encode())
    assert found.startswith(b"HTTP/1.1 %d " % status), found[:300]
    assert json.loads(found.rpartition(b"\r\n\r\n")[2])["code"] == code


TAKING_TEXT = [
    f"{operation.path}?{name}="
    for operation in bootstrap.load_all()
    if operation.method == "GET" and "{" not in operation.path
    for name, kind, _, _ in fields_of(operation.request)
    if kind in {str, str | None}
]
TEXTS = ["\0", "a\0b", "\ud800", "x" * 100_000, "'; --", "%00", "\u202e"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("path", TAKING_TEXT)
def test_odd_texts_for_the_database(service: Running, path: str, text: str) -> None:
    got = service.call("GET", path + quote(text.encode(errors="surrogatepass"))[:20_000])
    assert got.status in {200, 400, 404, 422}, got


@pytest.mark.parametrize("last", ["-1", "1e3", "0x1", MANY, "9" * 18, "ab", "\xb2", "1 2"])
def test_events_after_an_odd_one(service: Running, last: str) -> None:
    job = service.job(VERIFY, {"bundle": "none", "trust": "none"})
    refused(service.call("GET", f"/v1/jobs/{job['id']}/events", Last_Event_ID=last), 422, "HTTP-010")


@pytest.mark.parametrize("last", ["0", "2", "3", "9" * 17])
def test_events_after_the_last_one(service: Running, last: str) -> None:
    job = service.job(VERIFY, {"bundle": "none", "trust": "none"})
    got = service.call("GET", f"/v1/jobs/{job['id']}/events", Last_Event_ID=last)
    assert (got.status, got.body.count(b"event: state")) == (200, 3 - min(int(last), 3))


def test_a_race_for_one_key(service: Running) -> None:
    """Of many that send the same request at once, one does the work, and the rest hear of it or are told to wait."""
    with ThreadPoolExecutor(16) as pool:

        def ask(times: int, path: str, key: str, *bodies: dict[str, str]) -> list[Future[Got]]:
            turns = itertools.islice(itertools.cycle(bodies), times)
            return [pool.submit(service.call, "POST", path, body, Idempotency_Key=key) for body in turns]

        long = ask(32, VERIFY, "r", {"bundle": "b", "trust": "t"})
        short = ask(32, INIT, "r", {"dir": "raced"})
        other = ask(16, INIT, "d", *({"dir": f"{number}"} for number in range(16)))
    assert {one.result().status for one in long} == {202}
    assert len({one.result().headers["location"] for one in long}) == 1
    statuses = [one.result().status for one in short]
    assert set(statuses) <= {201, 409}
    assert len({one.result().body for one in short if one.result().status == 201}) == 1
    assert {one.result().json["code"] for one in short if one.result().status == 409} <= {"HTTP-013"}
    assert sum(one.result().status == 201 for one in other) == 1
    assert {one.result().json["code"] for one in other if one.result().status == 409} == {"HTTP-012"}


def test_cancels_from_all_sides(service: Running) -> None:
    """While it waits, starts, runs and ends: each is a 202 or the word that it has ended, and it ends."""
    (service.work / "src").mkdir(exist_ok=True)
    for number in range(10):
        (service.work / "src" / f"{number}").write_bytes(os.urandom(1 << 20))
    service.call("POST", INIT, {"dir": "C"})
    for number in range(8):
        made = service.call("POST", CREATE, {"dir": "C", "out": f"c{number}", "source": ["artifacts=src"]})
        location = made.headers["location"]
        time.sleep(0.02 * number)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: service.call("DELETE", location), range(8)))  # noqa: B023  # done at once
        assert {got.status for got in answers} <= {202, 409}
        assert {got.json["code"] for got in answers if got.status == 409} <= {"HTTP-036"}
        assert service.ended(location)["state"] in {"cancelled", "done"}


@pytest.mark.slow
def test_many_jobs(service: Running) -> None:
    """More than may wait: the rest is refused, and memory does not grow with them."""
    with flat(service, 32), ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(service.call, "POST", VERIFY, {"bundle": f"{n}", "trust": "t" * 200}) for n in range(2000)]
        answers = [one.result() for one in asked]
    assert {got.status for got in answers} <= {202, 503}
    assert {got.json["code"] for got in answers if got.status == 503} <= {"HTTP-016"}
    end = time.monotonic() + 4 * PATIENCE
    while service.call("GET", "/v1/jobs?state=queued&limit=1").json["jobs"]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_more_connections_than_are_taken(service: Running) -> None:
    with contextlib.ExitStack() as opened, flat(service, 32):
        address = ("127.0.0.1", service.port)
        for _ in range(MAX_CONNECTIONS):
            opened.enter_context(socket.create_connection(address, timeout=20))
        got = service.call("GET", "/healthz")
        assert (got.status, got.json["code"]) == (503, "HTTP-039")
        assert got.headers["retry-after"] == "1"
        for _ in range(1000):
            socket.create_connection(address, timeout=20).close()
    end = time.monotonic() + PATIENCE
    while service.call("GET", "/healthz").status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_many_who_watch_one_job_and_leave(service: Running) -> None:
    """A stream ends with its client, and not with the next thing that there is to say."""
    before = threading.active_count()
    (service.work / "big").mkdir(exist_ok=True)
    for number in range(60):
        (service.work / "big" / f"{number}").write_bytes(os.urandom(2 << 20))
    service.call("POST", INIT, {"dir": "W"})
    location = service.call("POST", CREATE, {"dir": "W", "out": "w", "source": ["artifacts=big"]}).headers["location"]
    head = f"GET {location}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n\r\n"
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(head.encode())
            connection.recv(64)
    end = time.monotonic() + 5
    while sum(line.get("operation") == "jobs.events" for line in service.lines()) < 100:
        assert time.monotonic() < end
        time.sleep(0.05)
    service.call("DELETE", location)
    service.ended(location)
    assert threading.active_count() == before
