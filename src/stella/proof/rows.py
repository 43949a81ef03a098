"""Rows for every table of tenants, made from what the catalogue says about it.

Rules:
- Nothing is known of a table but its columns, checks and keys: a value is tried until the row is accepted.
- Whatever can carry a mark carries that of its tenant, so that the bytes of an answer tell whose data is in it.
- A table that cannot be filled is an error: what has no rows proves nothing.
- The same seed makes the same rows.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stella.proof.errors import TableNotFilled
from stella.proof.schema import TENANT_ID, Column, Reference, Schema, Table
from stella.runtime.throwaway import Answer, Line

TRIES = 2000  # values of one row; a check on three columns is found in a few hundred
LITERALS = 12  # taken from the text of one check
BYTES = range(6, 161)  # lengths of binary values that a check may ask for: a mark fits, and it is no document

_TEXT = re.compile(r"'((?:[^']|'')*)'::")
_NUMBER = re.compile(r"(?<![\w'.])-?\d{1,9}(?![\w'.])")

Row = dict[str, str | None]  # each value as PostgreSQL writes it


class Tenant(NamedTuple):
    """A tenant of the proof: its id, the twelve hex digits that mark its texts, six digits that begin its numbers."""

    id: str
    mark: str
    number: int

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What no answer to somebody else may contain."""
        return (self.mark.encode(), bytes.fromhex(self.mark), str(self.number).encode())


def tenants(seed: int) -> tuple[Tenant, Tenant]:
    """The tenant that asks, and the other one."""
    marks = [hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()[:12] for name in "ab"]
    return Tenant("proof-a", marks[0], 120_471), Tenant("proof-b", marks[1], 193_827)


class Filled(NamedTuple):
    """The rows of a tenant, by the name of the table."""

    tenant: Tenant
    rows: Mapping[str, tuple[Row, ...]]


def literal(value: str | None, kind: str) -> str:
    """A value in SQL."""
    return "NULL" if value is None else "CAST('" + value.replace("'", "''") + f"' AS {kind})"


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def fill(line: Line, schema: Schema, tenant: Tenant, count: int) -> Filled:
    """Put rows of a tenant into every table; raises TableNotFilled. The line is a superuser's."""
    maker = _Maker(line, schema, tenant)
    for table in in_order(schema):
        for number in range(count):
            maker.row(table, number)
        if not maker.rows[table.name]:
            raise TableNotFilled(table=table.name, problem=maker.problem)
    return Filled(tenant, {name: tuple(rows) for name, rows in maker.rows.items()})


def in_order(schema: Schema) -> list[Table]:
    """Tables with those that they refer to before them; a circle is broken where it begins."""
    tables, done = schema.by_oid(), dict[int, Table]()

    def visit(table: Table, above: frozenset[int]) -> None:
        for other in table.references:
            if other.table in tables and other.table not in above and other.table not in done:
                visit(tables[other.table], above | {other.table})
        done.setdefault(table.oid, table)

    for table in schema.tables:
        visit(table, frozenset({table.oid}))
    return list(done.values())


class _Maker:
    def __init__(self, line: Line, schema: Schema, tenant: Tenant) -> None:
        self._line, self._tables, self._tenant = line, schema.by_oid(), tenant
        self._castable: dict[tuple[str, str], bool] = {}
        self.rows: dict[str, list[Row]] = {table.name: [] for table in schema.tables}
        self.problem = ""

    def row(self, table: Table, number: int) -> None:
        """Try values until the table takes one more row, or has some and takes no more."""
        values = {column.name: self._candidates(table, column, number) for column in table.columns}
        turns: dict[tuple[str, ...], Iterator[tuple[int, ...]]] = {}
        chosen = dict.fromkeys(values, 0)
        for attempt in range(TRIES):
            row = {name: found[chosen[name]] for name, found in values.items()} | {TENANT_ID: self._tenant.id}
            row |= self._referred(table, number + attempt)
            answer = self._insert(table, row)
            if not answer.state:
                self.rows[table.name].append(self._written(table, answer))
                return
            self.problem = answer.told.decode(errors="replace").splitlines()[0]
            names = self._culprits(table, answer)
            if answer.state == "23505" and self._there(table):  # a trigger has made the row already
                return
            sizes = [len(values[name]) for name in names]
            turn = turns.setdefault(names, itertools.product(*map(range, sizes)))
            chosen |= zip(names, next(turn, (0,) * len(names)), strict=True)

    def _referred(self, table: Table, number: int) -> Row:
        """The columns that name a row of another table, as one of its rows has them."""
        found: dict[str, str | None] = {}
        for reference in table.references:
            found |= self._reference(table, reference, number)
        return found

    def _reference(self, table: Table, reference: Reference, number: int) -> Row:
        other = self._tables.get(reference.table)
        rows = self.rows[other.name] if other else []
        if not rows:
            nullable = {column.name for column in table.columns if column.nullable}
            return dict.fromkeys((name for name in reference.columns if name in nullable), None)
        row = rows[number % len(rows)]
        return {mine: row[theirs] for mine, theirs in zip(reference.columns, reference.theirs, strict=True)}

    def _insert(self, table: Table, row: Row) -> Answer:
        kinds = {column.name: column.type for column in table.columns}
        names = ", ".join(map(quoted, row))
        values = ", ".join(literal(value, kinds[name]) for name, value in row.items())
        back = ", ".join(f"{quoted(column.name)}::text" for column in table.columns)
        return self._line.ask(f"INSERT INTO {table.name} ({names}) VALUES ({values}) RETURNING {back}")

    def _written(self, table: Table, answer: Answer) -> Row:
        cells = (None if cell is None else cell.decode() for cell in answer.rows[0])
        return dict(zip((column.name for column in table.columns), cells, strict=True))

    def _there(self, table: Table) -> bool:
        """Whether the tenant has rows that nobody here has put in; they count as its rows."""
        back = ", ".join(f"{quoted(column.name)}::text" for column in table.columns)
        found = self._line.ask(f"SELECT {back} FROM {table.name} WHERE {TENANT_ID} = '{self._tenant.id}'")
        self.rows[table.name] = [self._written(table, Answer((row,))) for row in found.rows]
        return bool(found.rows)

    def _culprits(self, table: Table, answer: Answer) -> tuple[str, ...]:
        """The columns that a refusal is about, all of them when it does not say."""
        bound = {TENANT_ID, *(name for reference in table.references for name in reference.columns)}
        for check in table.checks:
            if check.name == answer.about:
                return tuple(name for name in check.columns if name not in bound)
        return tuple(column.name for column in table.columns if column.name not in bound)

    def _candidates(self, table: Table, column: Column, number: int) -> list[str | None]:
        """What may do as a value, the most telling first."""
        texts = " ".join([column.rules, *(check.text for check in table.checks if column.name in check.columns)])
        wanted = [*column.labels, *_marked(column.base, self._tenant, number, _numbers(texts)), *_mentioned(texts)]
        found: list[str | None] = [text for text in dict.fromkeys(wanted) if self._fits(column.type, text)]
        return [*found, None] if column.nullable or not found else found

    def _fits(self, kind: str, text: str) -> bool:
        key = (kind, text)
        if key not in self._castable:
            self._castable[key] = not self._line.ask(f"SELECT {literal(text, kind)}").state
        return self._castable[key]


def _numbers(texts: str) -> list[int]:
    return [int(text) for text in _NUMBER.findall(texts)][:LITERALS]


def _mentioned(texts: str) -> list[str]:
    """What a check names: its texts and numbers, and what is one more or less."""
    near = (str(number + step) for number in _numbers(texts) for step in (0, 1, -1))
    return [text.replace("''", "'") for text in _TEXT.findall(texts)][:LITERALS] + list(near)


def _marked(base: str, tenant: Tenant, number: int, sizes: Sequence[int]) -> list[str]:
    """Values of a type that carry the mark of a tenant, then plain ones."""
    mark, count = tenant.mark, f"{number + 1:02}"
    digits = hashlib.sha256(f"{mark}/{number}".encode()).hexdigest()
    hexed = [(mark + digits)[:size] for size in (64, 40, 32, 8)]
    whole = str(tenant.number * 10_000 + number + 1)
    day = f"20{31 + tenant.number % 7}-07-{number % 27 + 1:02}"
    raw = ["\\x" + mark + (digits * 5)[: 2 * size - 12] for size in (*sizes, 32, 16, 64) if size in BYTES]
    by_base: dict[str, list[str]] = {
        "uuid": [f"0198{count}00-0000-7000-8000-{mark}", f"0198{count}00-0000-4000-8000-{mark}"],
        "bytea": [*raw, "\\x" + mark + digits],
        "bool": ["true" if number % 2 else "false", "true", "false"],
        "int2": [str(number + 1)],
        "json": [f'{{"mark": "{mark}-{count}"}}', "[]", "{}"],
        "jsonb": [f'{{"mark": "{mark}-{count}"}}', "[]", "{}"],
        "date": [day],
        "timestamp": [f"{day} 03:04:05"],
        "timestamptz": [f"{day} 03:04:05+00"],
        "time": ["03:04:05"],
        "interval": [f"{number + 1} hours"],
        "inet": [f"10.{tenant.number % 250}.7.{number + 1}"],
        "cidr": [f"10.{tenant.number % 250}.{number + 1}.0/24"],
    }
    if base in {"int4", "int8", "numeric", "float4", "float8"}:
        return [whole, str(number + 1), "1", "0"]
    if base.startswith("_"):  # an array
        return ["{" + text + "}" for text in _marked(base[1:], tenant, number, sizes)] + ["{}"]
    plain = [f"{mark}-{count}", *hexed, f"sha256:{hexed[0]}", *by_base["uuid"], f"a{count}", count, f"{day}T03:04:05Z"]
    return by_base.get(base, plain)
