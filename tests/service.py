"""A running service for tests, and a client that says what it got.

Rules:
- The service is a process of its own, started as people start it; its database is a real one.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stella.kernel.tenant import DEFAULT_TENANT
from stella.runtime import roles
from stella.runtime.postgres_server import Postgres
from tests.database import connected
from tests.e2e.material import environment

_numbers = itertools.count()
SECRET = "only for tests"  # of the server in tests/database.py
PASSWORD = f"password='{SECRET}'"
SEAL_KEY = "only for tests, 32 bytes or more."
AUDIT_KEY = base64.b64encode(b"only for tests, 32 bytes of key.").decode()
PATIENCE = 120  # seconds for what takes a moment, on a machine that has much else to do


class Base(NamedTuple):
    """A database as a stack lays it: hardened, and reached as its roles."""

    postgres: Postgres
    name: str

    @property
    def dsn(self) -> str:
        """The owner's address, who may see what the service has made."""
        return self.postgres.dsn(self.name, roles.OWNER)

    @property
    def settings(self) -> dict[str, str]:
        """What a service has to be told."""
        return {
            "STELLA_DATABASE_DSN": self.postgres.dsn(self.name, roles.APP),
            "STELLA_DATABASE_OWNER_DSN": self.dsn,
            "STELLA_SEAL_KEY": SEAL_KEY,
            "STELLA_LOG_KEY": AUDIT_KEY,
            "STELLA_WRAP_KEY": AUDIT_KEY,
            "PGPASSWORD": SECRET,
        }

    def drop(self) -> None:
        with connected(self.postgres) as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")  # type: ignore[call-overload]


def lay(postgres: Postgres) -> Base:
    """An empty database."""
    name = f"service_{next(_numbers)}"
    with connected(postgres) as connection:
        roles.make_database(connection, name)
    with connected(postgres, name) as connection:
        roles.harden(connection)
    return Base(postgres, name)


@contextlib.contextmanager
def running(top: Path, postgres: Postgres, **settings: str) -> Iterator[Running]:
    """A service with a database of its own."""
    (top / "data").mkdir()
    service = Running(top / "data", lay(postgres), **settings)
    try:
        yield service
    finally:
        service.end()


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A service on a free port of loopback."""

    def __init__(self, data: Path, base: Base, **settings: str) -> None:
        self.data = data
        self.base = base
        self.settings = settings
        self.log = data.parent / f"{data.name}.log"
        self.start()

    def start(self) -> None:
        """Start the process; it answers when this returns."""
        (self.data / "service.json").unlink(missing_ok=True)
        env = environment(self.data.parent, **self.base.settings | self.settings)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stella", "serve", "--data", str(self.data), "--json"],
                cwd=self.data.parent,
                env=env,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE
        while not (self.data / "service.json").exists():
            if self.process.poll() is not None:
                out, _ = self.process.communicate()
                raise AssertionError(out.decode() + self.log.read_text())
            assert time.monotonic() < end
            time.sleep(0.02)
        self.url = json.loads((self.data / "service.json").read_text())["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.token = (self.data / "secrets" / "admin-token").read_text().strip()

    @property
    def dsn(self) -> str:
        """The owner's address of its database."""
        return self.base.dsn

    @property
    def work(self) -> Path:
        """The folder of the tenant that the administrator's token is of."""
        return self.work_of(DEFAULT_TENANT)

    @property
    def parts(self) -> Path:
        """Where that tenant's uploads are on their way."""
        return self.data / "parts" / DEFAULT_TENANT

    def work_of(self, tenant: str) -> Path:
        folder = self.data / "work" / "tenants" / tenant
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def lines(self) -> list[dict[str, Any]]:
        """What the service has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        """Send a request with the token; a body that is no bytes goes as JSON."""
        sent = {"Authorization": f"Bearer {self.token}"}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def job(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """Ask for a long operation and wait for its end."""
        got = self.call("POST", path, body, **headers)
        assert got.status == 202, got
        return self.ended(got.headers["location"])

    def until(self, location: str, kind: str, after: int = 0) -> None:
        """Wait for an event of a job."""
        events = self.events(location, after)
        try:
            assert any(found == kind for _, found, _ in events)
        finally:
            events.close()

    def ended(self, location: str) -> dict[str, Any]:
        """Wait until a job has ended."""
        end = time.monotonic() + PATIENCE
        while True:
            job: dict[str, Any] = self.call("GET", location).json
            if job["state"] not in {"queued", "running"}:
                return job
            assert time.monotonic() < end, job
            time.sleep(0.05)

    def events(self, location: str, after: int = 0) -> Generator[tuple[int | None, str, Any], None, None]:
        """The events of a job: number, kind, data."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", "Last-Event-ID": str(after)}
        connection.request("GET", f"{location}/events", headers=headers)
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.status == 200, answer.read()
            found: dict[str, str] = {}
            for raw in answer:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    found[name] = value
                elif "data" in found:
                    yield (int(found["id"]) if "id" in found else None), found["event"], json.loads(found["data"])
                    found = {}

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, bytes]:
        """Stop the process; exit code and what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self) -> None:
        """After a test: no process stays."""
        if self.process.poll() is None:
            self.kill()
        elif self.process.stdout is not None:
            self.process.stdout.close()
