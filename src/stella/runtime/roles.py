"""The roles of Stella in PostgreSQL, and what a database is closed to before anything is put into it.

Rules:
- The owner migrates and owns; the application owns nothing and works for one tenant at a time; each duty that spans
  tenants has a login of its own. None is a superuser or passes row-level security.
- Every statement may be run again: a kill between any two is mended by the next start.
- Passwords leave this process as SCRAM verifiers only, so no log of the server can hold one (RFC 5803).
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from stella.runtime.postgres import Connection
from stella.runtime.statements import statements

DATABASE = "stella"
OWNER, APP, JOBS, ISSUER, SEALER = "stella_owner", "stella_app", "stella_jobs", "stella_issuer", "stella_sealer"
LOGINS = (OWNER, APP, JOBS, ISSUER, SEALER)
SCRAM = b"scram-sha-256"


def make(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Make the roles that are missing and set the password of each. The connection is a superuser's, in autocommit."""
    there = {row[0] for row in _run(connection, "roles")}
    with connection.transaction():
        for role, password in passwords.items():
            name = sql.Identifier(role)
            if role not in there:
                _run(connection, "create_role", role=name)
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), SCRAM).decode()
            _run(connection, "set_password", role=name, password=sql.Literal(verifier))
            _run(connection, "hide_activity", role=name)


def make_database(connection: Connection, database: str = DATABASE) -> None:
    """Make the database if it is missing, and let nobody but the roles in. The connection is a superuser's."""
    name, owner = sql.Identifier(database), sql.Identifier(OWNER)
    if _run(connection, "database_exists", database=sql.Literal(database)).fetchone() is None:
        _run(connection, "create_database", database=name, owner=owner)
    _run(connection, "close_database", database=name)
    for role in LOGINS:
        _run(connection, "open_database", database=name, role=sql.Identifier(role))


def harden(connection: Connection) -> None:
    """Close what PostgreSQL leaves open to everybody in the database that a superuser is connected to."""
    names = {"owner": sql.Identifier(OWNER), "app": sql.Identifier(APP)}
    with connection.transaction():
        for name in (
            "close_public",
            "close_set_config",
            "open_set_config",
            "close_large_objects",
            "close_statistics",
            "close_functions",
            "forget_tables",
            "forget_sequences",
            "forget_schemas",
        ):
            _run(connection, name, **names)


def _run(connection: Connection, name: str, **values: sql.Composable):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return connection.execute(sql.SQL(statements("stella.runtime")[name].sql).format(**values))
