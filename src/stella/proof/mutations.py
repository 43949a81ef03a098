"""Mutations: the protection is broken one line at a time, and each time the gate or the matrix must notice.

Rules:
- Each is made by a superuser in a transaction of its own that is rolled back, gate and probes within it.
- One that nobody notices survives, and a survivor fails the proof: what would not be noticed is not proved. The gate
  notices by the finding that is about it, and a probe by getting through: any other trouble is no notice.
- One that PostgreSQL itself refuses is told by name; it is no survivor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stella.proof.matrix import leaks_within
from stella.proof.probes import Pair, Probe, data_of
from stella.proof.rows import quoted
from stella.proof.schema import TENANT_ID, Schema, Table
from stella.runtime.ports import Progress
from stella.runtime.roles import APP, JOBS, OWNER
from stella.runtime.throwaway import Line, Throwaway
from stella.runtime.transaction import Seal
from stella.tenancy import gate

TID = f"{TENANT_ID} = (SELECT tenancy.tid())"
SERVER = "the server"


class Mutation(NamedTuple):
    """One line that is wrong: its name, what it is done to, the finding that notices it, the statements that do it."""

    name: str
    object: str
    kind: str
    sql: str


class Noticed(NamedTuple):
    """Who noticed a mutation: the gate by the finding that is about it, probes of the matrix that got through."""

    name: str
    object: str
    gate: bool
    leaks: int


class Mutated(NamedTuple):
    """What came of the mutations: how many were made, how many the gate and the matrix noticed, which nobody did."""

    made: int
    by_gate: int
    by_matrix: int
    survivors: tuple[str, ...]
    barred: tuple[str, ...]
    noticed: tuple[Noticed, ...]


def run(server: Throwaway, database: str, seal: Seal, schema: Schema, pair: Pair, progress: Progress) -> Mutated:
    """Make every mutation; the database has the rows of both tenants."""
    wanted = all_of(schema, database)
    probes = {table.name: list(data_of(table, pair, schema.by_oid())) for table in schema.tables}
    progress.start("mutations", len(wanted), "mutations")
    noticed: list[Noticed] = []
    barred: list[str] = []
    with server.line(database) as line:
        line.ask("SET lock_timeout = '5s'")
        for mutation in wanted:
            found = _try(line, seal, pair, mutation, probes.get(mutation.object, ()))
            if found:
                noticed.append(found)
            else:
                barred.append(f"{mutation.name} on {mutation.object}")
            progress.advance(1)
    return Mutated(
        len(noticed),
        sum(one.gate for one in noticed),
        sum(bool(one.leaks) for one in noticed),
        tuple(f"{one.name} on {one.object}" for one in noticed if not one.gate and not one.leaks),
        tuple(barred),
        tuple(noticed),
    )


def _try(line: Line, seal: Seal, pair: Pair, mutation: Mutation, probes: Sequence[Probe]) -> Noticed | None:
    line.ask("BEGIN")
    try:
        if line.ask(mutation.sql).state:
            return None
        kinds = {finding.kind for finding in gate.findings(line.connection)}
        leaks = leaks_within(line, seal, pair, probes)
        return Noticed(mutation.name, mutation.object, mutation.kind in kinds, len(leaks))
    finally:
        line.ask_all("ROLLBACK; DEALLOCATE ALL")


def all_of(schema: Schema, database: str) -> list[Mutation]:
    """Every mutation of a schema."""
    found: list[Mutation] = []
    for table in (*schema.tables, *schema.partitions):
        found += _of_policies(table)
        found += _of_rights(table)
        found += _of_duty(table, schema)
        if table.parent is None:
            found += _of_shape(table)
    for table in schema.partitions:
        found.append(
            Mutation("grant-partition", table.name, "partition_granted", f"GRANT SELECT ON {table.name} TO {APP}")
        )
        text = f"GRANT SELECT ({TENANT_ID}) ON {table.name} TO {APP}"
        found.append(Mutation("grant-column-of-partition", table.name, "partition_granted", text))
    ours = {table.name for table in schema.tables}
    for role, target, _ in schema.duties:
        if target in ours:  # elsewhere it opens nothing: the application has no grant
            text = f"ALTER POLICY duty_{role} ON {target} TO {APP}"
            found.append(Mutation("duty-for-the-application", target, "unlisted_policy", text))
        found.append(
            Mutation("duty-not-listed", target, "unlisted_policy", f"DELETE FROM tenancy.duties WHERE role = '{role}'")
        )
    for name in schema.named("r"):
        found.append(Mutation("open-table", name, "open_table", f"GRANT SELECT ON {name} TO {APP}"))
        found.append(Mutation("open-table-to-all", name, "open_table", f"GRANT INSERT ON {name} TO PUBLIC"))
    for name in schema.named("v"):
        found.append(
            Mutation("view-of-the-owner", name, "view_not_invoker", f"ALTER VIEW {name} RESET (security_invoker)")
        )
        found.append(
            Mutation("view-without-barrier", name, "view_not_invoker", f"ALTER VIEW {name} RESET (security_barrier)")
        )
    for name in schema.named("S"):
        found.append(Mutation("grant-sequence", name, "open_table", f"GRANT USAGE ON SEQUENCE {name} TO {APP}"))
    return [*found, *_of_server(schema, database)]


def _of_policies(table: Table) -> Iterator[Mutation]:
    name = table.name
    alter, drop = f"ALTER POLICY tenant_isolation ON {name}", f"DROP POLICY tenant_isolation ON {name}"
    to = f"TO {APP}, {OWNER}"
    create = f"{drop}; CREATE POLICY tenant_isolation ON {name}"
    setting = f"{TENANT_ID} = current_setting('app.tenant_id', true)"
    volatile = (
        f"CREATE FUNCTION {_schema(table)}.proof_moving() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT tenancy.tid()';"
        f" GRANT EXECUTE ON FUNCTION {_schema(table)}.proof_moving() TO PUBLIC;"
    )
    texts = {
        "drop-policy": ("no_policy", drop),
        "disable": ("no_row_security", f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        "no-force": ("not_forced", f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"),
        "using-true": ("policy_always_true", f"{alter} USING (true)"),
        "check-true": ("policy_always_true", f"{alter} WITH CHECK (true)"),
        "check-dropped": ("policy_without_check", f"{create} {to} USING ({TID})"),
        "select-alone": ("policy_partial", f"{create} FOR SELECT {to} USING ({TID})"),
        "restrictive": ("policy_partial", f"{create} AS RESTRICTIVE {to} USING ({TID}) WITH CHECK ({TID})"),
        "policy-of-others": ("policy_partial", f"{alter} TO {OWNER}"),
        "unsealed": ("policy_differs", f"{alter} USING ({setting}) WITH CHECK ({setting})"),
        "or-more": ("policy_differs", f"{alter} USING ({TID} OR {TENANT_ID} = 'proof-b')"),
        "volatile-policy": (
            "policy_volatile",
            f"{volatile} {alter} USING ({TENANT_ID} = {_schema(table)}.proof_moving())",
        ),
        "one-more-policy": ("unlisted_policy", f"CREATE POLICY more ON {name} USING (true)"),
        "renamed-policy": ("no_policy", f"{alter} RENAME TO other"),
    }
    return (Mutation(title, name, *found) for title, found in texts.items())


def _of_rights(table: Table) -> Iterator[Mutation]:
    name = table.name
    texts = {
        "grant-truncate": ("wide_grant", f"GRANT TRUNCATE ON {name} TO {APP}"),
        "grant-references": ("wide_grant", f"GRANT REFERENCES ON {name} TO {APP}"),
        "grant-trigger": ("wide_grant", f"GRANT TRIGGER ON {name} TO {APP}"),
        "grant-maintain": ("wide_grant", f"GRANT MAINTAIN ON {name} TO {APP}"),
        "grant-public": ("duty_exceeded", f"GRANT SELECT ON {name} TO PUBLIC"),
        "give-away": ("login_owns", f"ALTER TABLE {name} OWNER TO {APP}"),
    }
    return (Mutation(title, name, *found) for title, found in texts.items())


def _of_duty(table: Table, schema: Schema) -> Iterator[Mutation]:
    """One privilege more than a duty has, on the whole table and on one column."""
    listed = [said for role, target, said in schema.duties if (role, target) == (JOBS, table.name)]
    more = [word for word in ("select", "update", "insert", "delete") if word not in " ".join(listed)]
    if more:
        yield Mutation("widen-duty", table.name, "duty_exceeded", f"GRANT {more[0]} ON {table.name} TO {JOBS}")
    if more and more[0] != "delete":  # it has no columns
        text = f"GRANT {more[0]} ({TENANT_ID}) ON {table.name} TO {JOBS}"
        yield Mutation("widen-duty-by-column", table.name, "duty_exceeded", text)


def _of_shape(table: Table) -> Iterator[Mutation]:
    name, schema = table.name, _schema(table)
    column = quoted(next(column.name for column in reversed(table.columns)))
    texts = {
        "unprotect": ("unprotected_table", f"DELETE FROM tenancy.protected WHERE target = '{name}'::regclass"),
        "key-without-tenant": ("key_without_tenant", f"CREATE UNIQUE INDEX ON {name} ({column}) WHERE false"),
        "tenant-not-first": (
            "key_without_tenant",
            f"CREATE UNIQUE INDEX ON {name} ({column}, {TENANT_ID}) WHERE false",
        ),
        "other-column": ("open_table", f"ALTER TABLE {name} RENAME COLUMN {TENANT_ID} TO owner_id"),
        "child-table": ("no_row_security", f"CREATE TABLE {schema}.proof_child () INHERITS ({name})"),
        "copied-table": ("unprotected_table", f"CREATE TABLE {schema}.proof_copied AS SELECT * FROM {name}"),
        "open-view": (
            "view_not_invoker",
            f"CREATE VIEW {schema}.proof_seen AS SELECT * FROM {name}; GRANT SELECT ON {schema}.proof_seen TO {APP}",
        ),
        "materialised-view": (
            "materialised_view",
            f"CREATE MATERIALIZED VIEW {schema}.proof_kept AS SELECT * FROM {name}",
        ),
        "definer": (
            "security_definer",
            f"CREATE FUNCTION {schema}.proof_n() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1 FROM {name}'",
        ),
        "counter": ("shared_counter", f"ALTER TABLE {name} ADD COLUMN proof_n integer GENERATED ALWAYS AS IDENTITY"),
        "duty-of-the-application": ("unlisted_policy", f"SELECT tenancy.duty('{APP}', '{name}', 'select')"),
        "rule": (
            "rewrite_rule",
            f"CREATE RULE told AS ON DELETE TO {name} DO INSTEAD SELECT ipad FROM tenancy.seal_key",
        ),
    }
    return (Mutation(title, name, *found) for title, found in texts.items())


def _of_server(schema: Schema, database: str) -> Iterator[Mutation]:
    first = _schema(schema.tables[0])
    tid = "CREATE OR REPLACE FUNCTION tenancy.tid() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER"
    pair = f"CREATE TABLE {first}.proof_parent (tenant_id text NOT NULL, id int NOT NULL, PRIMARY KEY (tenant_id, id));"
    pair += f" CREATE TABLE {first}.proof_child (tenant_id text NOT NULL, other text, id int);"
    pair += f" SELECT tenancy.protect('{first}.proof_parent'); SELECT tenancy.protect('{first}.proof_child');"
    functions = {
        "set_config": "set_config(text, text, boolean)",
        "lo_create": "lo_create(oid)",
        "read": "pg_read_file(text)",
    }
    texts = {
        "tid-volatile": ("guard_differs", "ALTER FUNCTION tenancy.tid() VOLATILE"),
        "tid-unsealed": ("security_definer", f"{tid} AS $$SELECT current_setting('app.tenant_id', true)$$"),
        "tid-of-the-caller": (
            "guard_differs",
            f"{tid.replace('DEFINER', 'INVOKER')} AS $$SELECT current_setting('app.tenant_id', true)$$",
        ),
        "tid-of-any-path": ("security_definer", "ALTER FUNCTION tenancy.tid() RESET search_path"),
        "tid-of-the-application": ("login_owns", f"ALTER FUNCTION tenancy.tid() OWNER TO {APP}"),
        "key-readable": ("open_table", f"GRANT SELECT ON tenancy.seal_key TO {APP}"),
        "key-readable-by-column": ("open_table", f"GRANT SELECT (ipad, opad) ON tenancy.seal_key TO {APP}"),
        "key-for-all": ("open_table", "GRANT SELECT ON tenancy.seal_key TO PUBLIC"),
        "duties-writable": ("open_table", f"GRANT INSERT ON tenancy.duties TO {APP}"),
        "foreign-key": (
            "foreign_key_without_tenant",
            f"{pair} ALTER TABLE {first}.proof_child ADD FOREIGN KEY (other, id) REFERENCES {first}.proof_parent",
        ),
        "exclusion": (
            "exclusion_without_tenant",
            f"{pair} ALTER TABLE {first}.proof_parent ADD EXCLUDE USING btree (id WITH =)",
        ),
        "bypassing": ("role_can_bypass", f"ALTER ROLE {APP} BYPASSRLS"),
        "superuser": ("role_can_bypass", f"ALTER ROLE {APP} SUPERUSER"),
        "replicating": ("role_can_bypass", f"ALTER ROLE {APP} REPLICATION"),
        "role-maker": ("role_can_bypass", f"ALTER ROLE {APP} CREATEROLE"),
        "database-maker": ("role_can_bypass", f"ALTER ROLE {APP} CREATEDB"),
        "bypassing-duty": ("role_can_bypass", f"ALTER ROLE {JOBS} BYPASSRLS"),
        "member-of-owner": ("role_can_bypass", f"GRANT {OWNER} TO {APP}"),
        "member-of-duty": ("role_can_bypass", f"GRANT {JOBS} TO {APP}"),
        "member-of-all-data": ("role_can_bypass", f"GRANT pg_read_all_data TO {APP}"),
        "may-create": ("login_creates", f"GRANT CREATE ON SCHEMA {first} TO {APP}"),
        "public-may-create": ("login_creates", "GRANT CREATE ON SCHEMA public TO PUBLIC"),
        "schema-given-away": ("login_owns", f"ALTER SCHEMA {first} OWNER TO {APP}"),
        "temporary-for-all": ("open_database", f"GRANT TEMPORARY ON DATABASE {quoted(database)} TO PUBLIC"),
        "temporary": ("login_creates", f"GRANT TEMPORARY ON DATABASE {quoted(database)} TO {APP}"),
        "next-tables-open": (
            "default_privileges",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT ON TABLES TO {APP}",
        ),
        "activity-shown": ("activity_shown", f"ALTER ROLE {APP} RESET track_activities"),
        "activity-in-the-database": (
            "activity_shown",
            f"ALTER ROLE {APP} IN DATABASE {quoted(database)} SET track_activities = on",
        ),
        "parameter": ("open_parameter", f"GRANT SET ON PARAMETER session_replication_role TO {APP}"),
        "leakproof": (
            "leakproof_function",
            f"CREATE FUNCTION {first}.proof_told(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
        ),
        "statistics-for-all": ("open_statistics", "GRANT SELECT ON pg_catalog.pg_stats TO PUBLIC"),
        "statistics": ("open_statistics", f"GRANT SELECT ON pg_catalog.pg_statistic TO {APP}"),
        "passwords": ("open_statistics", f"GRANT SELECT ON pg_catalog.pg_authid TO {APP}"),
        **{
            f"function-{title}": ("open_function", f"GRANT EXECUTE ON FUNCTION pg_catalog.{name} TO {APP}")
            for title, name in functions.items()
        },
    }
    return (Mutation(title, SERVER, *found) for title, found in texts.items())


def _schema(table: Table) -> str:
    return table.name.partition(".")[0]
