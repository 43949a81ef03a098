"""SQL that says the same in other words, or hands over the right to say it."""

# ruff: noqa: E501  # a statement is read best in one line

from __future__ import annotations

import pytest

from tests.unit.lint.test_statements import FUNCTION, rules

TABLE = "CREATE TABLE app.o (tenant_id text NOT NULL, id bigint NOT NULL, name text, PRIMARY KEY (tenant_id, id)); SELECT tenancy.protect('app.o');"
POLICY = "CREATE POLICY p ON app.o USING ({}) WITH CHECK (tenant_id = (SELECT tenancy.tid()))"

FOUND = {
    "STS001": ['SET "ROLE" = x'],
    "STS003": [
        FUNCTION.format("plpgsql", "DECLARE x text[]; BEGIN x[length(set_config('a','b',true))] := 'a'; RETURN 1; END"),
        "CREATE AGGREGATE leak (text) (sfunc = set_config, stype = text)",
        "CREATE OPERATOR === (leftarg = text, rightarg = text, function = pg_catalog.set_config)",
        "CREATE CAST (text AS app.x) WITH FUNCTION pg_catalog.set_config(text, text, boolean)",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'row_security'",
    ],
    "STS004": ['SET "ROW_SECURITY" = off', "SET Row_Security = off"],
    "STS007": [
        POLICY.format(text)
        for text in (
            "NOT false",
            "'true'",
            "(SELECT true)",
            "coalesce(true, false)",
            "CASE WHEN true THEN true END",
            "true IS TRUE",
            "tenant_id IS NOT NULL",
            "tenant_id IS NOT NULL OR id = 1",
            "1 IN (1, 2)",
        )
    ],
    "STS015": [
        "SELECT lowrite(1, 'x')",
        "SELECT loread(1, 2)",
        "SELECT lo_open(1, 2)",
        "SELECT pg_file_write('a', 'b', true)",
        "SELECT pg_stat_file('x')",
        "SELECT * FROM pg_logical_slot_get_changes('a', NULL, NULL)",
        "SELECT cron.schedule('x', '* * * * *', 'DELETE FROM app.o')",
        "CREATE OPERATOR === (leftarg = text, rightarg = text, function = dblink_exec)",
    ],
    "STS016": [
        "ALTER TABLE app.o ADD EXCLUDE USING gist (name WITH =, tenant_id WITH <>)",
    ],
    "STS017": [
        "ALTER TABLE app.o ADD FOREIGN KEY (tenant_id, id) REFERENCES app.o (id, tenant_id)",
        "ALTER TABLE app.o ADD FOREIGN KEY (tenant_id, id) REFERENCES app.o (name, id)",
    ],
    "STS018": [
        "CREATE TABLE x () INHERITS (app.o)",
        "CREATE TABLE x PARTITION OF app.o DEFAULT",
        "CREATE TYPE app.kind AS (tenant_id text, id bigint); CREATE TABLE x OF app.kind",
        "CREATE TABLE q (t text PRIMARY KEY); ALTER TABLE q RENAME COLUMN t TO tenant_id",
        "ALTER TABLE app.o RENAME COLUMN tenant_id TO t",
        "ALTER TABLE app.o DROP COLUMN tenant_id CASCADE",
        "CREATE TABLE a.x (tenant_id text); SELECT tenancy.protect('b.x')",
        "CREATE TABLE a.x (tenant_id text); SELECT tenancy.protect('a.x') WHERE false",
        "CREATE TABLE a.x (tenant_id text); SELECT CASE WHEN false THEN tenancy.protect('a.x') END",
        "CREATE TABLE a.x (tenant_id text); CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT tenancy.protect('a.x'); END",
        "SELECT tenancy.protect('a.x'); DROP TABLE a.x; CREATE TABLE a.x (tenant_id text)",
    ],
    "STS019": ["SELECT * INTO x FROM app.o"],
    "STS025": [
        "ALTER TABLE app.o OWNER TO stella_app",
        "ALTER VIEW app.v OWNER TO stella_app",
        "ALTER FUNCTION app.f() OWNER TO stella_super",
        "ALTER SCHEMA app OWNER TO stella_app",
        "REASSIGN OWNED BY stella_owner TO stella_app",
        "GRANT stella_owner TO stella_app",
        "CREATE ROLE reporter IN ROLE stella_owner",
        "CREATE ROLE owners ROLE stella_app",
        "CREATE ROLE owners ADMIN stella_app",
        "ALTER GROUP stella_owner ADD USER stella_app",
        "CREATE SCHEMA s AUTHORIZATION stella_app",
        FUNCTION.format("plpgsql", "BEGIN ALTER TABLE app.o OWNER TO stella_app; RETURN 1; END"),
    ],
    "STS026": [
        "CREATE RULE r AS ON INSERT TO app.o DO ALSO INSERT INTO app.copies SELECT new.*",
        "UPDATE pg_class SET relrowsecurity = false",
        "DELETE FROM pg_catalog.pg_policy",
        "UPDATE pg_authid SET rolbypassrls = true",
        "SET session_replication_role = replica",
        "ALTER TABLE app.o DISABLE TRIGGER ALL",
    ],
}
QUIET = [
    POLICY.format("tenant_id = (SELECT tenancy.tid())"),
    POLICY.format("false"),
    POLICY.format("'false'"),
    POLICY.format("tenant_id = (SELECT tenancy.tid()) AND name IS NOT NULL"),
    POLICY.format("CURRENT_USER = 'stella_audit'"),
    "CREATE TABLE x PARTITION OF app.o DEFAULT; SELECT tenancy.protect('app.o')",
    "CREATE TABLE a.x (tenant_id text); SELECT tenancy.protect('a.x'::regclass)",
    "CREATE TABLE a.x (tenant_id text); SELECT tenancy.protect('a.x'), 1",
    "ALTER TABLE app.o ADD FOREIGN KEY (tenant_id, id) REFERENCES app.o (tenant_id, id)",
    "ALTER TABLE app.o ADD FOREIGN KEY (tenant_id) REFERENCES app.tenants (name)",
    "ALTER TABLE app.o ADD EXCLUDE USING gist (name WITH =, tenant_id WITH =)",
    "ALTER TABLE app.o RENAME COLUMN name TO title",
    "GRANT SELECT ON app.o TO stella_app",
    "REVOKE stella_owner FROM stella_app",
    "CREATE ROLE reporter NOLOGIN",
    "ALTER GROUP stella_owner DROP USER stella_app",
    "CREATE SCHEMA s",
    "SELECT * FROM pg_class",
    "SELECT app.schedule('x')",
    "SELECT 1 AS a",
    "CREATE AGGREGATE app.total (bigint) (sfunc = int8pl, stype = bigint)",
    "ALTER TABLE app.o ENABLE TRIGGER ALL",
]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FOUND.items() for text in texts])
def test_found(rule: str, text: str) -> None:
    assert rule in rules(text, tables=TABLE)


@pytest.mark.parametrize("text", QUIET)
def test_quiet(text: str) -> None:
    assert rules(text, tables=TABLE) == set()


def test_what_an_assignment_names_is_read_once_however_long_it_is() -> None:
    places = ", ".join(f"f(a := {n})" for n in range(2000))
    body = "DECLARE x text[]; BEGIN x[g({})] := {}; RETURN 1; END"
    assert rules(FUNCTION.format("plpgsql", body.format(places, "'a'"))) == set()
    assert rules(FUNCTION.format("plpgsql", body.format(places, "set_config('a', 'b', true)"))) == {"STS003"}
    assert rules(FUNCTION.format("plpgsql", body.format("set_config('a', 'b', true)", "'a'"))) == {"STS003"}


def test_a_table_of_an_earlier_file_that_becomes_a_tenant_table() -> None:
    made = "CREATE TABLE app.q (t text PRIMARY KEY)"
    assert rules("ALTER TABLE app.q RENAME COLUMN t TO tenant_id", tables=made) == {"STS018"}
    assert rules("ALTER TABLE app.q ADD COLUMN tenant_id text", tables=made) == {"STS018"}
    protected = "SELECT tenancy.protect('app.q')"
    assert rules(f"ALTER TABLE app.q RENAME COLUMN t TO tenant_id; {protected}", tables=made) == set()
    assert rules(f"{protected}; ALTER TABLE app.q RENAME COLUMN t TO tenant_id", tables=made) == {"STS018"}


def test_what_a_table_that_was_copied_holds() -> None:
    made = f"{TABLE} CREATE TABLE app.copied AS SELECT * FROM app.o"
    assert rules("CREATE MATERIALIZED VIEW app.shown AS SELECT * FROM app.copied", tables=made) == {"STS019"}
