"""The probes of the bypass matrix: what somebody would try who can send any SQL as the application, tenant by tenant.

Rules:
- Probes are generated from the schema, so that a new table, partition or view is probed unasked.
- A probe is sent in a transaction of tenant A, or without one, as it says. It must be refused, or show nothing of B.
- A probe is sharp: sent by a superuser it shows B's data, changes B's rows, or passes. Which, is its `control`.
- `LEAK` in an answer says yes to a question that A may not ask; a probe with it asks about B without showing B's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from stella.proof.rows import Filled, Row, Tenant, literal, quoted
from stella.proof.schema import TENANT_ID, Schema, Table
from stella.runtime.roles import APP

LEAK = "the-other-is-there"
REFUSED = frozenset({"42501", "0A000"})  # insufficient privilege; COPY FROM under row-level security
UNIQUE, FOREIGN = "23505", "23503"

_TOLD_BY_ERRORS = {  # states that an error may have, and those that it may not
    "error-theirs": (frozenset({"22P02"}), frozenset[str]()),
    "error-filter": (frozenset({"22P02"}), frozenset[str]()),
    "error-division": (frozenset[str](), frozenset({"22012"})),
}

Expect = Literal["refused", "nothing"]
Control = Literal["shows", "changes", "passes", "none"]
Echo = Literal["", "tenant", "all"]  # what of B the text itself holds and an answer may repeat


class Probe(NamedTuple):
    """One attempt: statements in order, the last of which is judged together with what all of them gave."""

    name: str
    object: str
    steps: tuple[str, ...]
    expect: Expect
    control: Control
    echo: Echo = ""
    inside: bool = True  # in a transaction of tenant A; otherwise in one of nobody
    states: frozenset[str] = frozenset()  # what a refusal may also say
    never: frozenset[str] = frozenset()  # a refusal that would tell about B
    writes: bool = False  # it asks for more than reading


class Pair(NamedTuple):
    """The two tenants with their rows: `a` asks, `b` must stay unseen."""

    a: Filled
    b: Filled


def of_table(table: Table, pair: Pair, tables: Mapping[int, Table]) -> Iterator[Probe]:
    """Every probe of a table."""
    yield from data_of(table, pair, tables)
    yield from _definitions(table)
    yield from _without_context(table, pair)


def data_of(table: Table, pair: Pair, tables: Mapping[int, Table]) -> Iterator[Probe]:
    """The probes of a table that are about its rows."""
    yield from _reads(table, pair)
    yield from _read_otherwise(table, pair.b.tenant)
    yield from _writes(table, pair)
    yield from _oracles(table, pair, tables)


def of_partition(table: Table, b: Tenant) -> Iterator[Probe]:
    """A partition is reached through its parent alone."""
    name = table.name
    yield _refused("partition-select", name, f"SELECT t::text FROM {name} t")
    yield _refused("partition-copy", name, f"COPY {name} TO STDOUT", control="none")
    yield _refused("partition-update", name, f"UPDATE {name} SET {TENANT_ID} = {TENANT_ID}")
    yield _refused("partition-delete", name, f"DELETE FROM {name} WHERE {TENANT_ID} = '{b.id}'", control="none")
    yield _refused("partition-truncate", name, f"TRUNCATE {name} CASCADE")
    yield _refused("partition-lock", name, f"LOCK TABLE {name} IN ACCESS SHARE MODE")


def of_view(name: str) -> Iterator[Probe]:
    """A view shows what its reader may see; a materialised one is no better."""
    yield _nothing("view-select", name, f"SELECT v::text FROM {name} v", control="none")
    yield _nothing("view-count", name, f"SELECT row_to_json(v)::text FROM {name} v LIMIT 1000", control="none")
    yield _nothing("view-copy", name, f"COPY (SELECT * FROM {name}) TO STDOUT", control="none")
    yield Probe("view-without-context", name, (f"SELECT v::text FROM {name} v",), "nothing", "none", inside=False)


def of_other(kind: str, name: str) -> Iterator[Probe]:
    """What belongs to no tenant is not the application's."""
    if kind == "S":
        yield _refused("sequence-next", name, f"SELECT nextval('{name}')")
        yield _refused("sequence-last", name, f"SELECT last_value FROM {name}")
        yield _refused("sequence-set", name, f"SELECT setval('{name}', 1)")
    elif kind in {"r", "f"}:
        yield _refused("other-select", name, f"SELECT t::text FROM {name} t")
        yield _refused("other-delete", name, f"DELETE FROM {name}", control="none")
        yield _refused("other-truncate", name, f"TRUNCATE {name} CASCADE")
        yield _refused("other-lock", name, f"LOCK TABLE {name} IN ACCESS SHARE MODE")


def all_of(schema: Schema, pair: Pair) -> list[Probe]:
    """Every probe that is about one object."""
    found: list[Probe] = []
    for table in schema.tables:
        found += of_table(table, pair, schema.by_oid())
    for table in schema.partitions:
        found += of_partition(table, pair.b.tenant)
    for name in (*schema.named("v"), *schema.named("m")):
        found += of_view(name)
    for kind, name in schema.others:
        found += of_other(kind, name)
    return found


def _reads(table: Table, pair: Pair) -> Iterator[Probe]:
    """Reading, straight and bent."""
    name, a, b = table.name, pair.a.tenant.id, pair.b.tenant.id
    theirs, row = f"{TENANT_ID} = '{b}'", pair.b.rows[table.name][0]
    key = " AND ".join(_equal(table, column, row) for column in table.keys[0]) if table.keys else theirs
    word = f"'{LEAK}'"
    texts = {
        "select-all": f"SELECT t::text FROM {name} t",
        "select-theirs": f"SELECT t::text FROM {name} t WHERE {theirs}",
        "select-or": f"SELECT t::text FROM {name} t WHERE {TENANT_ID} = '{a}' OR true",
        "select-by-key": f"SELECT t::text FROM {name} t WHERE {key}",
        "select-by-place": f"SELECT t::text FROM {name} t WHERE ctid < '(100000,0)'",
        "select-last": f"SELECT t::text FROM {name} t ORDER BY {TENANT_ID} DESC LIMIT 1",
        "select-sample": f"SELECT t::text FROM {name} t TABLESAMPLE SYSTEM (100)",
        "select-only": f"SELECT t::text FROM ONLY {name} t",
        "select-max": f'SELECT max(t::text COLLATE "C"), min(t::text COLLATE "C"), max({TENANT_ID}) FROM {name} t',
        "select-aggregate": f"SELECT string_agg(t::text, ',') FROM {name} t",
        "select-json": f"SELECT json_agg(t)::text, to_jsonb(array_agg(t))::text FROM {name} t",
        "select-window": f"SELECT string_agg(t::text, ',') OVER () FROM {name} t",
        "select-lateral": f"SELECT x.r FROM (VALUES ('{b}')) v (n), LATERAL (SELECT t::text AS r FROM {name} t"
        f" WHERE {TENANT_ID} = v.n) x",
        "select-join": f"SELECT q::text FROM (VALUES ('{a}')) v (n) FULL JOIN {name} q ON q.{TENANT_ID} = v.n",
        "select-correlated": f"SELECT (SELECT max(t::text) FROM {name} t WHERE {TENANT_ID} = v.n)"
        f" FROM (VALUES ('{b}')) v (n)",
        "select-recursive": f"WITH RECURSIVE r (x, n) AS (SELECT t::text, 0 FROM {name} t UNION ALL"
        f" SELECT t::text, n + 1 FROM r, {name} t WHERE n < 1) SELECT x FROM r",
        "select-union": f"SELECT '' UNION ALL SELECT t::text FROM {name} t WHERE {theirs}",
        "select-values": f"TABLE {name}",
        "count-theirs": f"SELECT CASE WHEN count(*) > 0 THEN {word} END FROM {name} WHERE {theirs}",
        "exists-theirs": f"SELECT CASE WHEN EXISTS (SELECT FROM {name} WHERE {theirs}) THEN {word} END",
        "group-theirs": f"SELECT {word} FROM {name} GROUP BY {TENANT_ID} HAVING {TENANT_ID} = '{b}'",
        "count-tenants": f"SELECT CASE WHEN count(DISTINCT {TENANT_ID}) > 1 THEN {word} END FROM {name}",
        "rank-theirs": f"SELECT {word} FROM (SELECT rank() OVER (ORDER BY {TENANT_ID}) r FROM {name}) x"
        " WHERE r > 1 LIMIT 1",
        "error-theirs": f"SELECT CAST('x' || t::text AS integer) FROM {name} t WHERE {theirs}",
        "error-filter": f"SELECT FROM {name} t WHERE {theirs} AND CAST('x' || t::text AS integer) = 1",
        "error-division": f"SELECT 1 / CASE WHEN {TENANT_ID} = '{b}' THEN 0 ELSE 1 END FROM {name}",
        "share-theirs": f"SELECT t::text FROM {name} t WHERE {theirs} FOR SHARE",
    }
    for title, text in texts.items():
        states, never = _TOLD_BY_ERRORS.get(title, (frozenset(), frozenset()))
        control: Control = "none" if title == "select-only" and table.divided else "shows"  # it has no rows itself
        yield _nothing(title, name, text, control=control, states=states, never=never)


def _read_otherwise(table: Table, b: Tenant) -> Iterator[Probe]:
    """Reading by what is no plain query."""
    name, theirs = table.name, f"{TENANT_ID} = '{b.id}'"
    every = f"SELECT t::text FROM {name} t"
    block = f"DECLARE x text; BEGIN SELECT string_agg(t::text, ',') INTO x FROM {name} t; RAISE EXCEPTION '%', x; END"
    thrown = (
        f"DECLARE x text; BEGIN SELECT max(t::text) INTO x FROM {name} t WHERE {theirs}; RAISE EXCEPTION '%', x; END"
    )
    plain = {
        "copy-table": f"COPY {name} TO STDOUT",
        "copy-query": f"COPY ({every}) TO STDOUT",
        "query-to-xml": f"SELECT query_to_xml('SELECT * FROM {name}', true, true, '')::text",
        "table-to-xml": f"SELECT table_to_xml('{name}', true, true, '')::text",
        "text-statistics": f"SELECT word FROM ts_stat($x$SELECT to_tsvector('simple', t::text) FROM {name} t$x$)",
        "block": f"DO $x$ {block} $x$",
        "block-error": f"DO $x$ {thrown} $x$",
        "block-dynamic": f"DO $x$ DECLARE x text; BEGIN EXECUTE 'SELECT max(t::text) FROM {name} t' INTO x;"
        " RAISE EXCEPTION '%', x; END $x$",
    }
    for title, text in plain.items():
        yield _nothing(title, name, text, control="shows", echo="tenant", states=frozenset({"P0001"}))
    steps = {
        "cursor": (
            "DECLARE c SCROLL CURSOR FOR " + every,
            "FETCH ALL FROM c",
            "MOVE ABSOLUTE 0 IN c",
            "FETCH ALL FROM c",
        ),
        "cursor-with-hold": ("DECLARE h CURSOR WITH HOLD FOR " + every, "FETCH ALL FROM h"),
        "prepared": ("PREPARE p AS " + every, "EXECUTE p", "DEALLOCATE p"),
        "generic-plan": (
            "SET LOCAL plan_cache_mode = force_generic_plan",
            f"PREPARE g (text) AS {every} WHERE {TENANT_ID} = $1",
            f"EXECUTE g ('{b.id}')",
            "DEALLOCATE g",
        ),
        "no-scan-but-bitmap": ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_indexscan = off", every),
        "no-index": ("SET LOCAL enable_indexscan = off", "SET LOCAL enable_bitmapscan = off", every),
        "hidden-index": ("SET LOCAL enable_seqscan = off", f"{every} WHERE {theirs}"),
    }
    for title, texts in steps.items():
        yield Probe(title, name, texts, "nothing", "shows")
    yield Probe("row-security-off", name, ("SET LOCAL row_security = off", every), "refused", "shows")


def _writes(table: Table, pair: Pair) -> Iterator[Probe]:
    """Changing what is B's, and making what would be."""
    name, a, b = table.name, pair.a.tenant.id, pair.b.tenant.id
    theirs, row, mine = f"{TENANT_ID} = '{b}'", pair.b.rows[table.name][0], pair.a.rows[table.name][0]
    back = "RETURNING " + name.partition(".")[2] + "::text"
    columns = ", ".join(quoted(column) for column in row)
    taken = ", ".join(f"'{a}'" if column == TENANT_ID else quoted(column) for column in row)
    key = ", ".join(map(quoted, table.keys[0])) if table.keys else ""
    merge = f"MERGE INTO {name} t USING (VALUES ('{b}')) v (n) ON t.{TENANT_ID} = v.n WHEN MATCHED THEN"
    update = f"UPDATE {name} SET {TENANT_ID} = {TENANT_ID}"
    texts: dict[str, tuple[str, Control]] = {
        "update-theirs": (f"{update} WHERE {theirs} {back}", "changes"),
        "update-all": (f"{update} {back}", "shows"),
        "update-take": (f"UPDATE {name} SET {TENANT_ID} = '{a}' WHERE {theirs} {back}", "changes"),
        "update-from": (f"{update} FROM (VALUES ('{b}')) v (n) WHERE {TENANT_ID} = v.n {back}", "changes"),
        "update-in-cte": (f"WITH u AS ({update} WHERE {theirs} {back}) SELECT * FROM u", "shows"),
        "delete-theirs": (f"DELETE FROM {name} WHERE {theirs} {back}", "changes"),
        "delete-using": (f"DELETE FROM {name} USING (VALUES ('{b}')) v (n) WHERE {TENANT_ID} = v.n {back}", "changes"),
        "delete-all": (f"DELETE FROM {name} {back}", "shows"),
        "merge-update": (
            f"{merge} UPDATE SET {TENANT_ID} = t.{TENANT_ID} RETURNING t::text",
            "changes",
        ),
        "merge-delete": (
            f"{merge} DELETE",
            "changes",
        ),
        "insert-from-theirs": (
            f"INSERT INTO {name} ({columns}) SELECT {taken} FROM {name} WHERE {theirs} ON CONFLICT DO NOTHING {back}",
            "none" if (TENANT_ID,) in table.keys else "shows",  # a tenant has one row there, and A has it
        ),
        "lock-theirs": (f"SELECT t::text FROM {name} t WHERE {theirs} FOR UPDATE NOWAIT", "shows"),
    }
    locks = frozenset({FOREIGN})  # of A's own rows, when they are deleted
    for title, (text, control) in texts.items():
        yield _nothing(title, name, text, control=control, states=locks, writes=True)
    values = _values(table, row)
    new = _values(table, mine | {TENANT_ID: b})
    yield _refused(
        "insert-theirs", name, f"INSERT INTO {name} ({columns}) VALUES ({new})", control="none", echo="tenant"
    )
    yield _refused("insert-copy", name, f"COPY {name} FROM STDIN", control="passes", echo="tenant")
    merge = f"WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({new})"
    text = f"MERGE INTO {name} t USING (VALUES (1)) v (n) ON false {merge}"
    yield _refused("merge-insert", name, text, control="none", echo="tenant")
    if key:
        upsert = f"INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT ({key})"
        text = f"{upsert} DO UPDATE SET {TENANT_ID} = EXCLUDED.{TENANT_ID}"
        yield _refused("upsert-theirs", name, text, control="none", echo="all")
        yield _refused("upsert-nothing", name, f"{upsert} DO NOTHING", control="passes", echo="all")
    text = f"UPDATE {name} SET {TENANT_ID} = '{b}' WHERE {TENANT_ID} = '{a}'"
    yield _refused("update-give", name, text, control="none", echo="tenant", states=locks)


def _oracles(table: Table, pair: Pair, tables: Mapping[int, Table]) -> Iterator[Probe]:
    """Keys that would say whether B has a value, and references onto what only B has."""
    a, states = pair.a.tenant.id, frozenset({FOREIGN, "42501", "23514", "23502"})
    row = next((row for row in pair.b.rows[table.name] if _only_theirs(row, table.keys, pair.a.rows[table.name])), None)
    if row is not None:
        columns = ", ".join(map(quoted, row))
        insert = f"INSERT INTO {table.name} ({columns}) VALUES ({_values(table, row | {TENANT_ID: a})})"
        yield _nothing(
            "unique-oracle", table.name, insert, control="none", echo="all",
            states=states, never=frozenset({UNIQUE}), writes=True,
        )  # fmt: skip
        text = f"WITH i AS ({insert} ON CONFLICT DO NOTHING RETURNING 1)"
        text += f" SELECT CASE WHEN count(*) = 0 THEN '{LEAK}' END FROM i"
        yield _nothing("unique-oracle-upsert", table.name, text, control="none", echo="all", states=states, writes=True)
    for reference in table.references:
        there = pair.a.rows[tables[reference.table].name] if reference.table in tables else ()
        having = [tuple(other[name] for name in reference.theirs if name != TENANT_ID) for other in there]
        for theirs in pair.b.rows[table.name]:
            wanted = {name: theirs[name] for name in reference.columns if name != TENANT_ID}
            if tuple(wanted.values()) not in having and None not in wanted.values():
                mine = pair.a.rows[table.name][0]
                others = {name for other in table.references for name in other.columns} - set(reference.columns)
                fresh = theirs | {TENANT_ID: a} | {name: mine[name] for name in others}
                columns = ", ".join(map(quoted, fresh))
                text = f"INSERT INTO {table.name} ({columns}) VALUES ({_values(table, fresh)})"
                states = frozenset({FOREIGN, UNIQUE})
                yield _refused(
                    f"reference {reference.name}", table.name, text, control="none", echo="all", states=states
                )
                break


def _only_theirs(row: Row, keys: Sequence[tuple[str, ...]], mine: Sequence[Row]) -> bool:
    """Whether no row of A has the same value of a key, apart from the tenant."""
    return not any(all(row[name] == other[name] for name in key if name != TENANT_ID) for key in keys for other in mine)


def _definitions(table: Table) -> Iterator[Probe]:
    """Changing what a table is."""
    name, (schema, _, bare) = table.name, table.name.partition(".")
    second = quoted(table.columns[-1].name)
    texts = {
        "truncate": f"TRUNCATE {name} CASCADE",
        "disable": f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
        "no-force": f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY",
        "drop-policy": f"DROP POLICY tenant_isolation ON {name}",
        "alter-policy": f"ALTER POLICY tenant_isolation ON {name} USING (true)",
        "create-policy": f"CREATE POLICY more ON {name} USING (true)",
        "own": f"ALTER TABLE {name} OWNER TO {APP}",
        "drop": f"DROP TABLE {name} CASCADE",
        "index": f"CREATE INDEX ON {name} ({TENANT_ID})",
        "statistics": f"CREATE STATISTICS {schema}.proof_s_{bare} (mcv) ON {TENANT_ID}, {second} FROM {name}",
        "rule": f"CREATE RULE r AS ON INSERT TO {name} DO ALSO NOTHING",
        "inherit": f"CREATE TABLE {schema}.proof_child () INHERITS ({name})",
        "like": f"CREATE TABLE {schema}.proof_copied AS SELECT * FROM {name}",
        "view": f"CREATE VIEW {schema}.proof_{bare} AS SELECT * FROM {name}",
        "temporary-table": f"CREATE TEMP TABLE t_{bare} AS SELECT * FROM {name}",
        "temporary-view": f"CREATE TEMP VIEW v_{bare} AS SELECT * FROM {name}",
        "security-definer": f"CREATE FUNCTION {schema}.proof_every() RETURNS SETOF text LANGUAGE sql"
        f" SECURITY DEFINER AS $x$SELECT t::text FROM {name} t$x$",
        "trigger": f"CREATE TRIGGER g BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger()",
        "cluster": f"CLUSTER {name} USING {bare}_pkey",
        "reindex": f"REINDEX TABLE {name}",
        "comment": f"COMMENT ON TABLE {name} IS 'x'",
        "copy-to-file": f"COPY {name} TO '/dev/null'",
        "copy-to-program": f"COPY {name} TO PROGRAM 'true'",
    }
    # Not on every table can whoever may do it do it: partitions, types, names of indexes.
    # A grant of what is not one's own is a warning.
    asked = f"SELECT CASE WHEN has_table_privilege('public', '{name}', 'TRUNCATE') THEN '{LEAK}' END"
    yield Probe("grant", name, (f"GRANT ALL ON {name} TO PUBLIC", asked), "nothing", "shows", writes=True)
    blunt = {"statistics", "cluster", "reindex", "inherit", "copy-to-file", "copy-to-program"}
    for title, text in texts.items():
        yield _refused(title, name, text, control="none" if title in blunt else "passes")


def _without_context(table: Table, pair: Pair) -> Iterator[Probe]:
    """No tenant: an error, never an empty answer."""
    name, row = table.name, pair.b.rows[table.name][0]
    columns = ", ".join(map(quoted, row))
    texts = {
        "nobody-select": f"SELECT t::text FROM {name} t",
        "nobody-count": f"SELECT count(*) FROM {name}",
        "nobody-copy": f"COPY (SELECT * FROM {name}) TO STDOUT",
        "nobody-update": f"UPDATE {name} SET {TENANT_ID} = {TENANT_ID}",
        "nobody-delete": f"DELETE FROM {name}",
        "nobody-insert": f"INSERT INTO {name} ({columns}) VALUES ({_values(table, row)})",
        "nobody-merge": f"MERGE INTO {name} t USING (VALUES ('{pair.b.tenant.id}')) v (n) ON t.{TENANT_ID} = v.n"
        " WHEN MATCHED THEN DELETE",
    }
    for title, text in texts.items():
        yield _refused(title, name, text, control="none", echo="all", inside=False)


def _nothing(  # each says one thing about a probe
    name: str,
    target: str,
    text: str,
    *,
    control: Control,
    echo: Echo = "",
    states: frozenset[str] = frozenset(),
    never: frozenset[str] = frozenset(),
    writes: bool = False,
) -> Probe:
    return Probe(name, target, (text,), "nothing", control, echo, states=states, never=never, writes=writes)


def _refused(  # as above
    name: str,
    target: str,
    text: str,
    *,
    control: Control = "passes",
    echo: Echo = "",
    inside: bool = True,
    states: frozenset[str] = frozenset(),
) -> Probe:
    return Probe(name, target, (text,), "refused", control, echo, inside, states, writes=True)


def _equal(table: Table, name: str, row: Row) -> str:
    kind = next(column.type for column in table.columns if column.name == name)
    return f"{quoted(name)} = {literal(row[name], kind)}"


def _values(table: Table, row: Mapping[str, str | None]) -> str:
    kinds = {column.name: column.type for column in table.columns}
    return ", ".join(literal(value, kinds[name]) for name, value in row.items())
