"""One service at a time uses a database, over restarts of PostgreSQL as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.runtime import postgres_server, roles
from stella.runtime.postgres_server import Postgres
from tests.database import connected, in_memory
from tests.e2e.material import environment
from tests.service import PATIENCE, SECRET, Running, running

pytestmark = [pytest.mark.network, pytest.mark.slow]

MIB = 1024 * 1024
CREATE = "/v1/mirror/bundles"


class Server:
    """A PostgreSQL that a test may restart."""

    def __init__(self, top: Path) -> None:
        (top / "run").mkdir(mode=0o700)
        (top / "password").write_text(SECRET)
        self.place = Postgres(top / "data", top / "run", top / "password")
        self.log = top / "log"
        postgres_server.make_cluster(self.place, self.log, durable=False)
        self.start()
        with connected(self.place) as connection:
            roles.make(connection, dict.fromkeys(roles.LOGINS, SECRET))

    def start(self) -> None:
        self.process = postgres_server.start(self.place, self.log, durable=False)
        postgres_server.wait(self.place, self.process)

    def stop(self) -> None:
        postgres_server.stop(self.process)


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="stella-pg-", dir=in_memory()) as name:
        made = Server(Path(name))
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def service(tmp_path: Path, server: Server) -> Iterator[Running]:
    with running(tmp_path, server.place, STELLA_SERVICE_DRAIN="5s") as made:
        (made.work / "src").mkdir()
        (made.work / "src" / "a").write_bytes(b"a")
        assert made.call("POST", "/v1/mirror/channels", {"dir": "M"}).status == 201
        yield made


def eventually(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def make(service: Running, name: str) -> dict[str, Any]:
    return service.job(CREATE, {"dir": "M", "out": f"{name}.stella", "source": ["artifacts=src"]})


def serve_beside(service: Running) -> tuple[int, str]:
    """A second service of the same database that is refused; its exit code and error."""
    done = subprocess.run(
        [sys.executable, "-m", "stella", "serve", "--data", "other", "--json"],
        cwd=service.data.parent,
        env=environment(service.data.parent, **service.base.settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, json.loads(done.stdout)["code"]


def test_the_right_to_a_database_is_taken_again_after_its_restart(service: Running, server: Server) -> None:
    assert make(service, "one")["state"] == "done"
    server.stop()
    eventually(lambda: service.call("GET", "/readyz").status == 503)
    server.start()
    eventually(lambda: service.call("GET", "/readyz").status == 200)
    assert serve_beside(service) == (10, "HTTP-030")
    assert make(service, "two")["state"] == "done"


def test_a_service_that_lost_its_database_to_another_stops(service: Running, server: Server, tmp_path: Path) -> None:
    """The first one sleeps over the restart; the second one takes the database; the first one wakes up."""
    for number in range(40):
        (service.work / "src" / f"{number}.bin").write_bytes(os.urandom(2 * MIB))
    location = service.call("POST", CREATE, {"dir": "M", "out": "x.stella", "source": ["artifacts=src"]}).headers[
        "location"
    ]
    service.until(location, "task")
    service.process.send_signal(signal.SIGSTOP)
    server.stop()
    server.start()
    (tmp_path / "other").mkdir()
    other = Running(tmp_path / "other", service.base)
    try:
        job = other.ended(location)  # it has the queue, and not the files
        assert (job["state"], job["attempt"]) == ("failed", 2)
        service.process.send_signal(signal.SIGCONT)
        code, out = service.stop(signal.SIGCONT)
        assert (code, json.loads(out)["code"]) == (10, "HTTP-030")
        assert other.call("GET", location).json == job
        assert [line["event"] for line in service.lines()][-1] == "stopped"
        assert not (service.data / "service.json").exists()
    finally:
        other.end()
