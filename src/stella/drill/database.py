"""A PostgreSQL of the drill's own, with the guard between tenants and one table of tenants.

Rules:
- It is laid as a stack lays its own, in a folder of temporary files, and ends with the block whatever happens in it.
- The drill works as the application's role; the superuser lays the database and kills connections, nothing else.
- What goes around the tenant transaction on purpose, to see that nothing comes of it, is here and nowhere else.
"""

# stella: allow-file STL001, STL002, STL003, STL004 until 2027-11-30: tries the guard from outside, on its own database

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
from psycopg import sql

from stella.drill.errors import NoServerToDrill
from stella.runtime import postgres_server, roles
from stella.runtime.connections import Connections
from stella.runtime.ports import Entropy
from stella.runtime.postgres import Connection, Login, connect
from stella.runtime.postgres_server import Postgres
from stella.runtime.scratch import scratch
from stella.runtime.statements import statements
from stella.runtime.throwaway import socket_folder
from stella.runtime.transaction import Row, Seal, TenantDatabase, Transaction
from stella.tenancy import gate, guard

PACKAGE = "stella.drill"
OWN = {"tenancy": "stella.tenancy", "drill": PACKAGE}


class Drilled:
    """A database to drill."""

    def __init__(self, server: Postgres, password: str, seal: Seal) -> None:
        self._server, self._password, self._seal = server, password, seal
        self.super = connect(self._login(postgres_server.SUPERUSER))

    def _login(self, role: str, name: str = "postgres") -> Login:
        return Login(self._server.dsn(name, role), self._password)

    def lay(self) -> None:
        """Make roles, database, guard and table, as a start does."""
        roles.make(self.super, dict.fromkeys(roles.LOGINS, self._password))
        roles.make_database(self.super)
        with connect(self._login(postgres_server.SUPERUSER, roles.DATABASE)) as connection:
            roles.harden(connection)
        with self.owner() as connection:
            for schema, package in OWN.items():
                _migrate(connection, schema, package)
            guard.install(connection, self._seal)

    def owner(self) -> Connection:
        """A connection of the owner, which the caller closes."""
        return connect(self._login(roles.OWNER, roles.DATABASE))

    def pool(self, keep: int) -> tuple[Connections, TenantDatabase]:
        """Connections of the application, and the transactions of tenants over them."""
        connections = Connections(self._login(roles.APP, roles.DATABASE), "stella-drill", keep=keep)
        return connections, TenantDatabase(connections, self._seal)

    def kill(self, backend: int) -> None:
        """End the process that serves a connection."""
        self.super.execute(statements(PACKAGE)["kill"].sql, {"backend": backend})

    def findings(self) -> int:
        """What the gate between tenants finds."""
        with self.owner() as connection:
            return len(gate.findings(connection))


@contextlib.contextmanager
def private_database(entropy: Entropy) -> Iterator[Drilled]:
    """A database that goes away with the block; raises NoServerToDrill."""
    with scratch("drill") as folder, socket_folder(folder) as sockets:
        password = entropy(16).hex()
        (folder / "password").write_text(password, encoding="ascii")
        server, log = Postgres(folder / "data", sockets, folder / "password"), folder / "log"
        process = None
        try:
            process = _started(server, log)
            made = Drilled(server, password, Seal(entropy(32)))
            with made.super:
                made.lay()
                yield made
        finally:
            if process is not None:
                postgres_server.stop(process)


def _started(server: Postgres, log: Path) -> subprocess.Popen[bytes]:
    try:
        postgres_server.make_cluster(server, log, durable=False)
        process = postgres_server.start(server, log, durable=False)
    except (OSError, ModuleNotFoundError, subprocess.SubprocessError) as error:
        raise NoServerToDrill(problem=str(error)) from None
    try:
        postgres_server.wait(server, process)
    except BaseException as error:
        postgres_server.stop(process)
        if isinstance(error, (ChildProcessError, TimeoutError)):
            raise NoServerToDrill(problem=_last_line(log)) from None
        raise
    return process


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"


def _migrate(connection: Connection, schema: str, package: str) -> None:
    """Apply the migrations of a package, in their order."""
    for name in ("make_schema", "see_schema"):
        connection.execute(sql.SQL(statements(PACKAGE)[name].sql).format(schema=sql.Identifier(schema)))
    folder = files(package).joinpath("migrations")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            connection.execute(file.read_bytes())


def backend_of(transaction: Transaction) -> int:
    """The server process that a transaction is on."""
    return transaction._connection.info.backend_pid  # noqa: SLF001  # whose connection it is, is what is drilled


def rows_named(transaction: Transaction, tenant: str) -> list[Row]:
    """What a transaction gets when a statement names a tenant that is not its own."""
    connection = transaction._connection  # noqa: SLF001  # the way in takes no other tenant
    return connection.execute(statements(PACKAGE)["list_entries"].sql, {"tenant": tenant}).fetchall()


def residue(connection: Connection) -> str:
    """What is left of a context between two transactions."""
    row = connection.execute(statements(PACKAGE)["residue"].sql).fetchone()
    return str(row[0]) if row else ""


def opens(connection: Connection, tenant: str) -> bool:
    """Whether a statement on a table of tenants runs with what the connection has now."""
    try:
        connection.execute(statements(PACKAGE)["list_entries"].sql, {"tenant": tenant})
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def opens_again(connection: Connection, tenant: str, context: str) -> bool:
    """Whether a context that was seen in another transaction opens the table in one of its own."""
    connection.execute(statements(PACKAGE)["begin"].sql)
    try:
        text = sql.SQL(statements(PACKAGE)["replay"].sql).format(context=sql.Literal(context))
        connection.execute(text)
        return opens(connection, tenant)
    finally:
        connection.execute(statements(PACKAGE)["end"].sql)
