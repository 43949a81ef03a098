"""All that a tenant has in the database, table by table: for its export, and for its erasure.

Rules:
- The tables are those that the policies of tenants guard, so that a new one is never forgotten.
- Everything is done in a transaction of the tenant: the policies see to it that no row of another is read or removed.
- A row is one line of JSON with its members in one order, times in UTC; rows go by their key. The same rows are the
  same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg import sql

from stella.runtime.statements import statements
from stella.runtime.transaction import Transaction

PACKAGE = "stella.runtime"
FETCHED = 1000  # rows that are asked for at a time


class Table(NamedTuple):
    """A table of tenants: its schema and name, the columns of its key, what may be done with its rows, its parents."""

    schema: str
    name: str
    key: tuple[str, ...]
    readable: bool
    erasable: bool
    parents: frozenset[str]

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


class Digest:
    """How many rows there were, and the SHA-256 over them as lines."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, line: bytes) -> None:
        self._hash.update(line)
        self.rows += 1

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def tables(t: Transaction) -> list[Table]:
    """Every table of tenants, by name."""
    found = t.all(PACKAGE, "tables_of_tenants")
    return [Table(schema, name, tuple(key), read, erase, frozenset(up)) for schema, name, key, read, erase, up in found]


def in_order(found: Sequence[Table]) -> list[Table]:
    """The same, each before those that its rows refer to, so that they can be emptied one by one.

    Raises ValueError for tables that refer to each other in a circle.
    """
    left, done = {table.label: table for table in found}, []
    while left:
        awaited = {parent for other in left.values() for parent in other.parents - {other.label}}
        free = [one for one in left.values() if one.label not in awaited]
        if not free:
            raise ValueError(f"tables refer to each other in a circle: {', '.join(left)}")
        for one in free:
            done.append(one)
            del left[one.label]
    return done


def lines(t: Transaction, table: Table) -> Iterator[bytes]:
    """The rows of the tenant as lines of JSON."""
    connection = t._connection  # noqa: SLF001  # of this room
    connection.pgconn.exec_(b"SET LOCAL TimeZone = 'UTC'")
    with connection.cursor(name="rows_of_tenant") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(_of(table, "rows_of_tenant"), {"tenant": t.tenant})
        for (row,) in cursor:
            yield row.encode() + b"\n"


def erase(t: Transaction, table: Table) -> int:
    """Remove the rows of the tenant; how many."""
    return t._connection.execute(_of(table, "erase_rows_of_tenant"), {"tenant": t.tenant}).rowcount  # noqa: SLF001  # as above


def _of(table: Table, name: str) -> sql.Composed:
    """A statement on that table."""
    key = sql.SQL(", ").join(sql.Identifier("r", column) for column in table.key)
    return sql.SQL(statements(PACKAGE)[name].sql).format(table=sql.Identifier(table.schema, table.name), key=key)
