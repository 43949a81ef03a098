"""What a proof knows of the schema that it proves: read from the catalogue, so that a new table is proved unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stella.runtime.postgres import Connection, speaking
from stella.runtime.roles import APP
from stella.runtime.transaction import Row, ask

PACKAGE = "stella.proof"  # whose catalogue it is
TENANT_ID = "tenant_id"


class Column(NamedTuple):
    """A column that a row can be given; `base` is the type below a domain, `rules` what the domain demands."""

    name: str
    type: str
    base: str
    nullable: bool
    labels: tuple[str, ...]
    rules: str


class Check(NamedTuple):
    """A check of a table: name, the columns it is about, its text."""

    name: str
    columns: tuple[str, ...]
    text: str


class Reference(NamedTuple):
    """A foreign key: name, columns here, the table there by its oid, columns there."""

    name: str
    columns: tuple[str, ...]
    table: int
    theirs: tuple[str, ...]


class Table(NamedTuple):
    """A table of tenants, or a partition of one.

    A partition has a `parent`, which is `divided`; `may` is what the application may do.
    """

    oid: int
    name: str
    parent: str | None
    divided: bool
    may: frozenset[str]
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...]
    checks: tuple[Check, ...]
    references: tuple[Reference, ...]


class Schema(NamedTuple):
    """Everything that can be asked for: tables of tenants, partitions, and the rest by kind and name."""

    tables: tuple[Table, ...]
    partitions: tuple[Table, ...]
    others: tuple[tuple[str, str], ...]
    duties: tuple[tuple[str, str, str], ...]
    functions: tuple[tuple[str, bool], ...]

    def named(self, kind: str) -> list[str]:
        """The other objects of a kind."""
        return [name for which, name in self.others if which == kind]

    def by_oid(self) -> dict[int, Table]:
        return {table.oid: table for table in self.tables}


def read(connection: Connection) -> Schema:
    """The schema of the database of a connection; raises what `speaking` does."""
    with speaking("the catalogue"):
        found = _run(connection, "tables", app=APP)
        oids = {"tables": [row[0] for row in found]}
        columns, constraints = _run(connection, "columns", **oids), _run(connection, "constraints", **oids)
        keys = _run(connection, "unique_keys", **oids)
        tables = [_table(row, columns, constraints, keys) for row in found]
        return Schema(
            tuple(table for table in tables if table.parent is None),
            tuple(table for table in tables if table.parent is not None),
            tuple(_run(connection, "others", **oids)),
            tuple(_run(connection, "duties")),
            tuple(_run(connection, "functions", app=APP)),
        )


def _table(row: tuple[Any, ...], columns: Sequence[Any], constraints: Sequence[Any], keys: Sequence[Any]) -> Table:
    oid, name, parent, divided, may = row
    mine = [found[1:] for found in constraints if found[0] == oid]
    return Table(
        oid,
        name,
        parent,
        divided,
        frozenset(may),
        tuple(
            Column(title, kind, base, nullable, tuple(labels), rules)
            for which, title, kind, base, nullable, labels, rules in columns
            if which == oid
        ),
        tuple(tuple(found[2]) for found in keys if found[0] == oid),
        tuple(Check(title, tuple(which), text) for title, kind, which, _, _, text in mine if kind == "c"),
        tuple(
            Reference(title, tuple(which), other, tuple(theirs))
            for title, kind, which, other, theirs, _ in mine
            if kind == "f"
        ),
    )


def _run(connection: Connection, name: str, **values: object) -> list[Row]:
    return ask(connection, PACKAGE, name, **values)
