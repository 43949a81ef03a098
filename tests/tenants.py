"""Databases with the guard between tenants, on a real PostgreSQL.

Rules:
- Tests work as the roles that the service has; the superuser only lays the database.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import Any, TypeVar, cast

import psycopg
import pytest

from stella import bootstrap
from stella.kernel.tenant import DEFAULT_TENANT
from stella.operations import EVERY_SCOPE, Context, Principal
from stella.runtime import roles
from stella.runtime.connections import Connections
from stella.runtime.postgres import Connection, Login
from stella.runtime.postgres_server import Postgres
from stella.runtime.settings import Settings
from stella.runtime.transaction import Refusal, Seal, TenantDatabase, Transaction
from stella.tenancy import gate, guard
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.database import PASSWORD, connected

SEAL = Seal(b"only for tests, 32 bytes or more.")
_numbers = itertools.count()


Made = TypeVar("Made")


class _Through:
    def __init__(self, tenants: TenantDatabase, kind: Callable[[Transaction], Any], tenant: str) -> None:
        self._tenants, self._kind, self._tenant = tenants, kind, tenant

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            with self._tenants.transaction(self._tenant) as transaction:
                return getattr(self._kind(transaction), name)(*words, **named)

        return call


class Guarded:
    """A database with the guard, and the ways into it."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.postgres, self.name = postgres, name
        self.refusals: list[Refusal] = []
        self.tenants = TenantDatabase(Connections(self.login(roles.APP)), SEAL, self.refusals.append)

    @functools.cached_property
    def raw(self) -> Connection:
        """A connection of the superuser, whom no policy stops: to see what is there."""
        return self.connect()

    def execute(self, text: str, values: Sequence[object] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        """Send a statement as the superuser."""
        return self.raw.execute(text, values or None)  # type: ignore[call-overload]  # the text of a test

    def migrate(self, schema: str) -> None:
        """Apply the migrations of a schema as the owner, as a start does."""
        with self.connect(roles.OWNER) as connection:
            if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,):
                connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[call-overload]  # a name of ours
            connection.execute(f"SET search_path TO {schema}, pg_catalog")  # type: ignore[call-overload]
            folder = files(bootstrap.SCHEMAS[schema]).joinpath("migrations")
            for file in sorted(folder.iterdir(), key=lambda file: file.name):
                if file.name.endswith(".sql"):
                    connection.execute(file.read_bytes())

    def through(self, kind: Callable[[Transaction], Made], tenant: str = DEFAULT_TENANT) -> Made:
        """What works in a transaction, as one of which every call has a transaction of its own."""
        return cast("Made", _Through(self.tenants, kind, tenant))

    def context(self, tenant: str = DEFAULT_TENANT) -> Context:
        """An operation of a tenant on this database."""
        ctx = Context(ManualClock(), counted_entropy("x"), SilentProgress(), Settings(), str.encode, "operator")
        principal = Principal("operator", frozenset({EVERY_SCOPE}), tenant)
        return dataclasses.replace(ctx, database=lambda: self.tenants, principal=principal)

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
    made.migrate("tenancy")
    with made.connect(roles.OWNER) as connection:
        guard.install(connection, SEAL)
    try:
        yield made
    finally:
        made.tenants.close()
        made.raw.close()
        with connected(postgres) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]  # a name of ours


def forged(connection: psycopg.Connection[tuple[object, ...]], context: str) -> None:
    """Begin a transaction with a context that was not made for it."""
    connection.execute("BEGIN")
    connection.execute(f"SET LOCAL app.ctx = '{context}'")  # type: ignore[call-overload]  # the text of a test
