"""Queries over the real schema, made up from a seed: what a tenant may ask in any shape that SQL has.

Rules:
- The same seed makes the same queries. Values come from the rows of both tenants, so that a query asks for what the
  other one has.
- An answer has one spelling: rows are sorted by their bytes and windows have a total order, so that another plan gives
  the same text. An error whose words hold a value is met in a sorted order too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stella.proof.probes import Pair
from stella.proof.rows import literal, quoted
from stella.proof.schema import TENANT_ID, Column, Schema, Table

READS, WRITES, ERRORS = 25, 6, 2  # executions of a text: a write changes what the next one meets, an error ends it
NUMBERS = ("int2", "int4", "int8", "numeric")


class Query(NamedTuple):
    """A text with `$n`, the types of its parameters, the values of each execution, and whether it is to be undone."""

    text: str
    kinds: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    writes: bool = False

    def message(self) -> str:
        """Everything in one message: prepared once, executed with every row of values."""
        kinds = f" ({', '.join(self.kinds)})" if self.kinds else ""
        runs = (f"EXECUTE q ({', '.join(row)})" if row else "EXECUTE q" for row in self.values)
        return "; ".join([f"PREPARE q{kinds} AS {self.text}", *runs, "DEALLOCATE q"])


class Used(NamedTuple):
    """A column as a query names it."""

    sql: str
    table: Table
    column: Column


class Asked:
    """A query that is being written: its parameters, and where their values come from."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.pools: list[Sequence[str]] = []
        self.rows: Sequence[dict[str, str]] = ()  # from which most values of an execution come together
        self.names: list[str] = []

    def place(self, kind: str, pool: Sequence[str]) -> str:
        """The place of a new parameter."""
        self.kinds.append(kind)
        self.pools.append(pool)
        return f"${len(self.kinds)}"


class Author:
    """Writes queries for the tables that a tenant may read and write."""

    def __init__(self, seed: int, schema: Schema, pair: Pair) -> None:
        self._random = random.Random(seed)  # noqa: S311  # it need not be secret, it must be repeatable
        self._pair = pair
        self._read = [table for table in schema.tables if "SELECT" in table.may]
        self._all, self._by_oid = schema.tables, schema.by_oid()
        self._pools: dict[tuple[str, str], list[str]] = {}
        self._shapes: list[Callable[[Asked], str]] = [
            self._scan, self._scan, self._join, self._join, self._join, self._aggregate, self._aggregate, self._window,
            self._subquery, self._subquery, self._set, self._recursive, self._distinct, self._lateral,
        ]  # fmt: skip

    def next(self) -> Query:
        """One more query."""
        turn = self._random.random()
        if turn < 0.12:  # noqa: PLR2004  # a tenth writes
            return self._finish(self._write, WRITES, writes=True)
        if turn < 0.17 and self._read:  # noqa: PLR2004  # and some go wrong
            return self._finish(self._error, ERRORS)
        return self._finish(
            self._random.choice(self._shapes) if self._read else self._write, READS, writes=not self._read
        )

    def _finish(self, shape: Callable[[Asked], str], runs: int, *, writes: bool = False) -> Query:
        asked = Asked()
        core = shape(asked)
        text = core if writes else f'{_OUTER} FROM (SELECT q::text COLLATE "C" AS r FROM ({core}) q) z'
        count = runs if asked.kinds else 1
        return Query(text, tuple(asked.kinds), tuple(self._values(asked) for _ in range(count)), writes)

    def _values(self, asked: Asked) -> tuple[str, ...]:
        """The values of one execution: drawn one by one, or a row with a few others."""
        drawn = [self._random.choice(pool) for pool in asked.pools]
        if asked.rows:
            row = self._random.choice(asked.rows)
            kept = [self._random.random() < 0.93 for _ in drawn]  # noqa: PLR2004  # most rows break no check
            drawn = [row[name] if keep else value for name, keep, value in zip(asked.names, kept, drawn, strict=True)]
        return tuple(drawn)

    # --- parts ---

    def _columns(self, table: Table, alias: str) -> list[Used]:
        return [Used(f"{alias}.{quoted(column.name)}", table, column) for column in table.columns]

    def _pool(self, used: Used) -> list[str]:
        """Values that a column is compared with: those of both tenants, and others of its type."""
        table, column = used.table, used.column
        key = (table.name, column.name)
        if key not in self._pools:
            rows = (*self._pair.a.rows[table.name], *self._pair.b.rows[table.name])
            found = dict.fromkeys(literal(row[column.name], column.type) for row in rows)
            self._pools[key] = [*found, *_PLAIN.get(column.base, ("NULL",))]
        return self._pools[key]

    def _condition(self, asked: Asked, columns: Sequence[Used], depth: int = 0) -> str:
        draw = self._random
        if depth < 2 and draw.random() < 0.35:  # noqa: PLR2004  # three levels at most
            left, right = (self._condition(asked, columns, depth + 1) for _ in range(2))
            return f"({left} {draw.choice(('AND', 'OR', 'AND NOT', 'OR NOT'))} {right})"
        used = draw.choice(columns)

        def place() -> str:
            return asked.place(used.column.type, self._pool(used))

        forms: list[Callable[[], str]] = [
            lambda: f"{used.sql} = {place()}",
            lambda: f"{used.sql} IS DISTINCT FROM {place()}",
            lambda: f"{used.sql}::text >= {place()}::text",
            lambda: f"{used.sql} IN ({place()}, {place()})",
            lambda: f"{used.sql} = ANY (ARRAY[{place()}, {place()}])",
            lambda: f"{used.sql} IS NOT NULL",
            lambda: f"{used.sql}::text LIKE '%' || left({place()}::text, 5) || '%'",
            lambda: f"strpos({used.sql}::text, left({place()}::text, 7)) > 0",
            lambda: f"length({used.sql}::text) > length({place()}::text)",
            lambda: f"({used.sql}::text, 1) > ({place()}::text, 0)",
        ]
        if used.column.base.startswith("_"):  # an array has no array of its type
            del forms[4]
        if used.column.base in {"json", "xml"}:  # they have no equality
            forms = forms[5:]
        return draw.choice(forms)()

    def _where(self, asked: Asked, columns: Sequence[Used]) -> str:
        return f" WHERE {self._condition(asked, columns)}" if self._random.random() < 0.8 else ""  # noqa: PLR2004

    def _shown(self, used: Used) -> str:
        name = used.sql
        forms = [f"{name}::text", f"{name}::text", f"length({name}::text)", f"md5({name}::text)", f"{name} IS NULL"]
        forms += [f"coalesce(left({name}::text, 4), '-')", f"upper({name}::text)"]
        if used.column.base in NUMBERS:
            forms += [
                f"{name}::numeric + 1",
                f"{name}::numeric % 7",
                f"CASE WHEN {name} > 5 THEN 'many' ELSE 'few' END",
            ]
        return self._random.choice(forms)

    def _list(self, columns: Sequence[Used], most: int = 4) -> str:
        chosen = self._random.sample(columns, self._random.randint(1, min(most, len(columns))))
        return ", ".join(f"{self._shown(used)} AS x{number}" for number, used in enumerate(chosen, 1))

    def _limited(self, text: str, outputs: int) -> str:
        """The text with an order over everything and a limit, now and then."""
        if self._random.random() < 0.5:  # noqa: PLR2004
            return text
        order = ", ".join(f"{n} {self._random.choice(('ASC', 'DESC'))}" for n in range(1, outputs + 1))
        return f"{text} ORDER BY {order} LIMIT {self._random.randint(1, 9)} OFFSET {self._random.randint(0, 2)}"

    def _table(self, alias: str) -> tuple[str, list[Used]]:
        table = self._random.choice(self._read)
        return f"{table.name} {alias}", self._columns(table, alias)

    def _joined(self) -> tuple[str, list[Used]]:
        draw, parts = self._random, self._random.randint(2, 3)
        text, columns = self._table("a1")
        for number in range(2, parts + 1):
            alias = f"a{number}"
            other, theirs = self._partner(columns[0].table, alias) if draw.random() < 0.5 else self._table(alias)  # noqa: PLR2004
            kind = draw.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "JOIN"))
            text += f" {kind} {other} ON {self._on(columns, theirs)}"
            columns += theirs
        return text, columns

    def _partner(self, table: Table, alias: str) -> tuple[str, list[Used]]:
        """A table that this one refers to, else any."""
        near = [self._by_oid[found.table] for found in table.references if found.table in self._by_oid]
        near = [other for other in near if other in self._read]
        if not near:
            return self._table(alias)
        other = self._random.choice(near)
        return f"{other.name} {alias}", self._columns(other, alias)

    def _on(self, mine: Sequence[Used], theirs: Sequence[Used]) -> str:
        pairs = [(a, b) for a in mine for b in theirs if a.column.base == b.column.base and a.column.base != "json"]
        chosen = self._random.sample(pairs, min(len(pairs), self._random.randint(1, 2)))
        return (
            " AND ".join(f"{a.sql} {self._random.choice(('=', '=', '=', '<>'))} {b.sql}" for a, b in chosen) or "true"
        )

    # --- shapes ---

    def _scan(self, asked: Asked) -> str:
        source, columns = self._table("a1")
        shown = self._list(columns)
        return self._limited(f"SELECT {shown} FROM {source}{self._where(asked, columns)}", shown.count(" AS x"))

    def _join(self, asked: Asked) -> str:
        source, columns = self._joined()
        shown = self._list(columns)
        return self._limited(f"SELECT {shown} FROM {source}{self._where(asked, columns)}", shown.count(" AS x"))

    def _aggregate(self, asked: Asked) -> str:
        draw = self._random
        source, columns = self._joined() if draw.random() < 0.4 else self._table("a1")  # noqa: PLR2004
        by, of = draw.choice(columns), draw.choice(columns)
        forms = [
            "count(*)", f"count(DISTINCT {of.sql}::text)", f"max({of.sql}::text)", f"min({of.sql}::text)",
            f"string_agg({of.sql}::text, ',' ORDER BY {of.sql}::text)", f"bool_or({of.sql} IS NULL)",
            f"count(*) FILTER (WHERE {self._condition(asked, columns, 2)})",
            f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {of.sql}::text)", f"sum(length({of.sql}::text))",
        ]  # fmt: skip
        shown = ", ".join(f"{form} AS y{number}" for number, form in enumerate(draw.sample(forms, 3)))
        where = self._where(asked, columns)
        grouping = draw.choice(("", "", "plain", "rollup", "sets"))
        if not grouping:
            return f"SELECT {shown} FROM {source}{where}"
        key = {
            "plain": f"{by.sql}",
            "rollup": f"ROLLUP ({by.sql}, {of.sql})",
            "sets": f"GROUPING SETS (({by.sql}), ())",
        }
        if "json" in {by.column.base, of.column.base}:
            return f"SELECT {shown} FROM {source}{where}"
        having = f" HAVING count(*) {draw.choice(('> 0', '> 1', '< 3'))}" if draw.random() < 0.4 else ""  # noqa: PLR2004
        return f"SELECT {by.sql}::text AS g, {shown} FROM {source}{where} GROUP BY {key[grouping]}{having}"

    def _window(self, asked: Asked) -> str:
        draw = self._random
        source, columns = self._table("a1")
        by, of = draw.choice(columns), draw.choice(columns)
        part = f"PARTITION BY {by.sql}::text " if draw.random() < 0.6 else ""  # noqa: PLR2004
        form = draw.choice(
            ("row_number()", "rank()", "dense_rank()", "count(*)", "ntile(3)", "percent_rank()",
             f"lag({of.sql}::text)", f"first_value({of.sql}::text)", f"sum(length({of.sql}::text))")
        )  # fmt: skip
        frame = f'OVER ({part}ORDER BY a1::text COLLATE "C")'
        return f"SELECT a1::text AS r, {form} {frame} AS w FROM {source}{self._where(asked, columns)}"

    def _subquery(self, asked: Asked) -> str:
        draw = self._random
        source, columns = self._table("a1")
        inner, theirs = self._table("b1")
        mine, other = draw.choice(columns), draw.choice(theirs)
        condition = self._condition(asked, theirs, 1)
        tie = f"{mine.sql}::text = {other.sql}::text"
        forms = [
            f"{mine.sql}::text IN (SELECT {other.sql}::text FROM {inner} WHERE {condition})",
            f"{mine.sql}::text NOT IN (SELECT coalesce({other.sql}::text, '') FROM {inner} WHERE {condition})",
            f"EXISTS (SELECT FROM {inner} WHERE {condition} AND {tie})",
            f"NOT EXISTS (SELECT FROM {inner} WHERE {condition} AND {tie})",
            f"EXISTS (SELECT FROM {inner} WHERE {condition})",
            f"{mine.sql}::text >= ALL (SELECT {other.sql}::text FROM {inner} WHERE {condition})",
            f"(SELECT count(*) FROM {inner} WHERE {condition} AND {tie}) > 0",
            f"{mine.sql}::text = (SELECT max({other.sql}::text) FROM {inner} WHERE {condition})",
        ]
        return f"SELECT {self._list(columns)} FROM {source} WHERE {draw.choice(forms)}"

    def _lateral(self, asked: Asked) -> str:
        source, columns = self._table("a1")
        inner, theirs = self._table("b1")
        mine, other = self._random.choice(columns), self._random.choice(theirs)
        tie = f"{mine.sql}::text {self._random.choice(('=', '<=', '<>'))} {other.sql}::text"
        condition = self._condition(asked, theirs, 1)
        body = f'SELECT b1::text AS r FROM {inner} WHERE {tie} AND {condition} ORDER BY b1::text COLLATE "C" LIMIT 2'
        return f"SELECT a1::text AS m, l.r FROM {source} LEFT JOIN LATERAL ({body}) l ON true"

    def _set(self, asked: Asked) -> str:
        (one, mine), (two, theirs) = self._table("a1"), self._table("b1")
        left, right = self._random.choice(mine), self._random.choice(theirs)
        word = self._random.choice(("UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL"))
        first = f"SELECT {left.sql}::text AS s FROM {one}{self._where(asked, mine)}"
        return f"{first} {word} SELECT {right.sql}::text FROM {two}{self._where(asked, theirs)}"

    def _recursive(self, asked: Asked) -> str:
        source, columns = self._table("a1")
        used = self._random.choice(columns)
        seed = f"SELECT {used.sql}::text, 0 FROM {source}{self._where(asked, columns)}"
        step = f"SELECT w.v, w.n + 1 FROM w JOIN {source} ON {used.sql}::text = w.v WHERE w.n < 2"
        return f"WITH RECURSIVE w (v, n) AS ({seed} UNION {step}) SELECT v, n FROM w"

    def _distinct(self, asked: Asked) -> str:
        source, columns = self._table("a1")
        used = self._random.choice(columns)
        where = self._where(asked, columns)
        order = f'{used.sql}::text COLLATE "C", a1::text COLLATE "C"'
        return f'SELECT DISTINCT ON ({used.sql}::text COLLATE "C") a1::text AS r FROM {source}{where} ORDER BY {order}'

    def _error(self, asked: Asked) -> str:
        """What may fail by what the rows hold."""
        source, columns = self._table("a1")
        used = self._random.choice(columns)
        place = asked.place(used.column.type, self._pool(used))
        fenced = f'(SELECT {used.sql}::text AS v FROM {source} ORDER BY a1::text COLLATE "C" OFFSET 0) f'
        forms = [
            f"SELECT CAST(v AS integer) AS n FROM {fenced}",
            f"SELECT CAST(v AS uuid) AS n FROM {fenced}",
            f"SELECT 1 / (length(v) - length({place}::text)) AS n FROM {fenced}",
            f"SELECT 1 AS n FROM {source} WHERE 1 / (length({used.sql}::text) - length({place}::text)) > 0",
            f"SELECT 1 AS n WHERE (SELECT {used.sql}::text FROM {source}) = {place}::text",
            f"SELECT (ARRAY[1, 2])[count(*)] / (count(*) - {self._random.randint(0, 12)}) AS n FROM {source}",
            f"SELECT CAST({place}::text AS integer) AS n FROM {source} WHERE {used.sql} IS NOT NULL",
        ]
        return self._random.choice(forms)

    def _write(self, asked: Asked) -> str:
        """A change, with what it did as the answer; whoever sends it undoes it."""
        draw = self._random
        table = draw.choice(self._all)
        columns = self._columns(table, "a1")
        back = f'RETURNING a1::text COLLATE "C" AS r) {_OUTER} FROM i'
        if "SELECT" not in table.may or draw.random() < 0.4:  # noqa: PLR2004
            return self._insert(asked, table, columns)
        if draw.random() < 0.4:  # noqa: PLR2004
            return f"WITH i AS (DELETE FROM {table.name} a1{self._where(asked, columns)} {back}"
        used = draw.choice(columns)
        value = asked.place(used.column.type, self._own(used))
        setting = f"{quoted(used.column.name)} = {value}"
        return f"WITH i AS (UPDATE {table.name} a1 SET {setting}{self._where(asked, columns)} {back}"

    def _insert(self, asked: Asked, table: Table, columns: Sequence[Used]) -> str:
        names = ", ".join(quoted(used.column.name) for used in columns)
        places = ", ".join(asked.place(used.column.type, self._own(used)) for used in columns)
        asked.names = [used.column.name for used in columns]
        asked.rows = self._whole(table)
        conflict = ""
        if "SELECT" in table.may and table.keys:
            target = f" ON CONFLICT ({', '.join(map(quoted, self._random.choice(table.keys)))})"
            update = f"{target} DO UPDATE SET {TENANT_ID} = EXCLUDED.{TENANT_ID}"
            conflict = self._random.choice(
                ("", " ON CONFLICT DO NOTHING", " ON CONFLICT DO NOTHING", f"{target} DO NOTHING", update)
            )
        text = f"INSERT INTO {table.name} AS a1 ({names}) VALUES ({places}){conflict}"
        if "SELECT" not in table.may:
            return text
        return f'WITH i AS ({text} RETURNING a1::text COLLATE "C" AS r) {_OUTER} FROM i'

    def _whole(self, table: Table) -> list[dict[str, str]]:
        """The rows of both tenants as the one that writes would write them."""
        kinds = {column.name: column.type for column in table.columns}
        rows = (*self._pair.a.rows[table.name], *self._pair.b.rows[table.name])
        mine = {TENANT_ID: self._pair.a.tenant.id}
        return [{name: literal(value, kinds[name]) for name, value in (row | mine).items()} for row in rows]

    def _own(self, used: Used) -> list[str]:
        """Values to write: any of the pool, but mostly for the tenant that writes."""
        if used.column.name != TENANT_ID:
            return self._pool(used)
        mine = literal(self._pair.a.tenant.id, used.column.type)
        return [mine] * 15 + [literal(self._pair.b.tenant.id, used.column.type)]


_OUTER = "SELECT coalesce(string_agg(r, E'\\n' ORDER BY r), '-')"
_PLAIN: dict[str, tuple[str, ...]] = {
    "text": ("''", "'0'", "'proof-'", "NULL"),
    "int4": ("0", "1", "-1", "2147483647"),
    "int8": ("0", "1", "-1", "9007199254740993"),
    "bool": ("true", "false", "NULL"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'",),
    "bytea": ("''", "'\\x00'"),
}
