"""Databases with the guard between tenants, on a real PostgreSQL.

Rules:
- Tests work as the roles that the service has; the superuser only lays the database.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest

from stella.runtime import roles
from stella.runtime.connections import Connections
from stella.runtime.postgres import Connection, Login
from stella.runtime.postgres_server import Postgres
from stella.runtime.transaction import Refusal, Seal, TenantDatabase
from stella.tenancy import gate
from tests.database import PASSWORD, connected

SEAL = Seal(b"only for tests, 32 bytes or more.")
_numbers = itertools.count()


class Guarded:
    """A database with the guard, and the ways into it."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.postgres, self.name = postgres, name
        self.refusals: list[Refusal] = []
        self.tenants = TenantDatabase(Connections(self.login(roles.APP)), SEAL, self.refusals.append)

    def login(self, role: str) -> Login:
        return Login(self.postgres.dsn(self.name, role), PASSWORD)

    def connect(self, role: str = "") -> Connection:
        """A connection of a role, the superuser's without one."""
        return connected(self.postgres, self.name, role)

    def found(self) -> set[str]:
        """Kinds of findings of the gate."""
        with self.connect(roles.OWNER) as connection:
            return {finding.kind for finding in gate.findings(connection)}


@pytest.fixture
def guarded(postgres: Postgres) -> Iterator[Guarded]:
    """A database with the guard alone, which goes away with the test."""
    name = f"guarded_{next(_numbers)}"
    with connected(postgres) as connection:
        roles.make_database(connection, name)
    made = Guarded(postgres, name)
    with made.connect() as connection:
        roles.harden(connection)
    with made.connect(roles.OWNER) as connection:
        connection.execute("CREATE SCHEMA tenancy")
        connection.execute(files("stella.tenancy").joinpath("migrations/001_guard.sql").read_bytes())
        inner, outer = SEAL.blocks()
        connection.execute("INSERT INTO tenancy.seal_key (ipad, opad) VALUES (%s, %s)", [inner, outer])
    try:
        yield made
    finally:
        made.tenants.close()
        with connected(postgres) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]  # a name of ours


def forged(connection: psycopg.Connection[tuple[object, ...]], context: str) -> None:
    """Begin a transaction with a context that was not made for it."""
    connection.execute("BEGIN")
    connection.execute(f"SET LOCAL app.ctx = '{context}'")  # type: ignore[call-overload]  # the text of a test
