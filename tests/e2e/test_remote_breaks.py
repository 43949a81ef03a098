"""The client when the service, or what pretends to be one, breaks off, restarts or says strange things."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stella import bootstrap
from stella.bundle.errors import NoChannel
from stella.cli.main import run
from stella.client import exchange, transport
from stella.client.api import Client
from stella.client.errors import NotAService, ServiceAway
from stella.client.exchange import Exchange
from stella.client.transport import Transport
from stella.mirror.model import CreateBundle
from stella.operations import find
from stella.runtime.entropy import system_entropy
from stella.runtime.errors import DiskFull, Unreadable
from stella.runtime.files import observe_steps
from stella.runtime.postgres_server import Postgres
from stella.testing import SilentProgress
from tests.e2e.material import as_process
from tests.service import Running, running

pytestmark = pytest.mark.network

MIB = 1024 * 1024


class Watching:
    """Calls back when so many bytes of a task have moved."""

    def __init__(self, task: str, at: int, then: Callable[[], None]) -> None:
        self.task, self.at, self.then = task, at, then
        self.current = ""
        self.moved: dict[str, int] = {}

    def start(self, task: str, total: int | None, unit: str) -> None:
        del total, unit
        self.current = task

    def advance(self, amount: int) -> None:
        self.moved[self.current] = self.moved.get(self.current, 0) + amount
        if self.current == self.task and self.moved[self.task] >= self.at:
            self.at = 1 << 60
            self.then()


@pytest.fixture
def service(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    """One that is at the same address after each start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "there").mkdir()
    with running(tmp_path / "there", postgres, STELLA_SERVICE_PORT=str(port)) as made:
        assert made.call("POST", "/v1/mirror/channels", {"dir": "M"}).status == 201
        yield made


@pytest.fixture
def restarts(service: Running) -> Iterator[Callable[[], None]]:
    """Kill the service now, and let it be back some seconds later."""
    threads: list[threading.Thread] = []

    def later() -> None:
        time.sleep(2)
        service.start()

    def perform() -> None:
        service.kill()
        threads.append(threading.Thread(target=later))
        threads[-1].start()

    yield perform
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["upload", "download"])
def test_files_go_on_where_they_were_over_a_kill_and_restart(
    service: Running, tmp_path: Path, restarts: Callable[[], None], monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setattr(exchange, "PIECE", MIB)
    monkeypatch.setattr(exchange, "CHUNK", MIB // 4)
    size = 32 * MIB
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.bin").write_bytes(os.urandom(size))
    watching = Watching(task, size // 2, restarts)
    client = Client(service.url, service.token, watching)
    out = tmp_path / "out.stella"
    made = client.mirror.create(dir="M", source=(f"artifacts={tmp_path / 'src'}",), out=str(out))
    assert watching.at == 1 << 60, "there was no restart"
    assert out.stat().st_size == made.bundle_bytes
    assert size // 2 <= watching.moved[task] <= size + 2 * MIB, "nothing was sent twice but the piece that was cut off"
    shown = service.call("GET", "/v1/files/uploads").json
    assert [row for row in shown["entries"] if row["kind"] == "file"] == []


@pytest.mark.slow
def test_a_job_is_followed_over_a_kill_and_restart(
    service: Running, tmp_path: Path, restarts: Callable[[], None]
) -> None:
    (tmp_path / "src").mkdir()
    for number in range(40):
        (tmp_path / "src" / str(number)).write_bytes(os.urandom(2 * MIB))
    watching = Watching("hash", 1, restarts)
    tasks: list[str] = []
    start = watching.start

    def told(name: str, total: int | None, unit: str) -> None:
        tasks.append(name)
        if name not in {"upload", "download"}:
            watching.task = name if watching.at == 1 else watching.task
        start(name, total, unit)

    watching.start = told  # type: ignore[method-assign]
    client = Client(service.url, service.token, watching)
    made = client.mirror.create(dir="M", source=(f"artifacts={tmp_path / 'src'}",), out=str(tmp_path / "out"))
    assert watching.at == 1 << 60, tasks
    assert (tmp_path / "out").stat().st_size == made.bundle_bytes


def test_what_was_sent_is_deleted_when_the_operation_has_ended(service: Running, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    client = Client(service.url, service.token)
    client.mirror.create(dir="M", source=(f"artifacts={tmp_path / 'a'}",), out=str(tmp_path / "out"))
    with pytest.raises(NoChannel):
        client.mirror.create(dir="none", source=(f"artifacts={tmp_path / 'a'}",), out=str(tmp_path / "out"))
    assert list((service.work / "uploads").iterdir()) == []


# What pretends to be a service.


@contextlib.contextmanager
def pretender(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Gives these answers, one for each connection and the last for all others; its address, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(5)
                        asked.append(connection.recv(65536))
                        connection.sendall(answers[min(len(asked), len(answers)) - 1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for a moment alone."""
    for name in ("RESTART", "FIRST", "PAUSE"):
        monkeypatch.setattr(transport, name, 0.05)


def answered(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % (len(body) if length is None else length), *headers]
    return b"\r\n".join([*head, b"", body])


def fetching(url: str) -> Exchange:
    bootstrap.load("mirror")
    return Exchange(Transport(url, "x"), find("mirror.create"), system_entropy, SilentProgress())


DATA = bytes(range(256)) * 40
TAG = b'ETag: "%b"' % hashlib.sha256(DATA).hexdigest().encode()


def test_a_file_that_was_cut_off_is_no_file(hasty: None, tmp_path: Path) -> None:
    del hasty
    with pretender(answered(DATA[:99], TAG, length=len(DATA)), b"") as (url, _), pytest.raises(ServiceAway):
        fetching(url)._fetch("downloads/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    rest = answered(DATA[99:], TAG, b"Content-Range: bytes 99-10239/10240", status=b"206 Partial Content")
    with pretender(answered(DATA[:99], TAG, length=len(DATA)), rest) as (url, asked):
        fetching(url)._fetch("downloads/x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == DATA
    assert b"range: bytes=99-" in asked[1].lower()


@pytest.mark.parametrize(
    "rest", [answered(DATA, TAG), answered(DATA[99:], b'ETag: "other"', status=b"206 Partial Content")]
)
def test_a_file_that_became_another_meanwhile(hasty: None, tmp_path: Path, rest: bytes) -> None:
    del hasty
    with pretender(answered(DATA[:99], TAG, length=len(DATA)), rest) as (url, _), pytest.raises(NotAService):
        fetching(url)._fetch("downloads/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_waited_for(tmp_path: Path) -> None:
    def full(kind: str, path: str) -> None:
        if kind == "write" and path.endswith("/x"):
            raise OSError(errno.ENOSPC, "full")

    begin = time.monotonic()
    observe_steps(full)
    try:
        with pretender(answered(DATA, TAG)) as (url, _), pytest.raises(DiskFull):
            fetching(url)._fetch("downloads/x", tmp_path / "x")
    finally:
        observe_steps(None)
    assert time.monotonic() - begin < transport.RESTART / 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_altered(tmp_path: Path) -> None:
    with pretender(answered(DATA[::-1], TAG)) as (url, _), pytest.raises(NotAService):
        fetching(url)._fetch("downloads/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_shrinks_while_it_is_sent(hasty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del hasty
    (tmp_path / "b").write_bytes(DATA)
    upload = answered(b'{"id":"1","path":"uploads/1/b","offset":0}', b"Upload-Offset: 10")
    monkeypatch.setattr(exchange, "PIECE", 10)
    with pretender(upload) as (url, asked):
        exchanged = fetching(url)
        piece = exchanged._piece

        def shrinking(*given: object) -> int:
            (tmp_path / "b").write_bytes(DATA[:10])
            return piece(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(exchanged, "_piece", shrinking)
        with pytest.raises(Unreadable):
            exchanged.send(CreateBundle(dir="M", out="x", source=(str(tmp_path / "b"),)))
        assert len(asked) == 2
    assert b"idempotency-key:" in asked[0].lower()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (answered(b"<html>"), 2),
        (answered(b""), 2),
        (answered(b"[]"), 2),
        (answered(b'{"schema":"stella.version@1"}'), 2),
        (answered(b"", status=b"302 Found"), 2),
        (answered(b"<html>", status=b"502 Bad Gateway"), 2),
        (answered(b'{"code":"X","detail":1}', status=b"500 Error"), 2),
        (answered(b'{"code":"MIRROR-002","detail":"x","facts":[]}', status=b"404 Not Found"), 2),
        (answered(b"{}", b"Location: /v1/jobs/1", status=b"202 Accepted"), 2),
        (answered(b"{}", status=b"202 Accepted"), 2),
        (answered(b'{"schema":', length=100), 10),
        (b"SSH-2.0-OpenSSH\r\n", 10),
        (b"", 10),
    ],
)
def test_an_answer_that_is_none(hasty: None, tmp_path: Path, answer: bytes, code: int) -> None:
    del hasty
    with pretender(answer) as (url, _), as_process(tmp_path, STELLA_TOKEN="x"):
        assert run(["version", "--server", url]) == code
        assert run(["site", "status", "--dir", "D", "--server", url]) == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[::1", "127.0.0.1:-1"])
def test_an_address_that_cannot_be(tmp_path: Path, url: str) -> None:
    with as_process(tmp_path, STELLA_TOKEN="x"):
        assert run(["version", "--server", url]) == 2


@pytest.mark.parametrize("token", ["a\nb", "a\r\nX: y", "\u20ac", "a b"])
def test_a_token_that_cannot_be(tmp_path: Path, token: str) -> None:
    with pretender(answered(b"{}")) as (url, _), as_process(tmp_path, STELLA_TOKEN=token):
        assert run(["version", "--server", url]) in {2, 3}


def test_an_interrupt_when_the_job_has_just_ended() -> None:
    """Ctrl-C is Ctrl-C, whatever the service answers to the cancellation."""

    class Interrupting(SilentProgress):
        def start(self, task: str, total: int | None, unit: str) -> None:
            del task, total, unit
            raise KeyboardInterrupt

    created = answered(b"{}", b"Location: /v1/jobs/1", status=b"202 Accepted")
    event = b'HTTP/1.1 200 OK\r\n\r\nevent: progress\ndata: {"task":"t","done":1,"total":1,"unit":"b"}\n\n'
    ended = b'{"code":"HTTP-036","detail":"x","facts":{"state":"done","id":"1"}}'
    with pretender(created, event, answered(ended, status=b"409 Conflict")) as (url, asked):
        client = Client(url, "x", Interrupting())
        with pytest.raises(KeyboardInterrupt):
            client.mirror.create(dir="M", out="out")
    assert asked[-1].startswith(b"DELETE /v1/jobs/1 ")
