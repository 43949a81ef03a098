"""The probes of the bypass matrix that are about the server: contexts, roles, settings, files, statistics, functions.

Rules:
- As those of `probes`; the contexts of B are real ones, of another transaction or of another backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stella.proof.probes import Expect, Probe
from stella.proof.rows import Tenant
from stella.proof.schema import Schema
from stella.runtime.roles import LOGINS, OWNER

SERVER = "the server"


def of_server(schema: Schema, a: Tenant, b: Tenant, contexts: Mapping[str, str]) -> list[Probe]:
    """Every probe that is about no single object; `contexts` are those that were seen elsewhere, by where that was."""
    tables = [table.name for table in schema.tables if "SELECT" in table.may]
    return [
        *_contexts(tables, a, b, contexts),
        *_roles(),
        *_settings(tables[0] if tables else "pg_class"),
        *_catalogue(),
        *_files(),
        *_large_objects(),
        *(
            _one(f"function {name}", f"SELECT {_called(name)}", control="none")
            for name, may in schema.functions
            if not may
        ),
    ]


def _contexts(tables: list[str], a: Tenant, b: Tenant, contexts: Mapping[str, str]) -> Iterator[Probe]:
    """A context that was not made for this transaction opens no table."""
    zeros = "0" * 64
    forged = {
        "empty": "",
        "blank": " ",
        "bare": b.id,
        "unsigned": f".{b.id}",
        "zeros": f"{zeros}.{b.id}",
        "zeros-a": f"{zeros}.{a.id}",
        "no-dot": f"{zeros}{b.id}",
        "no-tenant": f"{zeros}.",
        "wide": f"{zeros}.%",
        "long": "0" * 5000,
        "upper": f"{'F' * 64}.{b.id}",
        **contexts,
        **{f"{where}-as-other": context.partition(".")[0] + f".{b.id}" for where, context in contexts.items()},
    }
    for title, context in forged.items():
        quoted = context.replace("'", "''")
        for table in tables:
            steps = (f"SET LOCAL app.ctx = '{quoted}'", f"SELECT t::text FROM {table} t")
            yield Probe(f"context-{title}", table, steps, "refused", "none")
    for table in tables:
        steps = (f"SET LOCAL app.tenant_id = '{b.id}'", f"SELECT t::text FROM {table} t")
        yield Probe("context-name-alone", table, steps, "nothing", "shows")
        steps = ("RESET app.ctx", f"SELECT t::text FROM {table} t")
        yield Probe("context-reset", table, steps, "refused", "none")
        again = ("SAVEPOINT q", "SET LOCAL app.ctx = ''", "ROLLBACK TO q", f"SELECT t::text FROM {table} t")
        yield Probe("context-restored", table, again, "nothing", "shows")
    seal = "set_config('app.ctx', 'x', true)"
    yield _one("set-config", f"SELECT {seal}")
    yield _one("set-config-in-filter", f"SELECT 1 WHERE {seal} IS NOT NULL")
    yield _one("set-config-in-block", f"DO $x$ BEGIN PERFORM {seal}; END $x$")
    yield _one(
        "set-config-by-text", f"SELECT query_to_xml('SELECT {seal.replace(chr(39), chr(39) * 2)}', true, true, '')"
    )
    yield Probe(
        "set-by-text", SERVER, ("SELECT query_to_xml('SET LOCAL app.ctx = ''x''', true, true, '')",), "refused", "none",
        states=frozenset({"XX000", "42601", "0A000", "22004", "55000"}),
    )  # fmt: skip
    yield _one("set-by-view", "UPDATE pg_settings SET setting = 'x' WHERE name = 'app.ctx'")
    yield _one("seal-key", "SELECT ipad, opad FROM tenancy.seal_key")
    yield _one("seal-key-write", "UPDATE tenancy.seal_key SET ipad = ipad")
    yield _one("seal-key-copy", "COPY tenancy.seal_key TO STDOUT")


def _roles() -> Iterator[Probe]:
    """No other role is in reach."""
    for role in (*LOGINS, "stella_super", "pg_read_all_data", "pg_monitor"):
        if role != "stella_app":
            yield _one(f"set-role {role}", f"SET LOCAL ROLE {role}")
            yield _one(f"session-authorization {role}", f"SET LOCAL SESSION AUTHORIZATION {role}")
            yield _one(f"grant-role {role}", f"GRANT {role} TO stella_app", control="none")
    yield Probe("no-role", SERVER, ("RESET ROLE", "SELECT ipad FROM tenancy.seal_key"), "refused", "none")
    yield _one("bypass", "ALTER ROLE stella_app BYPASSRLS")
    yield _one("superuser", "ALTER ROLE stella_app SUPERUSER")
    yield _one("create-role", "CREATE ROLE intruder LOGIN")
    yield _one("drop-role", f"DROP OWNED BY {OWNER}", control="none")
    yield _one("default-privileges", f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT ALL ON TABLES TO PUBLIC")


def _settings(table: str) -> Iterator[Probe]:
    """What would switch the guard off, or remember something for the next transaction."""
    yield _one("replication-role", "SET LOCAL session_replication_role = replica")
    yield _one("show-activity", "SET LOCAL track_activities = on")
    yield _one("alter-system", "ALTER SYSTEM SET row_security = off", control="none", states=("25001",))
    yield _one("alter-database", "ALTER DATABASE postgres SET row_security = off")
    yield _one("create-schema", "CREATE SCHEMA proof_mine")
    yield _one("create-in-public", "CREATE TABLE public.proof_kept (x text)")
    yield _one("create-extension", "CREATE EXTENSION amcheck SCHEMA pg_catalog", control="none")
    yield _one("create-language", "CREATE LANGUAGE c", control="none")
    yield _one("temporary-function", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    yield _one("temporary-sequence", "CREATE TEMP SEQUENCE s")
    yield _one("event-trigger", "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION x()", control="none")
    yield _one("publication", f"CREATE PUBLICATION p FOR TABLE {table}", control="none")
    yield _one(
        "subscription", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)", control="none"
    )
    yield _one("foreign-wrapper", "CREATE FOREIGN DATA WRAPPER w")
    yield _one("operator", "CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)")
    yield _one("cast", "CREATE CAST (text AS integer) WITH INOUT", control="none")
    yield _one("snapshot-of-logs", "SELECT pg_create_logical_replication_slot('s', 'test_decoding')", control="none")


def _catalogue() -> Iterator[Probe]:
    """Statistics hold values of every tenant; activity holds what others send."""
    for name in (
        "pg_statistic",
        "pg_statistic_ext_data",
        "pg_authid",
        "pg_largeobject",
        "pg_user_mapping",
        "pg_subscription",
    ):
        yield _one(name, f"SELECT x::text FROM {name} x")
    for name in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        yield _one(name, f"SELECT x::text FROM {name} x")
    shows = {
        "activity": "SELECT x::text FROM pg_stat_activity x",
        "activity-function": "SELECT x::text FROM pg_stat_get_activity(NULL) x",
        "activity-of-each": "SELECT pg_stat_get_backend_activity(i) FROM generate_series(1, 50) i",
        "policies": "SELECT x::text FROM pg_policies x",
        "descriptions": "SELECT x::text FROM pg_description x",
        "settings": "SELECT x::text FROM pg_settings x",
        "constraints": "SELECT pg_get_constraintdef(oid) FROM pg_constraint",
        "partitions": "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relpartbound IS NOT NULL",
    }
    for title, text in shows.items():
        yield Probe(title, SERVER, (text,), "nothing", "none")


def _files() -> Iterator[Probe]:
    """The files of the server hold every tenant's rows."""
    texts = {
        "read-file": "SELECT pg_read_file('PG_VERSION')",
        "read-binary-file": "SELECT pg_read_binary_file('PG_VERSION')",
        "list-files": "SELECT pg_ls_dir('.')",
        "list-log": "SELECT pg_ls_waldir()",
        "stat-file": "SELECT pg_stat_file('PG_VERSION')",
        "copy-from-file": "COPY pg_class FROM '/etc/hostname'",
        "copy-from-program": "COPY pg_class FROM PROGRAM 'true'",
        "current-log": "SELECT pg_current_logfile()",
        "load": "LOAD 'amcheck'",
        "switch-log": "SELECT pg_switch_wal()",
        "checkpoint": "CHECKPOINT",
    }
    for title, text in texts.items():
        yield _one(title, text, control="none")


def _large_objects() -> Iterator[Probe]:
    """Large objects belong to a role, so one tenant's would be every other's."""
    texts = {
        "lo-create": "SELECT lo_create(4711)",
        "lo-creat": "SELECT lo_creat(-1)",
        "lo-from-bytea": "SELECT lo_from_bytea(0, 'x')",
        "lo-get": "SELECT lo_get(4711)",
        "lo-put": "SELECT lo_put(4711, 0, 'x')",
        "lo-open": "SELECT lo_open(4711, 262144)",
        "lo-unlink": "SELECT lo_unlink(4711)",
        "lo-import": "SELECT lo_import('/etc/hostname')",
        "lo-export": "SELECT lo_export(4711, '/dev/null')",
        "lo-read": "SELECT loread(0, 1)",
        "lo-write": "SELECT lowrite(0, 'x')",
    }
    for title, text in texts.items():
        yield _one(title, text, control="none")


def _called(signature: str) -> str:
    """A call of a function with NULL for each argument."""
    name, _, rest = signature.partition("(")
    kinds = [kind for kind in rest.removesuffix(")").split(",") if kind]
    return f"{name}({', '.join(f'NULL::{kind}' for kind in kinds)})"


def _one(name: str, text: str, control: str = "passes", states: tuple[str, ...] = ()) -> Probe:
    expect: Expect = "refused"
    kept = "passes" if control == "passes" else "none"
    return Probe(name, SERVER, (text,), expect, kept, states=frozenset(states), writes=True)  # type: ignore[arg-type]
