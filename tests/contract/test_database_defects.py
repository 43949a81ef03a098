"""A regression test for each class of defect that row-level security of PostgreSQL had.

Rules:
- Identifiers name the defect of a release of PostgreSQL; each statement is of the kind that got around the policies
  there. Two tenants have one secret each, and all is asked as the application, on one connection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from stella.runtime import roles
from stella.runtime.postgres import Connection
from stella.runtime.transaction import enter
from tests.database import postgres
from tests.tenants import SEAL, Guarded, guarded

__all__ = ["guarded", "postgres"]  # fixtures
pytestmark = [pytest.mark.network]

OWN, OTHER = "acme", "globex"
SECRET = {OWN: "crimson", OTHER: "turquoise"}
TABLES = """
CREATE SCHEMA safe;
CREATE TABLE safe.notes (tenant_id text NOT NULL, id integer NOT NULL, word text, PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('safe.notes');
CREATE VIEW safe.words WITH (security_invoker, security_barrier) AS SELECT word FROM safe.notes;
GRANT SELECT ON safe.words TO stella_app;
CREATE FUNCTION safe.said() RETURNS SETOF text LANGUAGE sql STABLE SET search_path = pg_catalog
    BEGIN ATOMIC SELECT word FROM safe.notes; END;
CREATE FUNCTION safe.inlined() RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC SELECT word FROM safe.notes; END;
REVOKE EXECUTE ON FUNCTION safe.said(), safe.inlined() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION safe.said(), safe.inlined() TO stella_app;
"""


@pytest.fixture
def line(guarded: Guarded) -> Iterator[Connection]:
    """A connection of the application to a database where each tenant has a secret, with statistics of them."""
    with guarded.connect(roles.OWNER) as connection:
        connection.execute(TABLES)
    with guarded.connect(roles.APP) as connection:
        for tenant, word in SECRET.items():
            with acting(connection, tenant):
                connection.execute("INSERT INTO safe.notes VALUES (%s, 1, %s)", [tenant, word])
        guarded.execute("ANALYZE safe.notes")
        yield connection


@contextlib.contextmanager
def acting(connection: Connection, tenant: str) -> Iterator[None]:
    """A transaction of a tenant, for whatever is sent."""
    enter(connection, SEAL, tenant)
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def words(connection: Connection) -> dict[str, str]:
    """What each tenant finds in its note."""
    found = {}
    for tenant in SECRET:
        with acting(connection, tenant):
            ((found[tenant],),) = connection.execute("SELECT word FROM safe.notes").fetchall()
    return found


@pytest.mark.parametrize(
    "text",
    [
        "SELECT word FROM safe.notes",
        "WITH found AS MATERIALIZED (SELECT word FROM safe.notes) SELECT word FROM found",
        "SELECT (SELECT string_agg(word, ',') FROM safe.notes)",
        "SELECT word FROM safe.words",
        "SELECT safe.said()",
        "SELECT * FROM safe.inlined()",
    ],
)
@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan", "auto"])
def test_a_plan_that_was_kept_is_of_whoever_asks(line: Connection, text: str, plan: str) -> None:
    """CVE-2016-2193, CVE-2024-10976 (sub-queries), CVE-2023-2455 (inlined functions): whoever asks has changed."""
    line.execute(f"SET plan_cache_mode = {plan}")  # type: ignore[call-overload]  # one of three words
    line.execute(f"PREPARE kept AS {text}")  # type: ignore[call-overload]  # one of the texts above
    for tenant in (OWN, OTHER) * 7:  # more than the five runs after which a plan is kept
        with acting(line, tenant):
            assert line.execute("EXECUTE kept").fetchall() == [(SECRET[tenant],)]


WRITES = {
    "nothing": "INSERT INTO safe.notes VALUES ('globex', 1, 'x') ON CONFLICT DO NOTHING",
    "update": "INSERT INTO safe.notes VALUES ('globex', 1, 'x') ON CONFLICT (tenant_id, id) DO UPDATE SET word = 'x'",
    "return": """INSERT INTO safe.notes VALUES ('globex', 1, 'x')
        ON CONFLICT (tenant_id, id) DO UPDATE SET word = safe.notes.word RETURNING word""",
    "move": """INSERT INTO safe.notes VALUES ('acme', 1, 'x')
        ON CONFLICT (tenant_id, id) DO UPDATE SET tenant_id = 'globex'""",
    "merge": """MERGE INTO safe.notes USING (VALUES ('globex', 1)) AS given (tenant, id)
        ON tenant_id = tenant AND notes.id = given.id
        WHEN MATCHED THEN UPDATE SET word = 'x' WHEN NOT MATCHED THEN INSERT VALUES (tenant, given.id, 'x')""",
    "merge and move": """MERGE INTO safe.notes USING (VALUES (1)) AS given (id) ON notes.id = given.id
        WHEN MATCHED THEN UPDATE SET tenant_id = 'globex', id = 2""",
}


@pytest.mark.parametrize("text", WRITES.values(), ids=WRITES)
def test_what_writes_two_ways_at_once_writes_neither(line: Connection, text: str) -> None:
    """CVE-2017-15099 (ON CONFLICT shows and changes what policies hide), CVE-2023-39418 (MERGE looks at too few)."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused, acting(line, OWN):
        line.execute(text)  # type: ignore[call-overload]  # one of the texts above
    assert SECRET[OTHER] not in str(refused.value)
    assert words(line) == SECRET


@pytest.mark.parametrize("text", ["WHEN MATCHED THEN DELETE", "WHEN MATCHED THEN UPDATE SET word = 'x'"])
def test_a_merge_meets_its_own_rows_alone(line: Connection, text: str) -> None:
    """CVE-2023-39418, by what is met instead of what is written."""
    with acting(line, OWN):
        found = line.execute(f"MERGE INTO safe.notes USING (VALUES (1)) AS given (id) ON notes.id = given.id {text}")  # type: ignore[call-overload]  # one of the texts above
        assert found.rowcount == 1
    with acting(line, OTHER):
        assert line.execute("SELECT word FROM safe.notes").fetchall() == [(SECRET[OTHER],)]


@pytest.mark.parametrize("text", ["word::integer = 1", "word::date > now()", "word::jsonb IS NOT NULL"])
def test_a_condition_that_tells_what_it_met_meets_its_own_rows_alone(line: Connection, text: str) -> None:
    """CVE-2019-10130: a condition that is estimated, or tried, before the policy tells values in its error."""
    with pytest.raises(psycopg.DataError) as told, acting(line, OWN):
        line.execute(f"SELECT 1 FROM safe.notes WHERE {text}")  # type: ignore[call-overload]  # one of the texts above
    assert SECRET[OTHER] not in str(told.value)


def test_a_condition_that_fails_on_rows_of_others_does_not_fail(line: Connection) -> None:
    """CVE-2019-10130, by whether there is an error."""
    with acting(line, OWN):
        text = f"SELECT 1 FROM safe.notes WHERE 1 / (length(word) - {len(SECRET[OTHER])}) > 7"
        assert line.execute(text).fetchall() == []  # type: ignore[call-overload]  # a text of ours


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM pg_stats",
        "SELECT * FROM pg_stats_ext",
        "SELECT * FROM pg_stats_ext_exprs",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM pg_statistic_ext_data",
        "CREATE FUNCTION public.leak(text, text) RETURNS boolean LANGUAGE sql RETURN true",
        "CREATE FUNCTION safe.leak(text, text) RETURNS boolean LANGUAGE sql RETURN true",
        "CREATE FUNCTION pg_temp.leak(text, text) RETURNS boolean LANGUAGE sql RETURN true",
        "CREATE OPERATOR public.<<< (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)",
        "CREATE TEMPORARY TABLE leak AS SELECT word FROM safe.notes",
    ],
)
def test_statistics_are_shown_by_nothing(line: Connection, text: str) -> None:
    """CVE-2019-10130 and CVE-2025-8713: samples of values, by the views of them or by an operator of one's own."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused, acting(line, OWN):
        line.execute(text)  # type: ignore[call-overload]  # one of the texts above
    assert SECRET[OTHER] not in str(refused.value)
