"""What keeps a service from starting, what it says while it runs, and how it stops."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.runtime import roles
from stella.runtime.migrate import lock_key
from stella.runtime.postgres_server import SUPERUSER, Postgres
from tests.database import connected
from tests.e2e.material import environment
from tests.service import AUDIT_KEY, PATIENCE, SEAL_KEY, SECRET, Base, Running, lay, running

pytestmark = pytest.mark.network


def start(folder: Path, *words: str, **env: str) -> dict[str, Any]:
    """Start a service that must refuse; what it says, with its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "stella", "serve", "--json", *words],
        cwd=folder,
        env=environment(
            folder, **{"PGPASSWORD": SECRET, "STELLA_SEAL_KEY": SEAL_KEY, "STELLA_LOG_KEY": AUDIT_KEY} | env
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    problem: dict[str, Any] = json.loads(done.stdout)
    assert (problem["exit"], done.stderr) == (done.returncode, "")
    return problem


@pytest.fixture
def base(postgres: Postgres) -> Iterator[Base]:
    """An empty database, as a stack lays it."""
    made = lay(postgres)
    yield made
    made.drop()


def test_without_a_database(tmp_path: Path) -> None:
    problem = start(tmp_path)
    assert (problem["code"], problem["exit"]) == ("DB-007", 2)
    assert "stella up" in problem["hint"]
    assert not (tmp_path / ".stella").exists()


def test_with_a_database_that_is_away(tmp_path: Path) -> None:
    problem = start(tmp_path, STELLA_DATABASE_DSN=f"host={tmp_path} dbname=x")
    assert (problem["code"], problem["exit"]) == ("DB-002", 10)
    assert SECRET not in json.dumps(problem)


def test_with_a_password_in_the_address(tmp_path: Path) -> None:
    problem = start(tmp_path, STELLA_DATABASE_DSN=f"host={tmp_path} dbname=x password=hidden")
    assert (problem["code"], problem["exit"]) == ("DB-001", 2)
    assert "hidden" not in json.dumps(problem)


def test_with_a_database_of_a_newer_release(tmp_path: Path, base: Base) -> None:
    start(tmp_path, "--host", "192.0.2.1", **base.settings)  # brings the schemas up to date, then ends
    with connected(base.postgres, base.name) as connection:
        connection.execute(
            "INSERT INTO service.schema_migrations"
            " SELECT '099_future.sql', category, checksum, applied_at, applied_by, 1 FROM service.schema_migrations"
        )
    problem = start(tmp_path, **base.settings)
    assert (problem["code"], problem["exit"]) == ("MIGRATE-006", 6)


def test_with_a_database_that_somebody_has_opened(tmp_path: Path, base: Base) -> None:
    start(tmp_path, "--host", "192.0.2.1", **base.settings)
    with connected(base.postgres, base.name) as connection:
        connection.execute("ALTER TABLE service.jobs NO FORCE ROW LEVEL SECURITY")
    problem = start(tmp_path, **base.settings)
    assert (problem["code"], problem["exit"], problem["facts"]["kind"]) == ("TENANCY-001", 6, "not_forced")


@pytest.mark.parametrize(("role", "words"), [(SUPERUSER, "a superuser"), (roles.OWNER, "owns the schemas")])
def test_with_a_login_that_policies_do_not_hold(tmp_path: Path, base: Base, role: str, words: str) -> None:
    """It is refused by what it can do, and a superuser before anything is made."""
    env = base.settings | {"STELLA_DATABASE_DSN": base.postgres.dsn(base.name, role)}
    problem = start(tmp_path, **env)
    assert (problem["code"], problem["exit"]) == ("TENANCY-002", 2)
    assert words in problem["detail"]
    assert "stella_app" in problem["hint"]
    with connected(base.postgres, base.name) as connection:
        made = connection.execute("SELECT to_regnamespace('service') IS NOT NULL").fetchone()
    assert made == (role != SUPERUSER,)


def test_with_a_login_that_may_become_another(tmp_path: Path, base: Base) -> None:
    """Whoever may SET ROLE to a role is as strong as that."""
    with connected(base.postgres, base.name) as connection:
        connection.execute(f"CREATE ROLE {base.name}_strong BYPASSRLS")  # type: ignore[call-overload]
        connection.execute(f"GRANT {base.name}_strong TO {roles.JOBS}")  # type: ignore[call-overload]
        try:
            problem = start(tmp_path, **base.settings)
        finally:
            connection.execute(f"DROP ROLE {base.name}_strong")  # type: ignore[call-overload]
    assert problem["code"] == "TENANCY-002"
    assert "stella_jobs" in problem["detail"]


def test_without_the_key_of_the_seal(tmp_path: Path, base: Base) -> None:
    for key in ("", "short"):
        problem = start(tmp_path, **base.settings | {"STELLA_SEAL_KEY": key})
        assert (problem["code"], problem["exit"]) in {("DB-020", 2), ("CONF-004", 2)}


def test_sealed(tmp_path: Path, base: Base) -> None:
    """Nothing is asked of a database elsewhere, not even by the role that only reads and writes."""
    with socket.create_server(("127.0.0.1", 0)) as near:
        near.settimeout(0.1)
        address = f"host=localhost port={near.getsockname()[1]} dbname=x user=y"  # a name, which a resolver answers
        problem = start(tmp_path, **base.settings | {"STELLA_DATABASE_DSN": address, "STELLA_SEALED": "1"})
        assert (problem["code"], problem["exit"]) == ("AIRGAP_EGRESS_BLOCKED", 5)
        with pytest.raises(TimeoutError):
            near.accept()


def test_with_schemas_that_somebody_keeps(tmp_path: Path, base: Base) -> None:
    """Whoever waits says for whom; when it is over the service starts."""
    with connected(base.postgres, base.name, roles.OWNER) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key("mirror", "schema")])
        (tmp_path / "data").mkdir()
        log = tmp_path / "data.log"
        log.touch()

        def let_go() -> None:
            end = time.monotonic() + PATIENCE
            while "waiting for the turn" not in log.read_text() and time.monotonic() < end:
                time.sleep(0.05)
            connection.execute("SELECT pg_advisory_unlock_all()")

        thread = threading.Thread(target=let_go)
        thread.start()
        made = Running(tmp_path / "data", base)
        try:
            thread.join()
            (line,) = (line for line in made.lines() if line["event"] == "start")
            pid = connection.info.backend_pid
            assert line["is"].startswith(
                f"waiting for the turn to migrate schema `mirror`: process {pid} of the server"
            )
        finally:
            made.end()


def test_with_a_port_that_is_taken(tmp_path: Path, base: Base) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        problem = start(tmp_path, "--port", str(port), **base.settings)
    assert (problem["code"], problem["exit"]) == ("HTTP-029", 10)
    assert str(port) in problem["detail"]


@pytest.mark.parametrize("words", [("--host", "192.0.2.1"), ("--host", "no.such.invalid")])
def test_with_an_address_that_is_not_ours(tmp_path: Path, base: Base, words: tuple[str, ...]) -> None:
    assert start(tmp_path, *words, **base.settings)["code"] == "HTTP-029"


def test_with_a_port_that_is_none(tmp_path: Path) -> None:
    assert start(tmp_path, "--port", "70000")["exit"] == 2
    assert start(tmp_path, STELLA_SERVICE_PORT="70000")["exit"] == 2


def test_with_a_token_that_others_can_read(tmp_path: Path, base: Base) -> None:
    (tmp_path / "d" / "secrets").mkdir(parents=True)
    token = tmp_path / "d" / "secrets" / "admin-token"
    token.write_text("open")
    token.chmod(0o644)
    problem = start(tmp_path, "--data", "d", **base.settings)
    assert (problem["code"], problem["exit"]) == ("HTTP-028", 2)


@pytest.fixture
def service(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path, postgres) as made:
        yield made


def test_only_loopback_hears_and_only_the_owner_reads(service: Running) -> None:
    assert service.url.startswith("http://127.0.0.1:")
    assert (service.data / "secrets" / "admin-token").stat().st_mode & 0o777 == 0o600
    assert (service.data / "service.json").stat().st_mode & 0o777 == 0o600


def test_one_line_for_each_request(service: Running) -> None:
    got = service.call("GET", "/v1/version")
    time.sleep(0.1)
    (line,) = [line for line in service.lines() if line["event"] == "request"]
    assert line["request"] == got.headers["x-request-id"]
    assert (line["operation"], line["method"], line["status"]) == ("version", "GET", 200)
    assert line["principal"] == "admin"
    assert line["ms"] >= 0


def test_a_stop_finishes_what_was_begun(service: Running) -> None:
    """A request that makes keys, slowly, gets its answer; nobody else is let in."""
    found: list[int] = []
    body = {"dir": "M", "signers": 20}
    thread = threading.Thread(target=lambda: found.append(service.call("POST", "/v1/mirror/channels", body).status))
    thread.start()
    time.sleep(0.3)
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    with pytest.raises(ConnectionRefusedError):
        service.call("GET", "/healthz")
    thread.join()
    code, _ = service.stop()
    assert (found, code) == ([201], 0)
    told = [line["event"] for line in service.lines() if line["event"] != "audit_sealed"]
    assert told[-2:] == ["draining", "stopped"]


def test_more_signals_do_not_undo_a_stop(service: Running) -> None:
    while service.process.poll() is None:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    assert service.process.returncode == 0


def test_a_stop_ends_a_stream(service: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    (service.work / "big").mkdir()
    for number in range(60):
        (service.work / "big" / f"{number}").write_bytes(os.urandom(1 << 21))
    service.call("POST", "/v1/mirror/channels", {"dir": "M"})
    body = {"dir": "M", "out": "b.stella", "source": ["artifacts=big"]}
    location = service.call("POST", "/v1/mirror/bundles", body).headers["location"]
    connection.request("GET", f"{location}/events", headers={"Authorization": f"Bearer {service.token}"})
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
    while answer.readline() != b"event: task\n":
        pass
    service.process.send_signal(signal.SIGTERM)
    assert b'{"state":"done"}' not in answer.read()
    connection.close()
    assert service.stop()[0] == 0


def test_short_lines_on_a_terminal(tmp_path: Path, base: Base) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "stella", "serve", "--data", "d"],
        cwd=tmp_path,
        env=environment(tmp_path, **base.settings),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    try:
        os.close(theirs)
        line = os.read(ours, 1000).decode()
        assert "listening http://127.0.0.1:" in line
        assert "{" not in line
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(ours)
    assert process.returncode == 0
