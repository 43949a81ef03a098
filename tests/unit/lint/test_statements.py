"""SQL that opens the borders between tenants: each rule finds what it is for, and is quiet about the rest."""

# ruff: noqa: E501  # a statement is read best in one line

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.lint.keys import keys
from stella.lint.rules import RULES
from stella.lint.sql_files import read
from stella.lint.statements import hazards
from stella.lint.tables import Known

HERE = Path("app")


def rules(text: str, *, catalogue: bool = False, tables: str = "") -> set[str]:
    """The rules that a file breaks, where `tables` is a migration of the same package."""
    made = read(tables.encode(), catalogue=False).statements
    file = read(text.encode("utf-8", "surrogatepass"), catalogue=catalogue)
    known = Known((HERE, statement) for statement in (*made, *(() if catalogue else file.statements)))
    spots = [*file.spots, *(spot for statement in file.statements for spot in hazards(statement))]
    return {spot.rule for spot in (*spots, *keys(file.statements, known.of(HERE)))}


FUNCTION = "CREATE FUNCTION f() RETURNS int LANGUAGE {} AS $$ {} $$"
FOUND = {
    "STS000": ["SELEC 1", "SELECT 1;\nSELECT 'x", "SELECT 1 \0", "SELECT '\udc80'", "SELECT " + "+".join(["1"] * 3000)],
    "STS001": [
        "SET ROLE x",
        "SET LOCAL ROLE x",
        "RESET ROLE",
        "SET ROLE NONE",
        "ALTER ROLE a SET role = b",
        "SET SESSION ROLE x",
    ],
    "STS002": ["SET SESSION AUTHORIZATION x", "RESET SESSION AUTHORIZATION", "SET LOCAL SESSION AUTHORIZATION DEFAULT"],
    "STS003": [
        "SELECT set_config('a', 'b', true)",
        "SELECT pg_catalog.SET_CONFIG('a', 'b', true)",
        "UPDATE t SET a = set_config('a', 'b', true)",
        "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT set_config('a', 'b', true)",
        "CREATE TABLE t (a text DEFAULT set_config('a', 'b', true))",
        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT set_config('a', 'b', true); END",
        FUNCTION.format("sql", "SELECT set_config('a', 'b', true)"),
        FUNCTION.format("plpgsql", "BEGIN PERFORM set_config('a', 'b', true); RETURN 1; END"),
        FUNCTION.format("plpgsql", "DECLARE x text := set_config('a', 'b', true); BEGIN RETURN 1; END"),
        FUNCTION.format("plpgsql", "BEGIN IF set_config('a', 'b', true) = 'b' THEN RETURN 1; END IF; END"),
    ],
    "STS004": [
        "SET row_security = off",
        "SET LOCAL row_security TO on",
        "ALTER DATABASE d SET row_security = off",
        "RESET row_security",
    ],
    "STS005": [
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE PROCEDURE f() LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "ALTER FUNCTION f() SECURITY DEFINER",
    ],
    "STS006": [
        "CREATE VIEW v AS SELECT 1",
        "CREATE OR REPLACE VIEW v WITH (security_barrier) AS SELECT 1",
        "CREATE VIEW v WITH (security_invoker = false) AS SELECT 1",
        "CREATE VIEW v WITH (security_invoker = 0) AS SELECT 1",
        "ALTER VIEW v SET (security_invoker = off)",
        "ALTER VIEW v RESET (security_invoker)",
    ],
    "STS007": [
        "CREATE POLICY p ON t USING (true)",
        "CREATE POLICY p ON t FOR INSERT WITH CHECK (true)",
        "CREATE POLICY p ON t USING (1 = 1) WITH CHECK (a = b)",
        "CREATE POLICY p ON t USING (a = b OR true) WITH CHECK (a = b)",
        "CREATE POLICY p ON t USING (tenant_id = tenant_id) WITH CHECK (a = b)",
        "CREATE POLICY p ON t USING ('t'::boolean) WITH CHECK (a = b)",
        "ALTER POLICY p ON t USING (true)",
    ],
    "STS008": [
        "CREATE POLICY p ON t USING (a = b)",
        "CREATE POLICY p ON t FOR UPDATE USING (a = b)",
        "CREATE POLICY p ON t FOR INSERT TO x",
    ],
    "STS009": ["ALTER TABLE t DISABLE ROW LEVEL SECURITY", "ALTER TABLE t ADD a int, DISABLE ROW LEVEL SECURITY"],
    "STS010": ["ALTER TABLE t NO FORCE ROW LEVEL SECURITY"],
    "STS011": [
        "CREATE ROLE x BYPASSRLS",
        "CREATE USER x SUPERUSER",
        "ALTER ROLE x BYPASSRLS",
        "ALTER USER x SUPERUSER LOGIN",
    ],
    "STS012": [
        "TRUNCATE t",
        "TRUNCATE ONLY a, b CASCADE",
        "GRANT TRUNCATE ON t TO x",
        "GRANT SELECT, TRUNCATE ON t TO x",
        "GRANT ALL ON t TO x",
    ],
    "STS013": ["COPY t FROM STDIN", "COPY t TO '/x'", "COPY (SELECT 1) TO PROGRAM 'x'"],
    "STS014": ["DO $$ BEGIN END $$", "DO LANGUAGE plpgsql $$ BEGIN NULL; END $$"],
    "STS015": [
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT table_to_xml_and_xmlschema('t', true, true, '')",
        "SELECT * FROM dblink('a', 'b') AS x(a int)",
        "SELECT dblink_exec('x')",
        "SELECT pg_read_file('x')",
        "SELECT pg_read_binary_file('x')",
        "SELECT lo_export(1, 'x')",
        "SELECT lo_import('x')",
        "SELECT pg_ls_dir('x')",
        "SELECT * FROM ts_stat('SELECT 1')",
    ],
    "STS016": [
        "CREATE TABLE t (tenant_id text, id int PRIMARY KEY)",
        "CREATE TABLE t (tenant_id text, id int UNIQUE)",
        "CREATE TABLE t (tenant_id text, id int, PRIMARY KEY (id, tenant_id))",
        "CREATE TABLE t (tenant_id text, id int, UNIQUE (id))",
        "CREATE TABLE t (tenant_id text, id int, EXCLUDE USING gist (id WITH =))",
        "CREATE TABLE t (tenant_id text); CREATE UNIQUE INDEX i ON t (id)",
        "CREATE TABLE t (tenant_id text); CREATE UNIQUE INDEX i ON s.t (lower(id), tenant_id)",
        "CREATE TABLE t (tenant_id text); ALTER TABLE t ADD UNIQUE (id)",
        "CREATE TABLE t (tenant_id text); ALTER TABLE t ADD COLUMN id int UNIQUE",
    ],
    "STS017": [
        "CREATE TABLE t (tenant_id text, id int REFERENCES u)",
        "CREATE TABLE t (tenant_id text, id int, FOREIGN KEY (id) REFERENCES u (id))",
        "CREATE TABLE t (tenant_id text, id int, FOREIGN KEY (id, tenant_id) REFERENCES u (id, tenant_id))",
        "CREATE TABLE t (tenant_id text); ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES u",
    ],
    "STS018": [
        "CREATE TABLE t (tenant_id text)",
        "CREATE TABLE s.t (a int, tenant_id text); SELECT tenancy.protect('s.u')",
        "CREATE TABLE t (tenant_id text); SELECT other.protect('t')",
        "CREATE TABLE t (a int); ALTER TABLE t ADD COLUMN tenant_id text",
        "CREATE TABLE u (tenant_id text); SELECT tenancy.protect('u'); CREATE TABLE t (LIKE u)",
        "CREATE SCHEMA s CREATE TABLE t (tenant_id text)",
        "ALTER TABLE t ADD COLUMN tenant_id text",
    ],
    "STS019": [
        "CREATE TABLE t (tenant_id text); CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        "CREATE TABLE t (tenant_id text); CREATE TABLE m AS SELECT a FROM s.t",
        "CREATE TABLE t (tenant_id text); CREATE VIEW v WITH (security_invoker) AS SELECT * FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM v",
    ],
    "STS021": ["SET app.tenant_id = 'x'", "SET LOCAL app.ctx = 'x'", "RESET app.ctx", "RESET ALL", "DISCARD ALL"],
    "STS022": ["DROP POLICY p ON t", "DROP POLICY IF EXISTS p ON t CASCADE"],
    "STS023": [
        "GRANT SELECT ON t TO PUBLIC",
        "GRANT USAGE ON SCHEMA s TO x, PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    ],
    "STS024": [
        FUNCTION.format("plpython3u", "return 1"),
        FUNCTION.format("plpgsql", "BEGIN EXECUTE 'SELECT 1'; RETURN 1; END"),
        FUNCTION.format("plpgsql", "BEGIN RETURN QUERY EXECUTE x; END"),
        FUNCTION.format("plpgsql", "DECLARE r record; BEGIN FOR r IN EXECUTE x LOOP END LOOP; END"),
        FUNCTION.format("plpgsql", "BEGIN nonsense"),
        FUNCTION.format("sql", "SELEC 1"),
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x', 'y'",
    ],
}
PROTECTED = "CREATE TABLE {} (tenant_id text NOT NULL, id int, {}); SELECT tenancy.protect('{}');"
QUIET = [
    "SELECT 1",
    "-- SET ROLE x",
    "SELECT 'SET ROLE x'",
    "SET LOCAL lock_timeout = '1s'",
    "SET search_path = s",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY INVOKER AS 'SELECT 1'",
    FUNCTION.format("plpgsql", "DECLARE x int := 1; BEGIN x := x + 1; RETURN (SELECT count(*) FROM t); END"),
    "CREATE VIEW v WITH (security_invoker = true, security_barrier) AS SELECT 1",
    "CREATE VIEW v WITH (security_invoker) AS SELECT 1",
    "CREATE VIEW v WITH (security_invoker = on) AS SELECT 1",
    "ALTER VIEW v SET (security_invoker = true)",
    "ALTER TABLE t SET (fillfactor = 50)",
    "CREATE POLICY p ON t USING (a = b) WITH CHECK (a = b)",
    "CREATE POLICY p ON t FOR SELECT USING (a = b)",
    "CREATE POLICY p ON t FOR DELETE USING (a = b)",
    "CREATE POLICY p ON t AS RESTRICTIVE USING (false) WITH CHECK (false)",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE ROLE x NOBYPASSRLS NOSUPERUSER LOGIN",
    "GRANT SELECT ON t TO x",
    "GRANT ALL ON SCHEMA s TO x",
    "REVOKE ALL ON t FROM PUBLIC",
    "REVOKE TRUNCATE ON t FROM x",
    "DROP TABLE t",
    "CREATE TABLE t (id int PRIMARY KEY, u int REFERENCES u)",
    "CREATE TEMPORARY TABLE t (tenant_id text)",
    PROTECTED.format("s.t", "PRIMARY KEY (tenant_id, id)", "s.t"),
    PROTECTED.format("t", "UNIQUE (tenant_id, id)", "t"),
    PROTECTED.format("t", "FOREIGN KEY (tenant_id, id) REFERENCES u (tenant_id, id)", "t"),
    PROTECTED.format("t", "CHECK (id > 0)", "t")
    + "CREATE UNIQUE INDEX i ON t (tenant_id, lower(x)); CREATE INDEX j ON t (id)",
    "CREATE TABLE t (tenant_id text); SELECT tenancy.protect('s.t'::regclass)",
    "CREATE TABLE t (tenant_id text) PARTITION BY HASH (tenant_id); CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); SELECT tenancy.protect('t')",
    "CREATE TABLE t (a int); CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
    "ALTER TABLE t ADD COLUMN tenant_id text; SELECT tenancy.protect('t')",
]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FOUND.items() for text in texts])
def test_found(rule: str, text: str) -> None:
    assert rule in rules(text)


@pytest.mark.parametrize("text", QUIET)
def test_quiet(text: str) -> None:
    assert rules(text) == set()


TABLES = "CREATE TABLE s.t (tenant_id text); SELECT tenancy.protect('s.t'); CREATE VIEW s.v WITH (security_invoker) AS SELECT * FROM s.t"
BLOCK = "-- What the file is for.\n\n-- name: a\n-- What it does.\n{};\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM s.t WHERE tenant_id = %(tenant)s", set()),
        ("SELECT * FROM s.t", {"STS020"}),
        ("SELECT * FROM s.v", {"STS020"}),
        ("SELECT * FROM s.other", set()),
        ("COPY s.t FROM STDIN", {"STS013", "STS020"}),
        ("SELECT query_to_xml('x', true, true, '')", {"STS015"}),
        ("SELECT * FROM {schema}.history WHERE a ~ '^[0-9]{{2}}$'", set()),
        ("ALTER ROLE x PASSWORD {password}", set()),
        ("SELECT '{\"a\": 1}'::jsonb", set()),
        ("SELECT 1; SET ROLE x", {"STS000", "STS001"}),
        ("SELEC", {"STS000"}),
    ],
)
def test_the_catalogue(text: str, expected: set[str]) -> None:
    assert rules(BLOCK.format(text), catalogue=True, tables=TABLES) == expected


def test_a_statement_of_a_duty_spans_tenants() -> None:
    block = BLOCK.replace("-- What it does.", "-- What it does.\n-- duty: stella_jobs")
    assert rules(block.format("SELECT * FROM s.t"), catalogue=True, tables=TABLES) == set()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "-- name: a\nSELECT 1;",
        "-- name: A\n-- x\nSELECT 1;",
        "-- name: a\n-- x\n",
        "-- name: a\n-- x\nSELECT 1;\n-- name: a\n-- x\nSELECT 2;",
    ],
)
def test_a_block_that_would_not_load(text: str) -> None:
    assert rules(text, catalogue=True) == {"STS000"}


def test_lines() -> None:
    script = read(b"\n-- a\nSELECT 1;\n\n/* b\n*/ SET ROLE x;\nSELECT '\xc3\xa4'; SET ROLE y", catalogue=False)
    assert [statement.line for statement in script.statements] == [3, 6, 7, 7]
    block = read(b"-- x\n\n-- name: a\n-- b\n-- c\n\nSELECT 1;\n-- name: d\n-- e\nSELECT\n2 x y;\n", catalogue=True)
    assert [statement.line for statement in block.statements] == [7]
    assert [spot.line for spot in block.spots] == [11]
    assert read(b"SELECT 1;\nSELECT 1 x y;\n", catalogue=False).spots[0].line == 2
    assert read(b"SELECT 1;\n\xff", catalogue=False).spots[0].line == 2
    assert read(b"\xef\xbb\xbfSELECT 1;\r\nSET ROLE x\r\n", catalogue=False).statements[1].line == 2


def test_a_table_of_another_package() -> None:
    made = [
        (Path("one"), "CREATE TABLE t (tenant_id text)"),
        (Path("two"), "CREATE TABLE t (id int)"),
        (Path("one"), "CREATE TABLE x.u (tenant_id text)"),
    ]
    known = Known(
        (package, statement) for package, text in made for statement in read(text.encode(), catalogue=False).statements
    )
    assert known.of(Path("one")) == {"t", "x.u"}
    assert known.of(Path("two")) == {"x.u"}
    assert known.of(Path("three")) == {"t", "x.u"}
    assert known.all() == ("one.t", "x.u")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_have_an_answer(data: bytes, catalogue: bool) -> None:
    file = read(data, catalogue=catalogue)
    assert all(spot.line >= 1 for spot in file.spots)


WORDS = [
    "CREATE",
    "TABLE",
    "t",
    "(",
    "tenant_id",
    "text",
    ")",
    ",",
    "PRIMARY",
    "KEY",
    "UNIQUE",
    "VIEW",
    "AS",
    "SELECT",
    "*",
    "FROM",
    "POLICY",
    "p",
    "ON",
    "USING",
    "true",
    "ALTER",
    "ADD",
    "FUNCTION",
    "f()",
    "RETURNS",
    "int",
    "LANGUAGE",
    "plpgsql",
    "$$",
    "BEGIN",
    "END",
    ";",
    "SET",
    "ROLE",
    "GRANT",
    "TO",
    "ALL",
    "--",
    "name:",
    "\n",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=16).map(" ".join), st.booleans())
def test_any_words_have_an_answer(text: str, catalogue: bool) -> None:
    assert rules(text, catalogue=catalogue) <= RULES.keys()


def test_lines_of_a_long_script() -> None:
    script = read(b"SELECT 1;\n\n-- of a seed\nINSERT INTO a\nVALUES (1);\n" * 4000, catalogue=False)
    assert [statement.line for statement in script.statements[-2:]] == [19_996, 19_999]
