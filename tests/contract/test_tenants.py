"""The guard between tenants on a real PostgreSQL: what the database itself refuses, and what the gate finds."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stella.kernel.errors import BadTenant
from stella.runtime import roles, transaction
from stella.runtime.connections import Connections
from stella.runtime.errors import BadSealKey, OutsideTenant, StatementRefused
from stella.runtime.postgres import Login
from stella.runtime.statements import Statement
from stella.runtime.transaction import Seal, TenantDatabase
from stella.tenancy import gate
from stella.tenancy.errors import GateFailed
from tests.database import postgres
from tests.tenants import SEAL, Guarded, forged, guarded

__all__ = ["guarded", "postgres"]  # fixtures
pytestmark = [pytest.mark.network]

TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.things (tenant_id text NOT NULL, id integer NOT NULL, word text, PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('shop.things');
CREATE TABLE shop.parts (
    tenant_id text NOT NULL, id integer NOT NULL, thing integer NOT NULL,
    PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, thing) REFERENCES shop.things ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
CREATE TABLE shop.parts_0 PARTITION OF shop.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT tenancy.protect('shop.parts');
SELECT tenancy.duty('stella_jobs', 'shop.things', 'select, update');
"""
STATEMENTS = {
    "put": "INSERT INTO shop.things VALUES (%(tenant)s, %(id)s, %(word)s)",
    "put_other": "INSERT INTO shop.things VALUES (%(other)s, %(id)s, %(tenant)s)",
    "move": "UPDATE shop.things SET tenant_id = %(other)s WHERE tenant_id = %(tenant)s",
    "read": "SELECT id, word FROM shop.things WHERE tenant_id = %(tenant)s ORDER BY id",
    "read_all": "SELECT id, word, %(tenant)s FROM shop.things ORDER BY id",
    "widen": "SELECT set_config('app.ctx', %(tenant)s, true)",
    "stack": "SELECT 1 WHERE %(tenant)s = ''; DROP TABLE shop.things",
}


@pytest.fixture
def shop(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    """Two tenants with one thing each."""
    with guarded.connect(roles.OWNER) as connection:
        connection.execute(TABLES)
    known = {name: Statement(name, "", text) for name, text in STATEMENTS.items()}
    real = transaction.statements
    monkeypatch.setattr(transaction, "statements", lambda package: known if package == "shop" else real(package))
    for tenant in ("acme", "acme-2"):
        with guarded.tenants.transaction(tenant) as opened:
            assert opened.run("shop", "put", id=1, word=tenant) == 1
    return guarded


def test_each_sees_its_own(shop: Guarded) -> None:
    for tenant in ("acme", "acme-2", "nobody"):
        with shop.tenants.transaction(tenant) as opened:
            mine = [(1, tenant)] if tenant != "nobody" else []
            assert opened.all("shop", "read") == mine
            assert [row[:2] for row in opened.all("shop", "read_all")] == mine
    assert shop.refusals == []


@pytest.mark.parametrize("name", ["put_other", "move", "widen"])
def test_what_reaches_for_others_is_refused_and_told(shop: Guarded, name: str) -> None:
    with pytest.raises(OutsideTenant), shop.tenants.transaction("acme") as opened:
        opened.all("shop", name, id=2, other="acme-2")
    assert [(refusal.tenant, refusal.statement) for refusal in shop.refusals] == [("acme", f"shop/{name}")]
    with shop.tenants.transaction("acme-2") as opened:
        assert opened.all("shop", "read") == [(1, "acme-2")]


def test_stacked_statements_do_not_run(shop: Guarded) -> None:
    with pytest.raises(Exception, match="multiple commands"), shop.tenants.transaction("acme") as opened:
        opened.all("shop", "stack")
    with shop.tenants.transaction("acme") as opened:
        assert len(opened.all("shop", "read")) == 1


def test_what_raises_is_rolled_back(shop: Guarded) -> None:
    def put_two() -> None:
        with shop.tenants.transaction("acme") as opened:
            opened.run("shop", "put", id=2, word="gone")
            opened.run("shop", "put_other", id=3, other="acme-2")

    with pytest.raises(OutsideTenant):
        put_two()
    with shop.tenants.transaction("acme") as opened:
        assert opened.all("shop", "read") == [(1, "acme")]


def test_two_tenants_on_one_connection(shop: Guarded) -> None:
    """As behind a pooler in transaction mode: nothing is left of one for the other."""
    shop.tenants._connections.keep = 1
    backends = set()
    for _ in range(20):
        for tenant in ("acme", "acme-2"):
            with shop.tenants.transaction(tenant) as opened:
                assert opened.all("shop", "read_all") == [(1, tenant, tenant)]
                backends.add(opened._connection.info.backend_pid)
    assert len(backends) == 1


def context_of(connection: psycopg.Connection[tuple[object, ...]], tenant: str, seal: Seal = SEAL) -> str:
    """The right context for the transaction that the connection is in."""
    row = connection.execute(
        "SELECT pg_backend_pid(), (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint"
    ).fetchone()
    assert row is not None
    return seal.context(int(str(row[0])), int(str(row[1])), tenant)


def test_a_context_opens_its_own_transaction_alone(shop: Guarded) -> None:
    with shop.connect(roles.APP) as connection, shop.connect(roles.APP) as other:
        connection.execute("BEGIN")
        context = context_of(connection, "acme")
        connection.execute(f"SET LOCAL app.ctx = '{context}'")  # type: ignore[call-overload]
        assert connection.execute("SELECT word FROM shop.things").fetchall() == [("acme",)]
        connection.execute("COMMIT")
        for again in (connection, other):  # another transaction of the same backend, and another backend
            forged(again, context)
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="forged"):
                again.execute("SELECT word FROM shop.things")
            again.execute("ROLLBACK")


BAD = ["", " ", "x", "acme", f"{'0' * 64}.acme", f"{'0' * 64}.", f"{'0' * 65}acme", "0" * 100_000, f"{'f' * 64}.acme-2"]


@pytest.mark.parametrize("context", BAD)
@pytest.mark.parametrize("role", [roles.APP, roles.OWNER])
def test_a_context_that_nobody_made_raises(shop: Guarded, role: str, context: str) -> None:
    with shop.connect(role) as connection:
        for text in (
            "SELECT FROM shop.things",
            "INSERT INTO shop.things VALUES ('acme', 9)",
            "DELETE FROM shop.things",
        ):
            forged(connection, context)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)  # type: ignore[call-overload]
            connection.execute("ROLLBACK")


def test_no_context_raises_and_one_that_ended_leaves_nothing(shop: Guarded) -> None:
    with shop.connect(roles.APP) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM shop.things")
        with connection.transaction():
            context = context_of(connection, "acme")
            connection.execute(f"SET LOCAL app.ctx = '{context}'")  # type: ignore[call-overload]
            connection.execute("SELECT FROM shop.things")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM shop.things")


@given(st.binary(min_size=32, max_size=200), st.integers(1, 2**31 - 1), st.integers(0, 2**60))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_blocks_are_those_of_hmac(key: bytes, backend: int, microseconds: int) -> None:
    inner, outer = Seal(key).blocks()
    message = f"{backend}|{microseconds}|acme".encode()
    plain = hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).hexdigest()
    assert Seal(key).context(backend, microseconds, "acme") == f"{plain}.acme"


def test_another_key_opens_nothing(shop: Guarded) -> None:
    wrong = TenantDatabase(Connections(shop.login(roles.APP)), Seal(b"x" * 32))
    with contextlib.closing(wrong), pytest.raises(OutsideTenant, match="forged"), wrong.transaction("acme") as opened:
        opened.all("shop", "read")
    with pytest.raises(BadSealKey):
        Seal(b"x" * 31)


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "..", "a\0", "a" * 64, "Acme", "-a", "\u0430cme", "a'b", "a\n", None, 1]
)
def test_a_bad_name_never_reaches_the_database(name: object) -> None:
    nowhere = TenantDatabase(Connections(Login("host=/nonexistent")), SEAL)
    with pytest.raises(BadTenant), nowhere.transaction(name):  # type: ignore[arg-type]
        raise AssertionError


REFUSED = {
    "a key": "CREATE TABLE shop.t (tenant_id text NOT NULL, id integer PRIMARY KEY)",
    "a unique": "CREATE TABLE shop.t (tenant_id text NOT NULL, id integer, PRIMARY KEY (tenant_id, id), UNIQUE (id))",
    "an index": "CREATE TABLE shop.t (tenant_id text NOT NULL, id integer);"
    " CREATE UNIQUE INDEX ON shop.t (id, tenant_id)",
    "a foreign key": "CREATE TABLE shop.u (id integer PRIMARY KEY);"
    " CREATE TABLE shop.t (tenant_id text NOT NULL, id integer REFERENCES shop.u)",
    "a crossed foreign key": "CREATE TABLE shop.t (tenant_id text NOT NULL, id text NOT NULL, k integer NOT NULL,"
    " FOREIGN KEY (id, k) REFERENCES shop.things (tenant_id, id))",
    "no column": "CREATE TABLE shop.t (id integer)",
    "nullable": "CREATE TABLE shop.t (tenant_id text, id integer)",
    "another type": "CREATE TABLE shop.t (tenant_id integer NOT NULL)",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_that_cannot_be_protected(shop: Guarded, what: str) -> None:
    with shop.connect(roles.OWNER) as connection:
        connection.execute(REFUSED[what])  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute("SELECT tenancy.protect('shop.t')")


def test_a_duty_spans_tenants_and_does_no_more(shop: Guarded) -> None:
    with shop.connect(roles.JOBS) as connection:
        assert connection.execute("SELECT word FROM shop.things ORDER BY 1").fetchall() == [("acme",), ("acme-2",)]
        for text in ("DELETE FROM shop.things", "SELECT FROM shop.parts", "SELECT FROM tenancy.seal_key"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)  # type: ignore[call-overload]


def test_a_partition_is_no_way_in(shop: Guarded) -> None:
    with shop.connect(roles.APP) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT FROM shop.parts_0")


def test_the_gate_is_quiet_on_what_is_protected(shop: Guarded) -> None:
    assert shop.found() == set()


OWNERS = {
    "no_row_security": "ALTER TABLE shop.things DISABLE ROW LEVEL SECURITY",
    "not_forced": "ALTER TABLE shop.things NO FORCE ROW LEVEL SECURITY",
    "no_policy": "DROP POLICY tenant_isolation ON shop.parts_0",
    "policy_always_true": "CREATE POLICY more ON shop.things USING (true)",
    "policy_differs": "ALTER POLICY tenant_isolation ON shop.things USING (tenant_id <> '')",
    "policy_partial": "CREATE POLICY more ON shop.things FOR SELECT USING (id > 0)",
    "policy_without_check": "CREATE POLICY more ON shop.things USING (id > 0)",
    "policy_volatile": "CREATE FUNCTION shop.f() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT ''a''';"
    " CREATE POLICY more ON shop.things USING (tenant_id = shop.f()) WITH CHECK (false)",
    "unlisted_policy": "CREATE POLICY more ON shop.things USING (false) WITH CHECK (false)",
    "partition_granted": "GRANT SELECT ON shop.parts_1 TO stella_app",
    "unprotected_table": "CREATE TABLE shop.t (tenant_id text NOT NULL)",
    "open_table": "CREATE TABLE shop.t (id integer); GRANT SELECT ON shop.t TO stella_app",
    "duty_exceeded": "GRANT DELETE ON shop.things TO stella_jobs",
    "view_not_invoker": "CREATE VIEW shop.v AS SELECT * FROM shop.things",
    "materialised_view": "CREATE MATERIALIZED VIEW shop.m AS SELECT 1",
    "rewrite_rule": "CREATE RULE told AS ON DELETE TO shop.things DO INSTEAD SELECT ipad FROM tenancy.seal_key",
    "security_definer": "CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "key_without_tenant": "CREATE UNIQUE INDEX ON shop.things (word)",
    "foreign_key_without_tenant": "ALTER TABLE shop.parts ADD CONSTRAINT c UNIQUE (tenant_id, thing);"
    " CREATE TABLE shop.t (tenant_id text NOT NULL, other text NOT NULL, k integer NOT NULL);"
    " SELECT tenancy.protect('shop.t');"
    " ALTER TABLE shop.t ADD FOREIGN KEY (other, k) REFERENCES shop.things (tenant_id, id)",
    "exclusion_without_tenant": "ALTER TABLE shop.things ADD EXCLUDE USING btree (word WITH =)",
    "wide_grant": "GRANT TRUNCATE ON shop.things TO stella_app",
    "login_creates": "GRANT CREATE ON SCHEMA shop TO stella_app",
    "guard_differs": "CREATE OR REPLACE FUNCTION tenancy.tid() RETURNS text LANGUAGE sql STABLE AS"
    " $$SELECT current_setting('app.tenant_id', true)$$",
    "shared_counter": "ALTER TABLE shop.things ADD COLUMN n integer GENERATED ALWAYS AS IDENTITY",
    "default_privileges": "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC",
}
SUPERUSERS = {
    "role_can_bypass": "ALTER ROLE stella_app BYPASSRLS",
    "open_function": "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC",
    "open_statistics": "GRANT SELECT ON pg_catalog.pg_stats TO PUBLIC",
    "open_database": "DO $$BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END$$",
    "login_owns": "CREATE TABLE shop.t (id integer); ALTER TABLE shop.t OWNER TO stella_app",
    "activity_shown": "ALTER ROLE stella_app RESET track_activities",
    "leakproof_function": "CREATE FUNCTION shop.f(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'",
    "open_parameter": "GRANT SET ON PARAMETER session_replication_role TO stella_app",
    "loose_tenant": "CREATE COLLATION shop.loose (provider = builtin, locale = 'C.UTF-8');"
    " UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose';"
    " CREATE TABLE shop.t (tenant_id text COLLATE shop.loose NOT NULL); SELECT tenancy.protect('shop.t')",
    "foreign_table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE shop.f (id integer) SERVER s",
}
AFTER = {
    "open_parameter": "REVOKE SET ON PARAMETER session_replication_role FROM stella_app",
    "role_can_bypass": "ALTER ROLE stella_app NOBYPASSRLS",
    "activity_shown": "ALTER ROLE stella_app SET track_activities = off",
}


@pytest.mark.parametrize("kind", OWNERS)
def test_the_gate_finds_what_an_owner_may_do_wrong(shop: Guarded, kind: str) -> None:
    with shop.connect(roles.OWNER) as connection:
        connection.execute(OWNERS[kind])  # type: ignore[call-overload]
    assert kind in shop.found()


@pytest.mark.parametrize("kind", SUPERUSERS)
def test_the_gate_finds_what_a_superuser_may_do_wrong(shop: Guarded, kind: str) -> None:
    with shop.connect() as connection:
        try:
            connection.execute(SUPERUSERS[kind])  # type: ignore[call-overload]
            found = shop.found()
        finally:
            connection.execute(AFTER.get(kind, "SELECT 1"))  # type: ignore[call-overload]  # roles are of the whole server
    assert kind in found


HIDDEN = {
    "the key by its columns": ("open_table", "GRANT SELECT (ipad, opad) ON tenancy.seal_key TO stella_app"),
    "a duty by a column": ("duty_exceeded", "GRANT INSERT (word) ON shop.things TO stella_jobs"),
    "a partition by a column": ("partition_granted", "GRANT SELECT (id) ON shop.parts_0 TO stella_app"),
    "a sequence": ("open_table", "CREATE SEQUENCE shop.s; GRANT USAGE ON SEQUENCE shop.s TO stella_app"),
    "a duty in place of the policy": ("no_policy", "DROP POLICY tenant_isolation ON shop.things"),
    "the path of the definer": ("security_definer", "ALTER FUNCTION tenancy.tid() RESET search_path"),
    "a function given away": ("login_owns", "ALTER FUNCTION tenancy.tid() OWNER TO stella_app"),
    "a schema given away": ("login_owns", "ALTER SCHEMA shop OWNER TO stella_app"),
    "temporary tables": ("login_creates", "GRANT TEMPORARY ON DATABASE {database} TO stella_app"),
    "columns of statistics": ("open_statistics", "GRANT SELECT (stavalues1) ON pg_catalog.pg_statistic TO stella_app"),
    "passwords": ("open_statistics", "GRANT SELECT ON pg_catalog.pg_authid TO stella_app"),
    "files": ("open_function", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO stella_app"),
    "replication": ("role_can_bypass", "ALTER ROLE stella_app REPLICATION"),
    "making roles": ("role_can_bypass", "ALTER ROLE stella_app CREATEROLE"),
    "making databases": ("role_can_bypass", "ALTER ROLE stella_app CREATEDB"),
    "a duty of the application": ("policy_always_true", "SELECT tenancy.duty('stella_app', 'shop.things', 'select')"),
    "a duty of the application on what is nobody's": (
        "open_table",
        "CREATE TABLE shop.t (id integer); INSERT INTO tenancy.duties VALUES ('stella_app', 'shop.t', 'select');"
        " GRANT SELECT ON shop.t TO stella_app",
    ),
    "a duty of a stranger": (
        "duty_exceeded",
        "CREATE ROLE proof_stranger; SELECT tenancy.duty('proof_stranger', 'shop.things', 'select')",
    ),
    "a duty of everybody": (
        "unlisted_policy",
        "CREATE POLICY duty_public ON shop.things USING (true);"
        " INSERT INTO tenancy.duties VALUES ('public', 'shop.things', 'select')",
    ),
    "the policy of others": ("policy_partial", "ALTER POLICY tenant_isolation ON shop.things TO stella_owner"),
    "the guard of any volatility": ("guard_differs", "ALTER FUNCTION tenancy.tid() IMMUTABLE"),
    "no guard at all": (
        "guard_differs",
        "DROP FUNCTION tenancy.tid() CASCADE",
    ),
    "the activity in one database": (
        "activity_shown",
        "ALTER ROLE stella_app IN DATABASE {database} SET track_activities = on",
    ),
    "parameters for all": ("open_parameter", "GRANT ALTER SYSTEM ON PARAMETER track_activities TO PUBLIC"),
    "passwords by a view": ("open_statistics", "GRANT SELECT ON pg_catalog.pg_shadow TO stella_app"),
    "an exclusion of all but the tenant": (
        "exclusion_without_tenant",
        "CREATE EXTENSION btree_gist; ALTER TABLE shop.things ADD EXCLUDE USING gist (tenant_id WITH <>, word WITH =)",
    ),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_the_gate_finds_what_is_easily_overlooked(shop: Guarded, what: str) -> None:
    kind, text = HIDDEN[what]
    with shop.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(text.format(database=shop.name))  # type: ignore[call-overload]
        found = gate.findings(connection)
    assert kind in {finding.kind for finding in found}
    assert shop.found() == set()


def test_a_definer_is_known_by_what_it_does(shop: Guarded) -> None:
    with shop.connect(roles.OWNER) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION tenancy.tid() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS"
            " $$SELECT current_setting('app.tenant_id')$$"
        )
    assert "security_definer" in shop.found()


def test_every_kind_says_why_and_is_tried() -> None:
    assert OWNERS.keys() | SUPERUSERS.keys() == gate.WHY.keys()


@pytest.mark.parametrize("part", ["TABLE tenancy.duties", "TABLE tenancy.protected", "FUNCTION tenancy.tid() CASCADE"])
def test_a_guard_of_which_a_part_is_missing_is_judged(shop: Guarded, part: str) -> None:
    """Or the gate would be quiet for ever."""
    with shop.connect(roles.OWNER) as connection:
        connection.execute(f"DROP {part}")  # type: ignore[call-overload]
        with pytest.raises((StatementRefused, GateFailed)):
            gate.require(connection)


def test_a_database_without_the_guard_is_not_judged(guarded: Guarded) -> None:
    with guarded.connect(roles.OWNER) as connection:
        connection.execute("DROP SCHEMA tenancy CASCADE")
    assert guarded.found() == set()
