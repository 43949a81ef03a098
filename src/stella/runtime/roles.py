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
HARDENING = (  # in this order; all of it for one database
    "close_public",
    "close_set_config",
    "open_set_config",
    "close_large_objects",
    "close_statistics",
    "close_functions",
    "forget_tables",
    "forget_sequences",
    "forget_schemas",
)

_NAMES = {"owner": sql.Identifier(OWNER), "app": sql.Identifier(APP)}
_HEAD = """\
-- Roles and database of Stella. Run it once with psql, as a superuser: psql -X -v ON_ERROR_STOP=1 -f roles.sql
-- Then let `database.dsn` and `database.owner_dsn` name the logins stella_app and stella_owner."""


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
    with connection.transaction():
        for name in HARDENING:
            _run(connection, name, **_NAMES)


def script(database: str = DATABASE) -> str:
    """The same as a text for psql, for a server that somebody else looks after; psql asks for each password."""
    name, owner = sql.Identifier(database), sql.Identifier(OWNER)
    parts = [_HEAD]
    for role in LOGINS:
        parts += [_said(each, role=sql.Identifier(role)) for each in ("create_role", "hide_activity")]
        parts.append(f"\\password {role}")
    parts += [_said("create_database", database=name, owner=owner), _said("close_database", database=name)]
    parts += [_said("open_database", database=name, role=sql.Identifier(role)) for role in LOGINS]
    parts.append(f"\\connect {name.as_string(None)}")
    parts += [_said(each, **_NAMES) for each in HARDENING]
    return "\n\n".join(parts)


def _said(name: str, **values: sql.Composable) -> str:
    """A statement with what it is for, as text."""
    found = statements("stella.runtime")[name]
    return f"-- {found.description}\n{sql.SQL(found.sql).format(**values).as_string(None)};"


def _run(connection: Connection, name: str, **values: sql.Composable):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return connection.execute(sql.SQL(statements("stella.runtime")[name].sql).format(**values))
