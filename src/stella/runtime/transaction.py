"""The one way to data of tenants: a transaction that is one tenant's, sealed so that injected SQL cannot widen it.

Rules:
- A transaction is opened for a tenant; its backend and its start are read from the server, and the seal over the three
  is set for its length alone. The policies of every table recompute it (`tenancy.tid()`).
- Statements come from the catalogue of a package by name. Each one takes the tenant as a parameter, so that it goes
  through the extended protocol, where stacked statements are refused (PostgreSQL, section 54.2.2).
- Nothing depends on the state of a session: the next transaction on the same connection may be another tenant's.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from stella.kernel.tenant import parse_tenant
from stella.runtime.connections import Connections
from stella.runtime.errors import BadSealKey, OutsideTenant
from stella.runtime.postgres import Connection, keepable, speaking
from stella.runtime.statements import statements

BLOCK = 64  # bytes; of SHA-256 (FIPS 180-4)
MIN_KEY = 32  # bytes
DENIED = "42501"  # insufficient_privilege: also what the policies raise

Row = tuple[Any, ...]
_HERE = b"SELECT pg_backend_pid(), (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint"
_BEGIN = b"BEGIN; " + _HERE
_BEGIN_SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ; " + _HERE


class Seal:
    """The key that seals contexts: 32 random bytes or more; raises BadSealKey."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY:
            raise BadSealKey(length=len(key), least=MIN_KEY)
        self._key = hashlib.sha256(key).digest() if len(key) > BLOCK else key

    def blocks(self) -> tuple[bytes, bytes]:
        """The inner and the outer padded block, which the database holds (RFC 2104, section 2)."""
        padded = self._key.ljust(BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)

    def context(self, backend: int, microseconds: int, tenant: str) -> str:
        """The context of a transaction: hex HMAC-SHA256 over backend, start and tenant, a dot, the tenant."""
        message = f"{backend}|{microseconds}|{tenant}".encode()
        return f"{hmac.digest(self._key, message, 'sha256').hex()}.{tenant}"


class Refusal(NamedTuple):
    """What PostgreSQL refused to a tenant, for the audit: the statement by its name, and its words."""

    tenant: str
    statement: str
    problem: str


class Transaction:
    """An open transaction of a tenant. Every method takes the package and the name of a statement, and its values."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self.tenant = tenant
        self.last = ""  # the statement that was sent last, for whoever asks what failed

    def all(self, package: str, name: str, **values: Any) -> list[Row]:  # noqa: ANN401  # parameters of any type
        """The rows of a statement; none for one that gives none."""
        cursor = self._send(package, name, values)
        return cursor.fetchall() if cursor.description else []

    def one(self, package: str, name: str, **values: Any) -> Row | None:  # noqa: ANN401  # parameters of any type
        """The first row of a statement, or None."""
        return self._send(package, name, values).fetchone()

    def run(self, package: str, name: str, **values: Any) -> int:  # noqa: ANN401  # parameters of any type
        """How many rows a statement changed."""
        return self._send(package, name, values).rowcount

    def many(self, package: str, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Send a statement for each row, in few round trips."""
        text = self._text(package, name)
        with self._connection.cursor() as cursor:
            cursor.executemany(text, [self._values(row) for row in rows])

    def _send(self, package: str, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        return self._connection.execute(self._text(package, name), self._values(values), prepare=True)

    def _text(self, package: str, name: str) -> LiteralString:
        self.last = f"{package}/{name}"
        found = statements(package)[name]
        if found.duty or "%(tenant)s" not in found.sql:
            raise ValueError(f"{self.last} is no statement of one tenant")
        return found.sql

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return keepable({**values, "tenant": self.tenant})


class Duty:
    """The statements of one duty that spans tenants, sent by its own login. Each is a transaction of its own."""

    def __init__(self, connections: Connections, role: str) -> None:
        self._connections = connections
        self.role = role

    def all(self, package: str, name: str, **values: Any) -> list[Row]:  # noqa: ANN401  # parameters of any type
        """The rows of a statement; raises as `postgres.connect`."""
        found = statements(package)[name]
        if found.duty != self.role:
            raise ValueError(f"{package}/{name} is no statement of {self.role}")
        with speaking(self._connections.where), self._connections.one() as connection:
            cursor = connection.execute(found.sql, keepable(values), prepare=True)
            return cursor.fetchall() if cursor.description else []

    def one(self, package: str, name: str, **values: Any) -> Row | None:  # noqa: ANN401  # parameters of any type
        """The first row of a statement, or None."""
        return next(iter(self.all(package, name, **values)), None)

    def close(self) -> None:
        """Close what is kept."""
        self._connections.close()


class TenantDatabase:
    """Transactions of tenants over kept connections. `refused` is told what PostgreSQL refuses to a tenant.

    Without a seal the login is one whose duty spans tenants, and the statement alone says whose rows it is about.
    """

    def __init__(
        self, connections: Connections, seal: Seal | None, refused: Callable[[Refusal], None] = lambda _: None
    ) -> None:
        self._connections = connections
        self._seal = seal
        self._refused = refused

    @contextlib.contextmanager
    def transaction(self, tenant: str, *, snapshot: bool = False) -> Iterator[Transaction]:
        """A transaction, committed at the end of the block and rolled back when it raises.

        With `snapshot` all of its statements see the database as it was at the first one.

        Raises BadTenant, OutsideTenant for what the policies refuse, or as `postgres.connect`.
        """
        parse_tenant(tenant)
        with speaking(self._connections.where), self._connections.one() as connection:
            opened = Transaction(connection, tenant)
            try:
                if self._seal is None:
                    _exchange(connection, b"BEGIN")
                else:
                    enter(connection, self._seal, tenant, snapshot=snapshot)
                yield opened
                if _exchange(connection, b"COMMIT").command_status != b"COMMIT":  # what failed in it was caught in it
                    raise psycopg.errors.InFailedSqlTransaction(f"{opened.last} had failed, so nothing was committed")
            except psycopg.errors.InsufficientPrivilege as error:
                problem = error.diag.message_primary or str(error)
                self._refused(Refusal(tenant, opened.last, problem))
                raise OutsideTenant(statement=opened.last, problem=problem) from None

    def close(self) -> None:
        """Close what is kept."""
        self._connections.close()


def enter(connection: Connection, seal: Seal, tenant: str, *, begin: bool = True, snapshot: bool = False) -> str:
    """Begin a transaction of a tenant, or make the one that is open a tenant's; the context it was sealed with."""
    found = _exchange(connection, (_BEGIN_SNAPSHOT if snapshot else _BEGIN) if begin else _HERE)
    backend, began = int(found.get_value(0, 0) or 0), int(found.get_value(0, 1) or 0)
    context = seal.context(backend, began, tenant)  # hex, a dot and a name: no quote can be in it
    _exchange(connection, f"SET LOCAL app.tenant_id = '{tenant}'; SET LOCAL app.ctx = '{context}'".encode())
    return context


def ask(connection: Connection, package: str, name: str, **values: Any) -> list[Row]:  # noqa: ANN401  # as Transaction
    """The rows of a statement of the catalogue on a connection that is no tenant's, such as the owner's.

    Raises the driver's errors, and ValueError for a statement of a tenant or of a duty.
    """
    found = statements(package)[name]
    if found.duty or "%(tenant)s" in found.sql:
        raise ValueError(f"{package}/{name} is a statement of a tenant or of a duty")
    cursor = connection.execute(found.sql, values)
    return cursor.fetchall() if cursor.description else []


def _exchange(connection: Connection, text: bytes) -> PGresult:
    """Send fixed text as it is, which costs a third of a cursor; the result of its last statement."""
    found = connection.pgconn.exec_(text)
    if connection.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(found.get_error_message())
    if found.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        raise psycopg.errors.error_from_result(found)
    return found
