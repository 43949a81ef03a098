"""The database of a stack: made with its roles at each start, by the superuser that only the supervisor is."""

# stella: allow-file STL001, STL003 until 2027-11-30: makes the roles, before there is any tenant

from __future__ import annotations

import psycopg

from stella.runtime import roles
from stella.runtime.postgres_server import Postgres
from stella.runtime.roles import APP, DATABASE, LOGINS, OWNER
from stella.stack.layout import Layout


def settle(layout: Layout, server: Postgres) -> dict[str, str]:
    """Make what is missing, and prove that the service can connect; the endpoints. Raises psycopg.Error."""
    password = layout.secret("postgres-super").read_text()
    with psycopg.connect(server.dsn(), password=password, autocommit=True) as connection:
        roles.make(connection, {role: layout.secret(secret_of(role)).read_text() for role in LOGINS})
        roles.make_database(connection)
    with psycopg.connect(server.dsn(DATABASE), password=password, autocommit=True) as connection:
        roles.harden(connection)
    endpoints = {"postgres": server.dsn(DATABASE, APP), "postgres-owner": server.dsn(DATABASE, OWNER)}
    psycopg.connect(endpoints["postgres"], password=layout.secret(secret_of(APP)).read_text()).close()
    return endpoints


def may_connect(layout: Layout, server: Postgres) -> bool:
    """Whether the service gets in."""
    try:
        psycopg.connect(server.dsn(DATABASE, APP), password=layout.secret(secret_of(APP)).read_text()).close()
    except psycopg.Error:
        return False
    return True


def secret_of(role: str) -> str:
    """The secret that is the password of a role."""
    return f"postgres-{role.removeprefix('stella_')}"
