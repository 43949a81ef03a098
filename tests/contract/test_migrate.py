"""Migrations on a real PostgreSQL: the startup host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.database import apply, rules
from stella.database.errors import (
    BadMigrationFile,
    ChecksumDrift,
    LintFailed,
    NewerDatabase,
    ReadOnlyPending,
    ReleasePending,
)
from stella.database.model import Choice
from stella.database.syntax import parse
from stella.kernel.errors import Exit
from stella.runtime import migrate
from stella.runtime.errors import DatabaseAbsent, DatabaseDenied, DatabaseUnavailable, LockTimeout, StatementRefused
from stella.runtime.migrate import Limits
from stella.runtime.postgres import Login
from stella.testing import ManualClock
from tests.migrations import (
    AUTOMATIC,
    COLUMN,
    DATA,
    EVERY,
    STARTUP,
    begin,
    by_hand,
    history,
    lay,
    rows,
    session,
    shipped,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "files", AUTOMATIC)


# --- the startup host ---------------------------------------------------------------------------------------------


def test_a_start_applies_startup_and_seed_and_enters_them(database: str, folder: Path) -> None:
    lay(folder, {"DM001_mark.sql": DATA})
    started = begin(database, folder)
    assert [row.name for row in started.applied] == sorted(AUTOMATIC)
    assert started.data_pending == ("box/DM001_mark.sql",)
    assert (started.read_only, started.notes) == (False, ())
    assert rows(database, "SELECT count(*), count(size) FROM box.item") == [(11, 0)]
    assert rows(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'box.item_word'::regclass") == [(True,)]
    entered = rows(
        database,
        "SELECT migration_name, category, checksum, extract(epoch FROM applied_at)::bigint, applied_by,"
        " duration_ms >= 0 FROM box.schema_migrations ORDER BY 1",
    )
    (files,) = shipped(folder).values()
    wall = ManualClock().read().wall
    assert entered == [
        (file.name, file.category.value, file.checksum, wall, "tester", True)
        for file in sorted(files, key=lambda file: file.name)
        if file.name in AUTOMATIC
    ]


def test_a_second_start_does_nothing(database: str, folder: Path) -> None:
    begin(database, folder)
    sent: list[str] = []
    migrate.observe_statements(sent.append)
    try:
        assert begin(database, folder).applied == ()
    finally:
        migrate.observe_statements(None)
    assert len(sent) == 2, "a look at the history, and whether it can be written"
    assert not [text for text in sent if "lock" in text]


def test_two_modules_with_the_same_names_do_not_disturb_each_other(database: str, tmp_path: Path) -> None:
    one = lay(tmp_path / "one", {"001_a.sql": "CREATE TABLE a (b int)"})
    two = lay(tmp_path / "two", {"001_a.sql": "CREATE TABLE a (b text)", "002_c.sql": "CREATE TABLE c (d int)"})
    apply.start(Login(database), {"one": one, "two": two}, "tester", ManualClock())
    assert (history(database, "one"), history(database, "two")) == (["001_a.sql"], ["001_a.sql", "002_c.sql"])
    found = rows(
        database,
        "SELECT table_schema, data_type FROM information_schema.columns WHERE table_name = 'a' ORDER BY 1",
    )
    assert found == [("one", "integer"), ("two", "text")]


def test_nothing_of_any_module_is_applied_when_one_of_them_is_refused(database: str, tmp_path: Path) -> None:
    good, bad = lay(tmp_path / "one", {"001_a.sql": "SELECT 1"}), lay(tmp_path / "two", {"001_a.sql": "DROP TABLE x"})
    with pytest.raises(LintFailed):
        apply.start(Login(database), {"one": good, "two": bad}, "tester", ManualClock())
    assert rows(database, "SELECT 1 FROM pg_namespace WHERE nspname IN ('one', 'two')") == []


def test_a_pending_release_stops_a_start_before_anything_runs(database: str, folder: Path) -> None:
    lay(folder, {"100_rename.sql": EVERY["100_rename.sql"]})
    with pytest.raises(ReleasePending, match="box/100_rename"):
        begin(database, folder)
    assert rows(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'box'") == []
    assert [row.name for row in by_hand(database, folder, Choice.RELEASE)] == [
        "001_item.sql",
        "002_index.sql",
        "003_size.sql",
        "100_rename.sql",
    ]


def test_a_failing_file_leaves_nothing_of_itself_and_what_was_before(database: str, folder: Path) -> None:
    broken = "CREATE TABLE half (a int);\n\nINSERT INTO item\nVALUES (1, 'again');"
    lay(folder, {"004_broken.sql": broken})
    with pytest.raises(StatementRefused, match="duplicate key") as caught:
        begin(database, folder)
    assert caught.value.facts["where"] == "box/004_broken.sql, line 3"
    assert "23505" in caught.value.advice
    assert history(database) == ["001_item.sql", "002_index.sql", "003_size.sql"]
    assert rows(database, "SELECT to_regclass('box.half')") == [(None,)]
    lay(folder, {"004_broken.sql": "CREATE TABLE half (a int);"})
    assert [row.name for row in begin(database, folder).applied] == ["004_broken.sql", "S001_seed.sql"]


def test_the_line_of_an_error_is_that_of_the_word(database: str, tmp_path: Path) -> None:
    lay(tmp_path, {"001_a.sql": "SELECT 'ü',\n  1,\n  nowhere\n"})
    with pytest.raises(StatementRefused, match=r"box/001_a\.sql, line 3: .*nowhere"):
        begin(database, tmp_path)


def test_a_file_leaves_no_setting_and_no_role(database: str, tmp_path: Path) -> None:
    files = {
        "100_set.sql": "SET SESSION AUTHORIZATION pg_monitor; SET work_mem = '9MB'; SET search_path = public;",
        "101_see.sql": "CREATE TABLE see AS SELECT current_user::text, current_setting('work_mem') AS memory;",
    }
    with pytest.raises(DatabaseDenied):  # the role may not even enter the history
        by_hand(database, lay(tmp_path, files), Choice.RELEASE)
    lay(tmp_path, {"100_set.sql": "SET ROLE pg_monitor; RESET ROLE; SET work_mem = '9MB'; SET search_path = public;"})
    by_hand(database, tmp_path, Choice.RELEASE)
    assert rows(database, "SELECT * FROM box.see") == [("stella_super", "4MB")]


def test_a_database_and_an_environment_that_read_text_otherwise_change_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    (name,) = rows(database, "SELECT current_database()")[0]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET standard_conforming_strings = off")
        connection.execute(f"ALTER DATABASE {name} SET escape_string_warning = off")
    text = "CREATE TABLE x AS SELECT 'a\\n→' AS word; SELECT '\\'' ; DROP TABLE x; --'"
    begin(database, lay(tmp_path, {"001_a.sql": text}))
    monkeypatch.delenv("PGCLIENTENCODING")
    assert rows(database, "SELECT word FROM box.x") == [("a\\n→",)]


def test_a_primary_that_turns_read_only_is_waited_for(database: str, folder: Path) -> None:
    with session(database) as opened:
        files = shipped(folder)
        judged = apply.judge_all(opened, files)
        turned: list[str] = []

        def turn(text: str) -> None:
            if text.startswith("CREATE TABLE item") and not turned:
                turned.append(text)
                opened.connection.execute("SET TRANSACTION READ ONLY")

        migrate.observe_statements(turn)
        try:
            with pytest.raises(DatabaseUnavailable, match="read-only") as caught:
                apply.apply_pending(opened, files, judged, Choice.AUTOMATIC)
        finally:
            migrate.observe_statements(None)
        assert caught.value.exit is Exit.TRANSIENT
    assert history(database) == []
    assert len(begin(database, folder).applied) == len(AUTOMATIC)


def test_a_start_changes_few_rows_only(database: str, tmp_path: Path) -> None:
    text = f"{STARTUP} INSERT INTO item SELECT n, 'x' FROM generate_series(11, {rules.MAX_START_ROWS}) n;"
    begin(database, lay(tmp_path, {"001_item.sql": text}))
    lay(tmp_path, {"002_much.sql": "UPDATE item SET word = ''; INSERT INTO item VALUES (-1, '')"})
    with pytest.raises(LintFailed, match="it changes 10001 rows") as caught:
        begin(database, tmp_path)
    assert "DMNNN_much.sql" in caught.value.advice
    assert rows(database, "SELECT count(*) FROM box.item WHERE word = ''") == [(0,)]


def test_a_statement_that_takes_too_long_is_stopped(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules.LIMITS["startup"] == Limits(1_000, 60_000)
    monkeypatch.setattr(apply, "LIMITS", dict.fromkeys(rules.LIMITS, Limits(1_000, 30)))
    with pytest.raises(StatementRefused, match="statement timeout"):
        begin(database, lay(tmp_path, {"001_a.sql": "SELECT pg_sleep(9)"}))


# --- history that differs -----------------------------------------------------------------------------------------


def change(folder: Path, how: str) -> None:
    path = folder / "003_size.sql"
    match how:
        case "edited":
            path.write_text(COLUMN.replace("int", "bigint"))
        case "missing":
            path.unlink()
        case "renamed":
            path.rename(folder / "004_size.sql")
        case "crlf":
            path.write_bytes(COLUMN.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("how", "kind"),
    [("edited", ChecksumDrift), ("missing", NewerDatabase), ("renamed", NewerDatabase), ("crlf", None)],
)
def test_a_file_that_is_not_what_was_applied(how: str, kind: Any, database: str, folder: Path) -> None:
    begin(database, folder)
    change(folder, how)
    lay(folder, {"005_more.sql": "CREATE TABLE more (a int)"})
    if kind is None:
        assert [row.name for row in begin(database, folder).applied] == ["005_more.sql"]
        return
    with pytest.raises(kind) as caught:
        begin(database, folder)
    assert ("004_size.sql" in caught.value.message) == (how == "renamed")
    assert rows(database, "SELECT to_regclass('box.more')") == [(None,)], "nothing is run"
    with pytest.raises(kind):
        by_hand(database, folder, Choice.ALL)


def test_an_edited_seed_is_noted_and_not_run_again(database: str, folder: Path) -> None:
    begin(database, folder)
    lay(folder, {"S001_seed.sql": "INSERT INTO item (id, word) VALUES (99, 'x') ON CONFLICT DO NOTHING;"})
    started = begin(database, folder)
    assert started.applied == ()
    assert "box/S001_seed.sql has changed" in started.notes[0]
    assert rows(database, "SELECT count(*) FROM box.item WHERE id = 99") == [(0,)]


def test_what_another_starter_applies_meanwhile_is_seen_under_the_lock(database: str, folder: Path) -> None:
    with session(database) as other:
        turn = other.locked("box")
        turn.__enter__()
        (files,) = shipped(folder).values()
        first = next(file for file in files if file.name == "001_item.sql")

        def pause(_: float) -> None:
            other.prepare("box")
            other.apply(apply.entry_of(first), parse(first).pieces, Limits(0, 0))
            turn.__exit__(None, None, None)

        assert [row.name for row in begin(database, folder, pause=pause).applied] == sorted(AUTOMATIC)[1:]


# --- databases that cannot be written, or reached -------------------------------------------------------------------


def test_a_read_only_database_is_compared_and_not_changed(database: str, folder: Path) -> None:
    begin(database, folder)
    (name,) = rows(database, "SELECT current_database()")[0]
    rows_of_setting = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(rows_of_setting)
    started = begin(database, folder)
    assert (started.read_only, started.applied) == (True, ())
    lay(folder, {"004_more.sql": "CREATE TABLE more (a int)"})
    with pytest.raises(ReadOnlyPending, match=r"lacks migrations: box/004_more\.sql") as caught:
        begin(database, folder)
    assert caught.value.exit is Exit.TRANSIENT
    change(folder, "edited")
    with pytest.raises(ChecksumDrift):
        begin(database, folder)


def test_a_database_that_does_not_answer_or_does_not_let_in(postgres: Any, database: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=str(tmp_path)):
        begin(f"host={tmp_path} user=me dbname=stella", tmp_path)
    with pytest.raises(DatabaseDenied, match="password"):
        apply.start(Login(postgres.dsn(), "wrong"), {}, "tester", ManualClock())
    with pytest.raises(DatabaseAbsent, match="nowhere"):
        begin(database.replace("dbname=test", "dbname=nowhere"), tmp_path)


def test_a_role_without_rights_is_told_so(database: str, folder: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE poor LOGIN PASSWORD 'x'; EXCEPTION WHEN others THEN END $$")
    with pytest.raises(DatabaseDenied, match="permission denied") as caught:
        begin(database.replace("user=stella_super", "user=poor").replace("only for tests", "x"), folder)
    assert caught.value.exit is Exit.DENIED


def test_an_owner_needs_no_right_to_create_when_the_schema_is_there(database: str, folder: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE owner LOGIN PASSWORD 'x'; EXCEPTION WHEN others THEN END $$")
        connection.execute("CREATE SCHEMA box AUTHORIZATION owner")
    dsn = database.replace("user=stella_super", "user=owner").replace("only for tests", "x")
    assert len(begin(dsn, folder).applied) == len(AUTOMATIC)


# --- locks --------------------------------------------------------------------------------------------------------


def test_who_holds_the_lock_is_named(database: str, folder: Path) -> None:
    with session(database) as holder, holder.locked("box"):
        pid = holder.connection.info.backend_pid
        with pytest.raises(LockTimeout, match=f"process {pid} of the server has it .stella migrate") as caught:
            begin(database, folder, patience=0.1)
        assert (caught.value.exit, caught.value.reason) == (Exit.TRANSIENT, "lock_timeout")
    assert begin(database, folder, patience=0.1).applied


def test_whoever_waits_says_so_before_it_gives_up(database: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "SAY_AFTER", 0.1)
    said: list[str] = []
    with session(database) as holder, holder.locked("box"):
        pid = holder.connection.info.backend_pid
        with pytest.raises(LockTimeout):
            begin(database, folder, patience=0.4, waiting=said.append)
    what = "waiting for the turn to migrate schema `box`"
    assert said == [f"{what}: process {pid} of the server has it (stella migrate)"]


def test_the_lock_is_polled_and_let_go(database: str, folder: Path) -> None:
    paused: list[float] = []
    with session(database) as holder:
        turn = holder.locked("box")
        turn.__enter__()

        def pause(seconds: float) -> None:
            paused.append(seconds)
            if len(paused) == 3:
                turn.__exit__(None, None, None)

        assert begin(database, folder, pause=pause).applied
        assert paused == [migrate.POLL] * 3
        assert rows(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_a_lock_on_a_table_is_tried_again_with_pauses(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(database, folder)
    lay(folder, {"004_more.sql": "CREATE TABLE new (a int); ALTER TABLE item ADD COLUMN more int"})
    monkeypatch.setattr(apply, "LIMITS", dict.fromkeys(rules.LIMITS, Limits(20, 60_000)))
    paused: list[float] = []
    with psycopg.connect(database) as reader:
        reader.execute("SELECT * FROM box.item")
        with pytest.raises(LockTimeout, match=r"box/004_more\.sql waited .* lock timeout"):
            begin(database, folder, pause=paused.append)
        assert paused == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0]
        assert rows(database, "SELECT to_regclass('box.new')") == [(None,)]
        turns = iter(range(9))
        started = begin(database, folder, pause=lambda _: reader.rollback() if next(turns) == 2 else None)
    assert [row.name for row in started.applied] == ["004_more.sql"]


# --- indexes without a transaction ----------------------------------------------------------------------------------

UNIQUE = "-- stella:no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY item_unique ON item (word);\n"


def validity(dsn: str, name: str = "item_unique") -> list[Any]:
    return rows(dsn, f"SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = '{name}'")


def test_an_index_that_fails_leaves_nothing(database: str, folder: Path) -> None:
    lay(folder, {"004_unique.sql": UNIQUE})
    with pytest.raises(StatementRefused, match="could not create unique index"):
        begin(database, folder)
    assert validity(database) == []
    rows(database, "UPDATE box.item SET word = id::text RETURNING 1")
    assert begin(database, folder).applied[0].name == "004_unique.sql"
    assert validity(database) == [(True,)]


def test_an_index_that_waits_too_long_leaves_nothing(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be left of a unique one goes on refusing rows."""
    begin(database, folder)
    rows(database, "UPDATE box.item SET word = id::text RETURNING 1")
    lay(folder, {"004_unique.sql": UNIQUE})
    monkeypatch.setattr(apply, "LIMITS", dict.fromkeys(rules.LIMITS, Limits(50, 60_000)))
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    with psycopg.connect(database) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("UPDATE box.item SET size = 1 WHERE id = 1")
        with pytest.raises(LockTimeout):
            begin(database, folder, pause=lambda _: None)
        left = validity(database)
        reader.rollback()
    assert left in ([], [(False,)])  # nothing may be removed while the writer holds the table
    assert [row.name for row in begin(database, folder).applied] == ["004_unique.sql"]
    assert validity(database) == [(True,)]


def test_an_invalid_index_is_made_again(database: str, folder: Path) -> None:
    begin(database, folder)
    rows(database, "UPDATE box.item SET word = id::text RETURNING 1")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE INDEX item_unique ON box.item (size)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'box.item_unique'::regclass")
    lay(folder, {"004_unique.sql": UNIQUE.replace("CONCURRENTLY item", "CONCURRENTLY IF NOT EXISTS item")})
    begin(database, folder)
    assert validity(database) == [(True,)]
    assert rows(database, "SELECT indisunique FROM pg_index WHERE indexrelid = 'box.item_unique'::regclass") == [
        (True,)
    ]


def test_a_whole_index_is_not_made_again(database: str, folder: Path) -> None:
    begin(database, folder)
    rows(database, "UPDATE box.item SET word = id::text RETURNING 1")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE UNIQUE INDEX item_unique ON box.item (word)")
    before = rows(database, "SELECT 'box.item_unique'::regclass::oid")
    begin(database, lay(folder, {"004_unique.sql": UNIQUE}))
    assert rows(database, "SELECT 'box.item_unique'::regclass::oid") == before


def test_a_file_that_does_not_parse_is_found_before_anything_runs(database: str, folder: Path) -> None:
    lay(folder, {"004_x.sql": "SELEKT 1"})
    with pytest.raises(BadMigrationFile, match="SELEKT"):
        begin(database, folder)
    assert history(database) == []
