"""Statements of migrations, and what each category allows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stella.database import syntax
from stella.database.errors import BadMigrationFile, LintFailed
from stella.database.files import load_module
from stella.database.syntax import Parsed
from stella.kernel.errors import Exit
from stella.runtime.migrate import Index
from tests.migrations import DATA, EVERY, lay


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def parse(folder: Path, text: str, name: str = "001_a.sql") -> Parsed:
    (file,) = load_module("box", lay(folder, {name: text}))
    return syntax.parse(file)


def test_a_file_is_its_statements_with_their_lines(folder: Path) -> None:
    text = (
        "-- Grüße; a comment\n\nCREATE TABLE a (\n  b text DEFAULT ';' -- ; here too\n);\n/* ; */ "
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;\n"
        "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN; END $x$\n"
    )
    parsed = parse(folder, text)
    assert [(piece.line, piece.text.split("(")[0]) for piece in parsed.pieces] == [
        (3, "CREATE TABLE a "),
        (6, "CREATE FUNCTION f"),
        (7, "CREATE FUNCTION g"),
    ]
    assert parsed.pieces[1].text.endswith("END")
    assert (parsed.transaction, parsed.batch) == (True, 0)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_the_files_of_the_other_tests_keep_the_rules(name: str, folder: Path) -> None:
    assert parse(folder, EVERY[name], name).pieces


ADDING = [
    "CREATE TABLE IF NOT EXISTS a (b int NOT NULL)",
    "CREATE TABLE a (b int); ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0), ALTER b SET NOT NULL",
    "CREATE TABLE a PARTITION OF b DEFAULT",
    "CREATE INDEX i ON a (b)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'DROP TABLE x'",
    "CREATE TYPE e AS ENUM ('a')",
    "ALTER TYPE e ADD VALUE IF NOT EXISTS 'b'",
    "ALTER TABLE a ADD COLUMN c int",
    "ALTER TABLE a ADD COLUMN c int NOT NULL DEFAULT 0",
    "ALTER TABLE a ADD COLUMN c bigserial NOT NULL",
    "ALTER TABLE a ADD COLUMN c int GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE a ALTER b DROP NOT NULL, ALTER b SET DEFAULT 1",
    "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d NOT VALID",
    "ALTER TABLE a ADD CONSTRAINT c UNIQUE USING INDEX i",
    "ALTER TABLE a VALIDATE CONSTRAINT c",
    "ALTER TABLE a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE POLICY p ON a USING (true)",
    "GRANT SELECT ON a TO b; REVOKE ALL ON a FROM PUBLIC",
    "COMMENT ON TABLE a IS 'DROP TABLE a'",
    "INSERT INTO a VALUES (1)",
    "UPDATE a SET b = 1 WHERE b IS NULL",
    "SELECT protect('a')",
    "SET LOCAL search_path = a",
    "ALTER TABLE a ADD COLUMN c smallserial NOT NULL",
    "ALTER TABLE a ADD COLUMN c bigserial PRIMARY KEY",
    "WITH d AS (SELECT 1) INSERT INTO a SELECT * FROM d",
    "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC WITH d AS (DELETE FROM a RETURNING 1) SELECT count(*) FROM d; END",
]


@pytest.mark.parametrize("text", ADDING)
def test_what_only_adds_may_run_at_start(text: str, folder: Path) -> None:
    assert parse(folder, text).pieces


BREAKING = [
    ("DROP TABLE a", "it drops something"),
    ("DROP INDEX i", "it drops something"),
    ("DROP POLICY p ON a", "it drops something"),
    ("TRUNCATE a", "it truncates a table"),
    ("DELETE FROM a", "it deletes rows"),
    ("ALTER TABLE a RENAME TO b", "it renames something"),
    ("ALTER TABLE a RENAME COLUMN b TO c", "it renames something"),
    ("ALTER TABLE a SET SCHEMA b", "alter object schema"),
    ("ALTER TABLE a DROP COLUMN b", "it drops a column"),
    ("ALTER TABLE a ADD COLUMN c int, DROP COLUMN b", "it drops a column"),
    ("CREATE TABLE a (b int); ALTER TABLE a DROP COLUMN b", "it drops a column"),
    ("ALTER TABLE a DROP CONSTRAINT b", "it drops a constraint"),
    ("ALTER TABLE a ALTER b TYPE bigint", "it changes the type of a column"),
    ("ALTER TABLE a ALTER b SET NOT NULL", "it forbids NULL"),
    ("ALTER TABLE a ADD COLUMN c int NOT NULL", "old code does not fill"),
    ("ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)", "NOT VALID"),
    ("ALTER TABLE a DISABLE ROW LEVEL SECURITY", "DisableRowSecurity"),
    ("ALTER TABLE a NO FORCE ROW LEVEL SECURITY", "NoForceRowSecurity"),
    ("ALTER TABLE a DETACH PARTITION b", "DetachPartition"),
    ("ALTER TYPE e RENAME VALUE 'a' TO 'b'", "it renames a value"),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$", "DO block"),
    ("SET search_path = a", "SET LOCAL"),
    ("SET ROLE b", "SET LOCAL"),
    ("LOCK TABLE a", "lock"),
    ("COPY a FROM '/x'", "copy"),
    ("REINDEX TABLE a", "reindex"),
    ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "merge"),
    ("CALL f()", "call"),
    ("WITH d AS (DELETE FROM a RETURNING 1) SELECT count(*) FROM d", "WITH"),
    ("WITH d AS (UPDATE a SET b = 1 RETURNING 1) INSERT INTO c SELECT 1", "WITH"),
    ("ALTER TABLE a ADD CONSTRAINT c NOT NULL b NOT VALID", "it forbids NULL"),
    ("ALTER TABLE a ADD COLUMN c int PRIMARY KEY", "old code does not fill"),
]


@pytest.mark.parametrize(("text", "problem"), BREAKING)
def test_what_breaks_may_not_run_at_start(text: str, problem: str, folder: Path) -> None:
    with pytest.raises(LintFailed) as caught:
        parse(folder, f"SELECT 1;\n{text};")
    error = caught.value
    assert problem in error.message
    assert (error.exit, error.reason) == (Exit.NEGATIVE, "lint_failed")
    assert (error.facts["file"], error.facts["line"], error.facts["category"]) == ("box/001_a.sql", 2, "startup")
    assert "1NN_a.sql" in error.advice
    parse(folder.joinpath("release"), text, "100_a.sql")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", True),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO NOTHING", True),
        ("INSERT INTO a VALUES (1)", False),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1", False),
        ("UPDATE a SET b = 1", False),
        ("CREATE TABLE a (b int)", False),
        ("WITH d AS (DELETE FROM b RETURNING 1) INSERT INTO a SELECT * FROM d ON CONFLICT DO NOTHING", False),
        ("WITH d AS (SELECT 1) INSERT INTO a SELECT * FROM d ON CONFLICT DO NOTHING", True),
    ],
)
def test_a_seed_inserts_what_is_missing(text: str, good: bool, folder: Path) -> None:
    if good:
        parse(folder, text, "S001_a.sql")
        return
    with pytest.raises(LintFailed, match=r"ON CONFLICT DO NOTHING|in a WITH"):
        parse(folder, text, "S001_a.sql")


@pytest.mark.parametrize("name", ["001_a.sql", "100_a.sql"])
@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "START TRANSACTION", "END"])
def test_no_file_begins_or_ends_a_transaction(word: str, name: str, folder: Path) -> None:
    with pytest.raises(BadMigrationFile, match="it begins or ends a transaction"):
        parse(folder, f"SELECT 1; {word};", name)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("SELECT 1;\n\nCREATE TABEL a", 3, 'syntax error at or near "TABEL"'),
        ("SELECT 'ü';\nSELEKT 1", 2, "syntax error"),
        ("-- nothing\n", 1, "it holds no statement"),
        ("", 1, "it holds no statement"),
        ("SELECT 1", 0, ""),
        ("SELECT $$ open", 1, "unterminated"),
        ("CREATE INDEX CONCURRENTLY i ON a (b)", 1, "outside of a transaction only"),
        ("-- stella:no-transactoin\nSELECT 1", 1, "there is no mark `stella:no-transactoin`"),
        ("-- stella:batch 9\nSELECT 1", 1, "there is no mark `stella:batch`"),
        ("SELECT 1;\n-- stella:no-transaction\n", 2, "at the head of a file"),
        ("-- stella:no-transaction\nCREATE INDEX CONCURRENTLY ON a (b)", 2, "needs a name"),
        ("-- stella:no-transaction\nCREATE INDEX i ON a (b)", 2, "could not be repeated"),
        ("-- stella:no-transaction\nDROP INDEX CONCURRENTLY i", 2, "could not be repeated"),
        ("-- stella:no-transaction\nINSERT INTO a VALUES (1)", 2, "could not be repeated"),
        ("-- stella:no-transaction for the index\nSELECT 1", 1, "`stella:no-transaction` takes nothing"),
        ("-- stella:no-transaction false\nVACUUM a", 1, "`stella:no-transaction` takes nothing"),
        ("-- stella:no-transaction\n-- stella:no-transaction\nVACUUM a", 2, "stands twice"),
        ("-- stella: \nSELECT 1", 1, "there is no mark `stella:`"),
        ("SELECT 1;\nCOPY a FROM STDIN", 2, "COPY"),
        ("COPY a TO STDOUT", 1, "COPY"),
        ("SET client_encoding = 'LATIN1'; SELECT 1", 1, "how the rest of the file is read"),
        ("SET NAMES 'LATIN1'", 1, "how the rest of the file is read"),
        ("SET LOCAL standard_conforming_strings = off", 1, "how the rest of the file is read"),
        ("\\\\d a", 1, "syntax error"),
        ("SELECT 1;\nSELECT " + "||".join(["'a'"] * 200), 2, "nests too deep"),
        ("SELECT " + "NOT " * 1_000_000 + "true", 1, "memory"),
    ],
)
def test_a_file_that_cannot_be_used(text: str, line: int, problem: str, folder: Path) -> None:
    if not problem:
        parse(folder, text)
        return
    with pytest.raises(BadMigrationFile) as caught:
        parse(folder, text)
    assert problem in caught.value.message
    assert (caught.value.facts["line"], caught.value.exit) == (line, Exit.USAGE)


def test_a_mark_gets_its_nearest(folder: Path) -> None:
    with pytest.raises(BadMigrationFile) as caught:
        parse(folder, "-- stella:no-transactoin\nSELECT 1")
    assert caught.value.advice == "did you mean `no-transaction`?"


def test_outside_of_a_transaction_indexes_are_known_by_table_and_name(folder: Path) -> None:
    text = (
        "-- About this file.\n-- stella:no-transaction\n"
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON "Odd" (b);\n'
        "CREATE INDEX CONCURRENTLY j ON box.a (b); VACUUM a;"
    )
    parsed = parse(folder, text)
    assert parsed.transaction is False
    assert [piece.makes for piece in parsed.pieces] == [Index('"Odd"', "i"), Index('"box"."a"', "j"), None]
    dropping = parse(folder / "r", "-- stella:no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS i", "100_a.sql")
    assert dropping.pieces[0].makes is None


def test_a_data_migration_is_one_select_with_key_and_size(folder: Path) -> None:
    assert parse(folder, DATA, "DM001_a.sql").batch == 4
    assert parse(folder, DATA.partition("\n")[2], "DM001_a.sql").batch == syntax.FIRST_BATCH


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT count(*), max(id)::text FROM a LIMIT $2", "$1"),
        ("SELECT count(*), max(id)::text FROM a WHERE id > $1", "$2"),
        ("SELECT 1 FROM a WHERE id > $1 AND id < $3 LIMIT $2", "$1"),
        ("SELECT '$1 $2'", "$1"),
        (DATA + DATA.partition("\n")[2], "one SELECT"),
        ("UPDATE a SET b = $1 WHERE id = $2", "one SELECT"),
        (DATA.replace("batch 4", "batch 0"), "1 to 100000 rows"),
        (DATA.replace("batch 4", "batch x"), "1 to 100000 rows"),
        (DATA.replace("batch 4", "batch 100001"), "1 to 100000 rows"),
        (DATA.replace("batch 4", "batch"), "1 to 100000 rows"),
        (DATA.replace("batch 4", "batch 4 rows"), "`stella:batch` takes one number"),
        (DATA.replace("batch 4", "batch 4\n-- stella:batch 5"), "stands twice"),
        (DATA.replace("batch 4", "no-transaction"), "there is no mark `stella:no-transaction`"),
    ],
)
def test_a_data_migration_of_another_form(text: str, problem: str, folder: Path) -> None:
    with pytest.raises(BadMigrationFile) as caught:
        parse(folder, text, "DM001_a.sql")
    assert problem in caught.value.message


def test_what_may_be_concurrent_in_a_transaction(folder: Path) -> None:
    assert parse(folder, "REFRESH MATERIALIZED VIEW CONCURRENTLY a", "100_a.sql").transaction


def test_a_large_file_costs_no_more_for_each_statement(folder: Path) -> None:
    """A count of the lines before each of so many statements would take minutes."""
    many = 200_000
    begin = time.process_time()
    parsed = parse(folder, "SELECT 1;\n" * many, "100_a.sql")
    assert (len(parsed.pieces), parsed.pieces[-1].line) == (many, many)
    assert time.process_time() - begin < 60
