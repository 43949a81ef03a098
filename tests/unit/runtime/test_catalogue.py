"""Statements on tenant tables: what stays within the tenant, and what is refused."""

# ruff: noqa: E501  # a statement is read best in one line

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.runtime.catalogue import check_statement, numbered, parse
from stella.runtime.tenant_clauses import Tables, relations_of
from stella.runtime.tenant_scope import Scope

TABLES = frozenset({"s.t", "s.u", "s.v"})
T = "%(tenant)s"

HELD = {
    "direct": f"SELECT * FROM s.t WHERE tenant_id = {T}",
    "turned round": f"SELECT * FROM s.t WHERE {T} = tenant_id AND a = %(a)s",
    "cast": f"SELECT * FROM s.t WHERE tenant_id = {T}::text",
    "cast by its whole name": f"SELECT * FROM s.t WHERE tenant_id = CAST({T} AS pg_catalog.varchar)",
    "union, twice on both sides": f"SELECT t.* FROM (SELECT {T} AS x, {T} AS tenant_id UNION ALL SELECT %(other)s, {T}) d JOIN s.t USING (tenant_id)",
    "alias": f"SELECT x.a FROM s.t AS x WHERE x.tenant_id = {T}",
    "named by table": f"SELECT t.a FROM s.t WHERE t.tenant_id = {T}",
    "named by schema": f"SELECT s.t.a FROM s.t WHERE s.t.tenant_id = {T}",
    "no tenant table": "SELECT * FROM s.other WHERE a LIKE '%x'",
    "no table": "SELECT 1",
    "keyset": f"SELECT * FROM s.t WHERE tenant_id = {T} AND (a, b) > (%(a)s, %(b)s) ORDER BY a, b LIMIT %(n)s",
    "row equality": f"SELECT * FROM s.t WHERE (tenant_id, id) = ({T}, %(id)s)",
    "join on": f"SELECT * FROM s.t x JOIN s.u y ON y.tenant_id = x.tenant_id AND y.id = x.u WHERE x.tenant_id = {T}",
    "join using": f"SELECT * FROM s.t JOIN s.u USING (tenant_id, id) WHERE t.tenant_id = {T}",
    "join using, bare": f"SELECT * FROM s.t JOIN s.u USING (tenant_id, id) WHERE tenant_id = {T}",
    "three": f"SELECT * FROM s.t JOIN s.u USING (tenant_id) JOIN s.v USING (tenant_id) WHERE tenant_id = {T}",
    "natural": f"SELECT * FROM s.t NATURAL JOIN s.u WHERE t.tenant_id = {T}",
    "left join": f"SELECT * FROM s.t x LEFT JOIN s.u y ON y.tenant_id = x.tenant_id WHERE x.tenant_id = {T}",
    "left join using": f"SELECT * FROM s.t LEFT JOIN s.u USING (tenant_id) WHERE t.tenant_id = {T}",
    "right join": f"SELECT * FROM s.u y RIGHT JOIN s.t x ON y.tenant_id = x.tenant_id WHERE x.tenant_id = {T}",
    "held from the null side": f"SELECT * FROM s.u y LEFT JOIN s.t x ON x.a = y.a WHERE x.tenant_id = {T} AND y.tenant_id = x.tenant_id",
    "full join, both": f"SELECT * FROM s.t x FULL JOIN s.u y ON x.a = y.a WHERE x.tenant_id = {T} AND y.tenant_id = {T}",
    "comma": f"SELECT * FROM s.t x, s.u y WHERE x.tenant_id = y.tenant_id AND y.tenant_id = {T}",
    "join with a global table": f"SELECT * FROM s.t JOIN s.tenants g USING (tenant_id) WHERE g.tenant_id = {T}",
    "exists": f"SELECT * FROM s.t x WHERE x.tenant_id = {T} AND EXISTS (SELECT FROM s.u WHERE u.tenant_id = x.tenant_id)",
    "not in": f"SELECT * FROM s.t WHERE tenant_id = {T} AND id NOT IN (SELECT id FROM s.u WHERE tenant_id = {T})",
    "scalar": f"SELECT (SELECT count(*) FROM s.u WHERE u.tenant_id = x.tenant_id) FROM s.t x WHERE x.tenant_id = {T}",
    "subquery": f"SELECT * FROM (SELECT a FROM s.t WHERE tenant_id = {T}) d",
    "through a subquery": f"SELECT * FROM s.u JOIN (SELECT tenant_id FROM s.t WHERE tenant_id = {T}) d USING (tenant_id)",
    "through a star": f"SELECT * FROM s.u JOIN (SELECT * FROM s.t WHERE tenant_id = {T}) d ON u.tenant_id = d.tenant_id",
    "cte": f"WITH p AS (SELECT * FROM s.t WHERE tenant_id = {T}) SELECT * FROM p",
    "through a cte": f"WITH p AS (SELECT tenant_id, a FROM s.t WHERE tenant_id = {T}) SELECT * FROM s.u JOIN p USING (tenant_id)",
    "renamed cte": f"WITH p(tenant_id) AS (SELECT {T}) SELECT * FROM s.u JOIN p USING (tenant_id)",
    "given value": f"SELECT * FROM s.t JOIN (VALUES ({T}, 1), ({T}, 2)) v(tenant_id, a) USING (tenant_id)",
    "recursive": f"WITH RECURSIVE r AS (SELECT id FROM s.t WHERE tenant_id = {T} UNION ALL "
    f"SELECT c.id FROM s.t c JOIN r ON c.parent = r.id WHERE c.tenant_id = {T}) SELECT * FROM r",
    "union": f"SELECT a FROM s.t WHERE tenant_id = {T} UNION SELECT a FROM s.u WHERE tenant_id = {T}",
    "through a union": f"SELECT * FROM s.v JOIN (SELECT tenant_id FROM s.t WHERE tenant_id = {T} "
    f"UNION ALL SELECT tenant_id FROM s.u WHERE tenant_id = {T}) d USING (tenant_id)",
    "lateral": f"SELECT * FROM s.t x, LATERAL (SELECT * FROM s.u WHERE u.tenant_id = x.tenant_id) d WHERE x.tenant_id = {T}",
    "left join lateral": f"SELECT * FROM s.t x LEFT JOIN LATERAL (SELECT * FROM s.u WHERE u.tenant_id = x.tenant_id LIMIT 1) d ON true "
    f"WHERE x.tenant_id = {T}",
    "for update": f"SELECT * FROM s.t WHERE tenant_id = {T} FOR UPDATE OF t SKIP LOCKED",
    "sample": f"SELECT * FROM s.t TABLESAMPLE system (10) WHERE tenant_id = {T}",
    "update": f"UPDATE s.t SET a = 1 WHERE tenant_id = {T}",
    "update from": f"UPDATE s.t x SET a = y.a FROM s.u y WHERE x.tenant_id = {T} AND y.tenant_id = x.tenant_id",
    "update, same tenant": f"UPDATE s.t SET tenant_id = {T} WHERE tenant_id = {T}",
    "delete": f"DELETE FROM s.t WHERE tenant_id = {T} RETURNING id",
    "delete using": f"DELETE FROM s.t USING s.u WHERE t.tenant_id = {T} AND u.tenant_id = {T}",
    "insert": f"INSERT INTO s.t (id, tenant_id) VALUES (%(id)s, {T})",
    "insert rows": f"INSERT INTO s.t (tenant_id, id) VALUES ({T}, 1), ({T}, 2) ON CONFLICT DO NOTHING",
    "insert select": f"INSERT INTO s.t (tenant_id, id) SELECT {T}, id FROM s.other",
    "insert from the same": f"INSERT INTO s.t (tenant_id, id) SELECT tenant_id, id FROM s.u WHERE tenant_id = {T}",
    "upsert": f"INSERT INTO s.t (tenant_id, id) VALUES ({T}, 1) ON CONFLICT (tenant_id, id) DO UPDATE SET a = EXCLUDED.a",
    "chain": f"WITH m AS (UPDATE s.t SET a = 1 WHERE tenant_id = {T} RETURNING tenant_id, id) "
    "INSERT INTO s.u (tenant_id, id) SELECT tenant_id, id FROM m",
    "chain of stars": f"WITH m AS (UPDATE s.t AS x SET a = 1 WHERE x.tenant_id = {T} RETURNING x.*) SELECT * FROM s.u JOIN m USING (tenant_id)",
    "merge": f"MERGE INTO s.t x USING (SELECT * FROM s.u WHERE tenant_id = {T}) y ON x.tenant_id = y.tenant_id AND x.id = y.id "
    f"WHEN MATCHED THEN UPDATE SET a = y.a WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES ({T}, y.id)",
    "bare beside a global table": f"SELECT * FROM s.g, s.t WHERE tenant_id = {T}",
    "bare before a global table": f"SELECT * FROM s.t, s.g WHERE tenant_id = {T}",
    "a list that is filtered": f"SELECT * FROM (SELECT DISTINCT tenant_id FROM s.g) d JOIN s.t USING (tenant_id) WHERE d.tenant_id = {T}",
    "join with an alias, held": f"SELECT * FROM (s.t JOIN s.u USING (tenant_id)) AS j WHERE j.tenant_id = {T}",
    "alias of using": f"SELECT * FROM s.t JOIN s.u USING (tenant_id) AS j WHERE j.tenant_id = {T}",
    "stars of both arms": f"SELECT * FROM s.t WHERE tenant_id = {T} UNION ALL SELECT * FROM s.u WHERE tenant_id = {T}",
    "union of values": f"SELECT * FROM (SELECT {T} AS x UNION SELECT {T}) d, s.t WHERE tenant_id = {T}",
    "recursive, a name of its own": "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    "recursive that is none": f"WITH RECURSIVE p AS (SELECT tenant_id FROM s.t WHERE tenant_id = {T}) SELECT * FROM s.u JOIN p USING (tenant_id)",
    "template": "SELECT * FROM {schema}.other",
    "shadowed": f"WITH t AS (SELECT 1 AS a) SELECT * FROM t WHERE a = {T}::int",
}
REFUSED = {
    "nothing": "SELECT * FROM s.t",
    "not the tenant": "SELECT * FROM s.t WHERE tenant_id = %(other)s",
    "constant": "SELECT * FROM s.t WHERE tenant_id = 'a'",
    "inequality": f"SELECT * FROM s.t WHERE tenant_id <> {T}",
    "at least": f"SELECT * FROM s.t WHERE tenant_id >= {T}",
    "another column": f"SELECT * FROM s.t WHERE tenant = {T}",
    "or": f"SELECT * FROM s.t WHERE tenant_id = {T} OR a = 1",
    "not": f"SELECT * FROM s.t WHERE NOT (tenant_id = {T})",
    "function": f"SELECT * FROM s.t WHERE lower(tenant_id) = {T}",
    "function of the value": f"SELECT * FROM s.t WHERE tenant_id = coalesce({T}, tenant_id)",
    "an operator of one's own": f"SELECT * FROM s.t WHERE tenant_id OPERATOR(evil.=) {T}",
    "other cast": f"SELECT * FROM s.t WHERE tenant_id = {T}::evil",
    "having": f"SELECT tenant_id FROM s.t GROUP BY tenant_id HAVING tenant_id = {T}",
    "in the list": f"SELECT tenant_id = {T} FROM s.t",
    "in a string": f"SELECT * FROM s.t WHERE a = 'tenant_id = {T}'",
    "in a comment": f"SELECT * FROM s.t -- WHERE tenant_id = {T}",
    "itself": "SELECT * FROM s.t WHERE tenant_id = tenant_id",
    "one of two": f"SELECT * FROM s.t x JOIN s.u y ON x.id = y.id WHERE x.tenant_id = {T}",
    "ring": "SELECT * FROM s.t x, s.u y WHERE x.tenant_id = y.tenant_id AND y.tenant_id = x.tenant_id",
    "bare and ambiguous": f"SELECT * FROM s.t x, s.u y WHERE tenant_id = {T} AND x.tenant_id = {T}",
    "left join's own side": f"SELECT * FROM s.t x LEFT JOIN s.u y ON x.tenant_id = {T} AND y.tenant_id = {T}",
    "left join, kept side": f"SELECT * FROM s.t x LEFT JOIN s.u y ON y.tenant_id = x.tenant_id AND y.tenant_id = {T}",
    "right join, kept side": f"SELECT * FROM s.t x RIGHT JOIN s.u y ON x.tenant_id = {T} AND y.tenant_id = {T}",
    "full join on": f"SELECT * FROM s.t x FULL JOIN s.u y ON x.tenant_id = y.tenant_id WHERE x.tenant_id = {T}",
    "full join using": f"SELECT * FROM s.t FULL JOIN s.u USING (tenant_id) WHERE tenant_id = {T}",
    "using another": f"SELECT * FROM s.t JOIN s.u USING (id) WHERE t.tenant_id = {T}",
    "exists without": f"SELECT * FROM s.t WHERE tenant_id = {T} AND EXISTS (SELECT FROM s.u WHERE u.id = t.id)",
    "held by what is in it": f"SELECT * FROM s.t x WHERE EXISTS (SELECT FROM s.u WHERE u.tenant_id = {T} AND u.tenant_id = x.tenant_id)",
    "subquery without": f"SELECT * FROM (SELECT * FROM s.t) d WHERE d.tenant_id = {T}",
    "renamed away": f"SELECT * FROM s.u JOIN (SELECT a AS tenant_id FROM s.t WHERE tenant_id = {T}) d USING (tenant_id)",
    "renamed by the alias": f"SELECT * FROM s.u JOIN (SELECT tenant_id, a FROM s.t WHERE tenant_id = {T}) d(a, tenant_id) USING (tenant_id)",
    "columns of a table renamed": f"SELECT * FROM s.t AS x(tenant_id) WHERE x.tenant_id = {T}",
    "cte without": f"WITH p AS (SELECT * FROM s.t) SELECT * FROM p WHERE tenant_id = {T}",
    "cte that is its own source": f"WITH t AS (SELECT * FROM t) SELECT * FROM t WHERE tenant_id = {T}",
    "cte unused": "WITH p AS (SELECT * FROM s.t) SELECT 1",
    "one arm": f"SELECT a FROM s.t WHERE tenant_id = {T} UNION SELECT a FROM s.u",
    "through one arm": f"SELECT * FROM s.v JOIN (SELECT tenant_id FROM s.t WHERE tenant_id = {T} "
    "UNION ALL SELECT 'x') d USING (tenant_id)",
    "lateral name from the left": "SELECT * FROM s.t x WHERE x.tenant_id = %(tenant)s AND EXISTS (SELECT FROM s.g, s.u y JOIN LATERAL "
    "(SELECT tenant_id) d ON true WHERE y.tenant_id = d.tenant_id)",
    "values of others": f"SELECT * FROM s.t JOIN (VALUES ({T}), ('b')) v(tenant_id) USING (tenant_id)",
    "sort": f"SELECT * FROM s.t WHERE tenant_id = {T} ORDER BY (SELECT max(a) FROM s.u)",
    "limit": f"SELECT * FROM s.t WHERE tenant_id = {T} LIMIT (SELECT max(a) FROM s.u)",
    "window": f"SELECT sum(a) FILTER (WHERE a IN (SELECT a FROM s.u)) OVER () FROM s.t WHERE tenant_id = {T}",
    "argument of a function": f"SELECT * FROM s.t, unnest((SELECT array_agg(a) FROM s.u)) x WHERE t.tenant_id = {T}",
    "update": "UPDATE s.t SET a = 1",
    "update, tenant moved": f"UPDATE s.t SET tenant_id = %(other)s WHERE tenant_id = {T}",
    "update, tenant moved among others": f"UPDATE s.t SET (tenant_id, a) = ('b', 1) WHERE tenant_id = {T}",
    "update, subquery": f"UPDATE s.t SET a = (SELECT max(a) FROM s.u) WHERE tenant_id = {T}",
    "update from": f"UPDATE s.t x SET a = y.a FROM s.u y WHERE x.tenant_id = {T}",
    "update at a cursor": "UPDATE s.t SET a = 1 WHERE CURRENT OF c",
    "delete": "DELETE FROM s.t",
    "delete using": f"DELETE FROM s.t USING s.u WHERE u.tenant_id = {T}",
    "insert without": "INSERT INTO s.t (id) VALUES (1)",
    "insert, another": "INSERT INTO s.t (tenant_id) VALUES (%(other)s)",
    "insert, one row": f"INSERT INTO s.t (tenant_id) VALUES ({T}), ('b')",
    "insert, columns unknown": f"INSERT INTO s.t VALUES ({T}, 1)",
    "insert, default": "INSERT INTO s.t DEFAULT VALUES",
    "insert, default value": "INSERT INTO s.t (tenant_id) VALUES (DEFAULT)",
    "insert, star": f"INSERT INTO s.t (tenant_id, id) SELECT * FROM s.u WHERE tenant_id = {T}",
    "insert, places swapped": f"INSERT INTO s.t (id, tenant_id) SELECT {T}, id FROM s.other",
    "insert from others": f"INSERT INTO s.t (tenant_id, id) SELECT {T}, id FROM s.u",
    "upsert without": f"INSERT INTO s.t (tenant_id, id) VALUES ({T}, 1) ON CONFLICT (id) DO UPDATE SET a = 1",
    "upsert by name": f"INSERT INTO s.t (tenant_id, id) VALUES ({T}, 1) ON CONFLICT ON CONSTRAINT k DO UPDATE SET a = 1",
    "upsert, tenant moved": f"INSERT INTO s.t (tenant_id, id) VALUES ({T}, 1) ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = 'b'",
    "merge, source": f"MERGE INTO s.t x USING s.u y ON x.tenant_id = {T} AND y.tenant_id = {T} WHEN MATCHED THEN DELETE",
    "merge, target": f"MERGE INTO s.t x USING (SELECT * FROM s.u WHERE tenant_id = {T}) y ON x.id = y.id WHEN MATCHED THEN DELETE",
    "merge, by source": f"MERGE INTO s.t x USING (SELECT 1 AS id) y ON x.id = y.id AND x.tenant_id = {T} "
    "WHEN NOT MATCHED BY SOURCE THEN DELETE",
    "merge, insert": f"MERGE INTO s.t x USING (SELECT 1 AS id) y ON x.id = y.id AND x.tenant_id = {T} "
    "WHEN NOT MATCHED THEN INSERT (tenant_id) VALUES ('b')",
    "merge, insert without": f"MERGE INTO s.t x USING (SELECT 1 AS id) y ON x.id = y.id AND x.tenant_id = {T} "
    "WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "merge, moved": f"MERGE INTO s.t x USING (SELECT 1 AS id) y ON x.id = y.id AND x.tenant_id = {T} "
    "WHEN MATCHED THEN UPDATE SET tenant_id = 'b'",
    "select into": f"SELECT * INTO s.copy FROM s.t WHERE tenant_id = {T}",
    "copy": "COPY s.t (a) FROM STDIN",
    "copy out": f"COPY (SELECT * FROM s.t WHERE tenant_id = {T}) TO STDOUT",
    "truncate": "TRUNCATE s.t",
    "lock": "LOCK TABLE s.t",
    "explain": f"EXPLAIN SELECT * FROM s.t WHERE tenant_id = {T}",
    "table": "TABLE s.t",
    "by text": "SELECT query_to_xml('select * from s.t', true, true, '')",
    "dblink": "SELECT * FROM dblink('x', 'y') AS z(a int)",
    "two": f"SELECT 1; SELECT * FROM s.t WHERE tenant_id = {T}",
    "none": "-- nothing",
    "no SQL": "SELEC 1",
    "NUL": f"SELECT * FROM s.t WHERE tenant_id = {T}\0; SET ROLE x",
    "half a letter": "SELECT '\udc80'",
    "deep": "SELECT " + "+".join(["1"] * 5000),
    "deeper": "SELECT " + "(" * 300_000 + "1",
    "join with an alias": f"SELECT * FROM (s.t JOIN s.u USING (id)) AS j WHERE j.tenant_id = {T}",
    "hidden name": f"SELECT * FROM (s.t JOIN s.other USING (id)) AS j, s.u AS t WHERE t.tenant_id = {T}",
    "name twice": f"SELECT * FROM s.t AS x, s.u AS x WHERE x.tenant_id = {T}",
    "on sees its own sides": f"SELECT * FROM s.t x, s.other o JOIN s.u y ON y.tenant_id = tenant_id WHERE x.tenant_id = {T}",
    "recursive, second arm": f"WITH RECURSIVE r AS (SELECT id FROM s.t WHERE tenant_id = {T} UNION ALL "
    "SELECT c.id FROM s.t c JOIN r ON c.parent = r.id) SELECT * FROM r",
    "recursive, one arm given": f"WITH RECURSIVE r AS (SELECT tenant_id FROM s.t WHERE tenant_id = {T} UNION ALL SELECT 'x' FROM r) "
    "SELECT * FROM s.u JOIN r USING (tenant_id)",
    "hidden name means the outer one": f"SELECT * FROM s.t x WHERE x.tenant_id = {T} AND EXISTS "
    f"(SELECT FROM (s.u x JOIN s.g USING (id)) AS j WHERE x.tenant_id = {T})",
    "columns of a join renamed": f"SELECT * FROM (s.g JOIN s.t USING (id)) AS j(tenant_id, b) WHERE j.tenant_id = {T}",
    "alias of another using": f"SELECT * FROM s.t JOIN s.u USING (id) AS j WHERE j.tenant_id = {T}",
    "star renamed": f"SELECT * FROM s.u JOIN (SELECT * FROM s.t WHERE tenant_id = {T}) d(tenant_id) USING (tenant_id)",
    "natural with what is not known": f"SELECT * FROM s.g NATURAL JOIN s.t WHERE tenant_id = {T}",
    "insert elsewhere": "INSERT INTO s.other SELECT * FROM s.u",
    "in the with of a with": f"WITH a AS (WITH b AS (SELECT * FROM s.t) SELECT * FROM b) SELECT * FROM a, s.u WHERE u.tenant_id = {T}",
    "cut off by a cast": f"SELECT * FROM s.t WHERE tenant_id = {T}::varchar(1)",
    "cast to what a schema calls text": f"SELECT * FROM s.t WHERE tenant_id = {T}::s.text",
    "cast to many": f"SELECT * FROM s.t WHERE tenant_id = {T}::text[]",
    "union, the same twice on the left": f"SELECT t.* FROM (SELECT {T} AS x, {T} AS tenant_id UNION ALL SELECT {T}, %(other)s) d JOIN s.t ON t.tenant_id = d.tenant_id",
    "union, a column twice on the left": f"SELECT u.* FROM (SELECT t.tenant_id AS x, t.tenant_id FROM s.t WHERE t.tenant_id = {T} UNION SELECT {T}, 'e') d, s.u WHERE u.tenant_id = d.tenant_id",
    "a block": "DO $$ BEGIN DELETE FROM s.t; END $$",
}


@pytest.mark.parametrize("name", HELD)
def test_within_the_tenant(name: str) -> None:
    assert check_statement(HELD[name], TABLES) is None


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert check_statement(REFUSED[name], TABLES)


def test_tables_are_known_by_schema_or_by_name() -> None:
    assert check_statement("SELECT * FROM other.t", TABLES) is None
    assert check_statement("SELECT * FROM t", TABLES)
    assert check_statement("SELECT * FROM other.t", {"t"})
    assert check_statement("SELECT * FROM s.t", ()) is None


def test_what_is_said() -> None:
    assert check_statement("SELECT * FROM s.t AS x", TABLES) == "`s.t` as x lacks `tenant_id = %(tenant)s`"
    assert check_statement("SELEC", TABLES) == 'it cannot be parsed: syntax error at or near "SELEC"'
    assert check_statement("COPY s.t FROM STDIN", TABLES) == "it is a copy statement on the tenant table `s.t`"


def test_a_table_in_an_unknown_place() -> None:
    scope = Scope(Tables(TABLES), 1)
    (relation,) = relations_of(parse("SELECT FROM s.t"))
    scope._part(relation, (), {})
    assert list(scope.problems()) == ["`s.t` is used in a way that is not known here"]


def test_templates() -> None:
    assert (
        check_statement("SELECT * FROM {schema}.t WHERE a = '{{'", {"schema.t"})
        == "`schema.t` lacks `tenant_id = %(tenant)s`"
    )
    assert check_statement("ALTER ROLE x PASSWORD {password}", TABLES) is None
    assert check_statement("SELEC {a}", TABLES) == 'it cannot be parsed: syntax error at or near "SELEC"'


def test_numbers() -> None:
    found = numbered("SELECT %(a)s, %(tenant)s, %(a)s, 5 %% 2")
    assert found == ("SELECT $1, $2, $1, 5 % 2", {"a": 1, "tenant": 2})
    assert numbered("SELECT 5 % 2").sql == "SELECT 5 % 2"


WORDS = st.sampled_from(
    f"SELECT FROM WHERE s.t s.u x y tenant_id = {T} AND OR NOT ( ) , JOIN LEFT ON USING (tenant_id) EXISTS WITH AS UNION * 1 "
    "UPDATE SET DELETE INSERT INTO VALUES MERGE WHEN MATCHED THEN x.tenant_id y.tenant_id LATERAL RETURNING a \0 ' \" $$ --".split()
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    found = check_statement(text, TABLES)
    assert found is None or found
