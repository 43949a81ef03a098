"""The embedded PostgreSQL: who may speak to it, and that it ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from stella.runtime import postgres_server
from stella.runtime.postgres_server import Postgres


def test_a_database_answers_on_the_socket_alone(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SELECT current_user").fetchone() == (postgres_server.SUPERUSER,)
        assert connection.execute("SHOW server_version_num").fetchone() >= ("180000",)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_gets_in_without_the_password(postgres: Postgres, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"{postgres.dsn()} password='{password}'")


def test_the_files_stay_those_of_the_account_that_started_it(postgres: Postgres) -> None:
    assert {path.stat().st_uid for path in postgres.data.rglob("*")} == {os.geteuid()}
    assert postgres.data.stat().st_mode & 0o777 == 0o700


STARTER = """
import sys, time
from pathlib import Path
from stella.runtime import postgres_server
from stella.runtime.postgres_server import Postgres
top = Path(sys.argv[1])
(top / "run").mkdir(mode=0o700)
(top / "password").write_text("x")
server = Postgres(top / "data", top / "run", top / "password")
postgres_server.make_cluster(server, top / "log", durable=False)
process = postgres_server.start(server, top / "log", durable=False)
postgres_server.wait(server, process)
print(process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_the_server_shuts_down_when_its_starter_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert "database system is shut down" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("value", ["/plain/path-1.x", "/a b", "/it's", "/back\\slash", "", "/ü"])
def test_any_value_survives_a_connection_string(value: str) -> None:
    assert conninfo_to_dict(f"host={postgres_server.quoted(value)} user=x")["host"] == value


@pytest.mark.network
def test_a_socket_belongs_to_the_server_that_made_it(postgres: Postgres) -> None:
    pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
    assert postgres_server.listens(postgres, pid)
    assert not postgres_server.listens(postgres, os.getpid())
    assert not postgres_server.listens(postgres._replace(sockets=postgres.data), pid)


def test_clearing_forgets_a_server_that_is_gone_and_ends_one_that_is_not(tmp_path: Path) -> None:
    data, sockets = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    sockets.mkdir()
    server = Postgres(data, sockets, tmp_path / "password")
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    server.socket.touch()
    server.socket.with_name(".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    postgres_server.clear(server)
    assert [*data.iterdir(), *sockets.iterdir()] == []
