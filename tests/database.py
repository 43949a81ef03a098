"""A real PostgreSQL for tests: one server a worker, one empty database a test.

Rules:
- The server is Stella's own embedded one, started as `stella up` starts it, without the syncs that tests do not need.
- It dies with the worker that started it, whatever ends that.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.runtime import postgres_server, roles
from stella.runtime.postgres_server import Postgres

ROOM = 2_000_000_000  # bytes; two workers with a few databases and their logs need a fifth of it
PASSWORD = "only for tests"
_numbers = itertools.count()


def in_memory() -> str | None:
    """In memory where there is room: a database is three hundred files, made and removed for each test."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return str(memory) if roomy else None


def connected(server: Postgres, database: str = "", role: str = "") -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of a role, the superuser's without one, in autocommit."""
    dsn = server.dsn(database or "postgres", role or postgres_server.SUPERUSER)
    return psycopg.connect(dsn, password=PASSWORD, autocommit=True)


@contextmanager
def running(top: Path) -> Iterator[Postgres]:
    """A server in a folder, for the length of a block; it knows nothing of Stella."""
    (top / "run").mkdir(mode=0o700)
    (top / "password").write_text(PASSWORD)
    server = Postgres(top / "data", top / "run", top / "password")
    postgres_server.make_cluster(server, top / "log", durable=False)
    process = postgres_server.start(server, top / "log", durable=False)
    try:
        postgres_server.wait(server, process)
        yield server
    finally:
        postgres_server.stop(process)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server."""
    with tempfile.TemporaryDirectory(prefix="stella-pg-", dir=in_memory()) as name, running(Path(name)) as server:
        with connected(server) as connection:
            roles.make(connection, dict.fromkeys(roles.LOGINS, PASSWORD))
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """Connection string, password included, of an empty database that goes away with the test."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(f"{postgres.dsn()} password='{PASSWORD}'", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{postgres.dsn(name)} password='{PASSWORD}'"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
