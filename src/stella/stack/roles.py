"""The database of a stack and the roles that use it.

Rules:
- Every statement may be run again: a kill between any two is mended by the next start.
- Passwords leave this process as SCRAM verifiers only, so no log of the server can hold one (RFC 5803).
"""

# stella: allow-file STL001, STL002, STL003, STL004 until 2027-11-30: makes the roles, before there is any tenant

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

import psycopg
from psycopg import sql

from stella.runtime.postgres import statements
from stella.runtime.postgres_server import Postgres
from stella.stack.layout import Layout

DATABASE = "stella"
OWNER, APP = "stella_owner", "stella_app"
SCRAM = b"scram-sha-256"


def settle(layout: Layout, server: Postgres) -> dict[str, str]:
    """Make what is missing, and prove that the service can connect; the endpoints. Raises psycopg.Error."""
    known = {name: one.sql for name, one in statements("stella.stack").items()}
    password = layout.secret("postgres-super").read_text()
    with psycopg.connect(server.dsn(), password=password, autocommit=True) as connection:
        _roles(connection, known, {role: layout.secret(_secret(role)).read_text() for role in (OWNER, APP)})
        if connection.execute(known["databases"]).fetchone() is None:
            connection.execute(known["create_database"])
        connection.execute(known["close_database"])
        connection.execute(known["open_database"])
    with psycopg.connect(server.dsn(DATABASE), password=password, autocommit=True) as connection:
        for name in ("open_schemas", "open_tables", "open_sequences"):
            connection.execute(known[name])
    endpoints = {"postgres": server.dsn(DATABASE, APP), "postgres-owner": server.dsn(DATABASE, OWNER)}
    psycopg.connect(endpoints["postgres"], password=layout.secret(_secret(APP)).read_text()).close()
    return endpoints


def may_connect(layout: Layout, server: Postgres) -> bool:
    """Whether the service gets in."""
    try:
        psycopg.connect(server.dsn(DATABASE, APP), password=layout.secret(_secret(APP)).read_text()).close()
    except psycopg.Error:
        return False
    return True


def _secret(role: str) -> str:
    return f"postgres-{role.removeprefix('stella_')}"


def _roles(
    connection: psycopg.Connection[tuple[object, ...]], known: Mapping[str, LiteralString], passwords: dict[str, str]
) -> None:
    there = {row[0] for row in connection.execute(known["roles"])}
    with connection.transaction():
        for role, password in passwords.items():
            short = role.removeprefix("stella_")
            if role not in there:
                connection.execute(known[f"create_{short}"])
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), SCRAM).decode()
            # The text is our own file; a password cannot be a parameter of this statement.
            statement = sql.SQL(known[f"set_{short}_password"])
            connection.execute(statement.format(password=sql.Literal(verifier)))
