"""Migrations on a real PostgreSQL: the startup host, and the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella import bootstrap
from stella.cli.main import run
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
from stella.kernel.errors import Exit
from stella.runtime import batches, migrate
from stella.runtime.errors import DatabaseAbsent, DatabaseDenied, DatabaseUnavailable, LockTimeout, StatementRefused
from stella.runtime.migrate import Limits
from stella.runtime.postgres import Login
from stella.testing import ManualClock, SilentProgress
from tests.e2e.material import as_process
from tests.migrations import AUTOMATIC, COLUMN, DATA, EVERY, STARTUP, begin, history, lay, rows, session, shipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "files", AUTOMATIC)


def by_hand(dsn: str, folder: Path, choice: Choice, progress: Any = None) -> list[Any]:
    with session(dsn) as opened:
        files = shipped(folder)
        return apply.apply_pending(opened, files, apply.judge_all(opened, files), choice, progress)


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


def test_what_another_starter_applies_meanwhile_is_seen_under_the_lock(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = migrate.Session.prepare
    turns = iter([True])

    def late(self: migrate.Session, schema: str) -> None:
        prepare(self, schema)
        if next(turns, False):
            with psycopg.connect(database, autocommit=True) as other:
                (files,) = shipped(folder).values()
                values = [(file.name, file.category, file.checksum) for file in files if file.name < "002"]
                other.cursor().executemany(
                    "INSERT INTO box.schema_migrations VALUES (%s, %s, %s, now(), 'other', 1)", values
                )
                other.execute(f"SET search_path = box; {STARTUP}")

    monkeypatch.setattr(migrate.Session, "prepare", late)
    assert [row.name for row in begin(database, folder).applied] == sorted(AUTOMATIC)[1:]


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


# --- data in batches ------------------------------------------------------------------------------------------------


class Watching(SilentProgress):
    """Does something after each batch."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.act, self.taken = act, list[int]()
        self.task = ""

    def start(self, task: str, total: int | None, unit: str) -> None:  # noqa: ARG002  # the port
        self.task, self.unit = task, unit

    def advance(self, amount: int) -> None:
        if self.unit == "rows":
            self.taken.append(amount)
            self.act(len(self.taken))


def words(dsn: str) -> dict[str, int]:
    return dict(rows(dsn, "SELECT word, count(*) FROM box.item GROUP BY word"))


def test_data_is_done_in_batches_each_row_once(database: str, folder: Path) -> None:
    begin(database, lay(folder, {"DM001_mark.sql": DATA}))
    progress = Watching(lambda _: None)
    (row,) = by_hand(database, folder, Choice.DATA, progress)
    assert (row.name, row.state, row.touched) == ("DM001_mark.sql", "applied", 11)
    assert sum(progress.taken) == 11
    assert progress.taken[0] == 4
    assert len(progress.taken) > 1
    assert words(database) == {"w!": 10, "seed!": 1}
    assert history(database) == sorted([*AUTOMATIC, "DM001_mark.sql"])
    assert rows(database, "SELECT * FROM box.schema_checkpoints") == []
    assert by_hand(database, folder, Choice.DATA) == []


def test_a_pause_is_obeyed_between_batches_and_a_run_goes_on(database: str, folder: Path) -> None:
    lay(folder, {"DM001_mark.sql": DATA, "DM002_more.sql": DATA.replace("'!'", "'?'")})
    begin(database, folder)
    (files,) = shipped(folder).values()
    entry = apply.entry_of(next(file for file in files if file.name == "DM001_mark.sql"))

    def stop(batch: int) -> None:
        if batch == 1:
            with session(database) as other:
                batches.mark(other, entry, 4, paused=True)

    found = by_hand(database, folder, Choice.ALL, Watching(stop))
    assert [(row.name, row.state, row.touched) for row in found] == [("DM001_mark.sql", "paused", 4)]
    assert words(database) == {"seed!": 1, "w!": 3, "w": 7}
    found = by_hand(database, folder, Choice.ALL)
    assert [(row.name, row.state, row.touched) for row in found] == [
        ("DM001_mark.sql", "applied", 11),
        ("DM002_more.sql", "applied", 11),
    ]
    assert words(database) == {"seed!?": 1, "w!?": 10}


def test_a_data_migration_that_changed_half_way_does_not_go_on(database: str, folder: Path) -> None:
    lay(folder, {"DM001_mark.sql": DATA})
    begin(database, folder)

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_hand(database, folder, Choice.DATA, Watching(fail))
    lay(folder, {"DM001_mark.sql": DATA.replace("'!'", "'?'")})
    with pytest.raises(ChecksumDrift, match="DM001_mark"):
        by_hand(database, folder, Choice.DATA)
    lay(folder, {"DM001_mark.sql": DATA})
    by_hand(database, folder, Choice.DATA)
    assert words(database) == {"seed!": 1, "w!": 10}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("count(*)", "must answer"),
        ("max(id)::text, count(*)", "must answer"),
        ("count(*), max(id)", "must answer"),
        ("count(*), '7'::text", "would never end"),
    ],
)
def test_a_batch_that_answers_something_else_is_refused(answer: str, problem: str, database: str, folder: Path) -> None:
    begin(database, lay(folder, {"DM001_mark.sql": DATA.replace("count(*), max(id)::text", answer)}))
    with pytest.raises(StatementRefused, match=problem) as caught:
        by_hand(database, folder, Choice.DATA)
    assert caught.value.facts["where"] == "box/DM001_mark.sql, line 2"


def test_data_that_runs_keeps_nobody_from_starting(database: str, folder: Path) -> None:
    begin(database, lay(folder, {"DM001_mark.sql": DATA}))
    more = lay(folder.parent / "more", {path.name: path.read_bytes() for path in folder.iterdir()})
    lay(more, {"004_more.sql": "CREATE TABLE more (a int)"})

    def start_another(batch: int) -> None:
        if batch == 1:
            assert [row.name for row in begin(database, more, patience=0.1).applied] == ["004_more.sql"]
            with session(database) as other:
                other.patience = 0.1
                files = shipped(more)
                judged = apply.judge_all(other, files)
                with pytest.raises(LockTimeout):
                    apply.apply_pending(other, files, judged, Choice.DATA)

    by_hand(database, folder, Choice.DATA, Watching(start_another))
    assert words(database) == {"seed!": 1, "w!": 10}


# --- the commands -----------------------------------------------------------------------------------------------------


class Commands:
    """`stella migrate` over a package that ships files, as a person runs it."""

    def __init__(self, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.files, self._capsys = package / "migrations", capsys

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        self._capsys.readouterr()
        code = run(["migrate", *words, "--json"])
        out, err = self._capsys.readouterr()
        assert not err
        return code, json.loads(out)

    def shown(self, *words: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = run(["migrate", *words])
        out, err = self._capsys.readouterr()
        return code, out + err


@pytest.fixture
def commands(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Commands]:
    package = tmp_path / "box_of_the_commands"
    lay(package / "migrations", EVERY)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bootstrap, "SCHEMAS", {"box": package.name})
    plain, _, password = database.partition(" password=")
    extra = {"STELLA_DATABASE_OWNER_DSN": plain, "PGPASSWORD": password.strip("'")}
    with as_process(tmp_path, **extra):
        yield Commands(package, capsys)
    sys.modules.pop(package.name, None)


def names(found: dict[str, Any], key: str = "name") -> list[str]:
    return [row[key] for row in found["files"]]


def test_from_status_to_verify(commands: Commands) -> None:
    code, found = commands("status")
    assert (code, found["schema"], found["ready"], found["read_only"]) == (0, "stella.migrate.status@1", False, False)
    assert set(names(found, "state")) == {"pending"}
    code, planned = commands("plan", "--category", "all")
    assert (code, names(planned)) == (0, [*sorted(AUTOMATIC), "DM001_mark.sql", "100_rename.sql"])
    code, dry = commands("run", "--category", "all", "--dry-run")
    assert (code, dry["digest"], dry["dry_run"]) == (0, planned["digest"], True)
    assert names(commands("status")[1], "state") == ["pending"] * len(EVERY)
    code, ran = commands("run")
    assert (code, names(ran)) == (0, sorted(AUTOMATIC))
    code, changed = commands("run", "--category", "all", "--plan", planned["digest"])
    assert (code, changed["reason"]) == (6, "plan_changed")
    assert "stella migrate plan --category all" in changed["hint"]
    code, planned = commands("plan", "--category", "data")
    code, ran = commands("run", "--category", "data", "--plan", planned["digest"])
    assert (code, names(ran), ran["files"][0]["touched"]) == (0, ["DM001_mark.sql"], 11)
    code, ran = commands("run", "--category", "release")
    assert (code, names(ran)) == (0, ["100_rename.sql"])
    code, verified = commands("verify")
    assert (code, verified["applied"], verified["pending"]) == (0, len(EVERY), 0)
    code, found = commands("status", "--module", "box")
    assert found["ready"] is True
    assert set(names(found, "state")) == {"applied"}
    assert {row["applied_by"] for row in found["files"]} == {bootstrap.actor()}


def test_pause_and_go_on(commands: Commands) -> None:
    code, paused = commands("pause")
    assert (code, names(paused)) == (0, ["DM001_mark.sql"])
    _, found = commands("status")
    assert {row["name"]: row["state"] for row in found["files"]}["DM001_mark.sql"] == "paused"
    assert commands("run", "--category", "data")[1]["files"][-1]["state"] == "applied"
    assert commands("pause")[1]["files"] == []


def test_what_people_see(commands: Commands) -> None:
    code, text = commands.shown("status")
    assert code == 0
    assert "001_item.sql" in text
    assert "no: `stella migrate verify` says why" in text
    code, text = commands.shown("run", "--dry-run")
    assert "dry run; nothing was changed" in text
    for words in (["plan"], ["run"], ["verify"], ["pause"], ["status"], ["plan"]):
        code, text = commands.shown(*words)
        assert (code, bool(text)) == (0, True)
    assert "nothing is pending" in text


def test_what_is_refused_has_its_exit_code_and_reason(commands: Commands) -> None:
    assert commands("run")[0] == 0
    table = [
        ("003_size.sql", COLUMN + "\n", "verify", 6, "checksum_drift"),
        ("003_size.sql", COLUMN + "\n", "run", 6, "checksum_drift"),
        ("003_size.sql", None, "verify", 6, "newer_database"),
        ("003_size.sql", None, "plan", 6, "newer_database"),
        ("004_x.sql", "DROP TABLE item", "verify", 6, "lint_failed"),
        ("004_x.sql", "DROP TABLE item", "run", 6, "lint_failed"),
        ("004_x.sql", "DROP TABEL item", "verify", 2, "usage"),
        ("V4__x.sql", "SELECT 1", "status", 2, "usage"),
        ("004_x.sql", "SELECT 1/0", "run", 6, "statement_refused"),
    ]
    for name, text, verb, code, reason in table:
        path = commands.files / name
        before = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
        ended, problem = commands(verb)
        assert (ended, problem["reason"], problem["schema"]) == (code, reason, "stella.problem@1"), (name, verb)
        path.unlink(missing_ok=True) if before is None else path.write_bytes(before)
    assert commands("verify")[0] == 0
    (commands.files / "003_size.sql").unlink()
    code, found = commands("status")
    assert (code, found["ready"]) == (0, False)
    assert {row["name"]: row["state"] for row in found["files"]}["003_size.sql"] == "unknown"


def test_bad_usage(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    code, problem = commands("status", "--module", "bux")
    assert (code, problem["hint"]) == (2, "did you mean `box`?")
    assert commands("run", "--category", "relese")[0] == 2
    monkeypatch.setenv("STELLA_DATABASE_OWNER_DSN", "host=x password=hush")
    code, problem = commands("status")
    assert (code, problem["code"], "hush" in json.dumps(problem)) == (2, "DB-001", False)
    monkeypatch.setenv("STELLA_DATABASE_OWNER_DSN", "env:MY_ADDRESS")
    assert commands("status")[1]["code"] == "CONF-004"
    monkeypatch.setenv("MY_ADDRESS", "host=/nowhere")
    assert commands("status")[0] == 10
    monkeypatch.delenv("STELLA_DATABASE_OWNER_DSN")
    code, problem = commands("status")
    assert (code, problem["code"]) == (2, "MIGRATE-009")
    monkeypatch.setenv("STELLA_DATABASE_DSN", "host=/nowhere")
    monkeypatch.setenv("STELLA_DATABASE_PASSWORD", "env:UNSET")
    assert commands("status")[1]["code"] == "CONF-004"


def test_a_file_that_does_not_parse_is_found_before_anything_runs(database: str, folder: Path) -> None:
    lay(folder, {"004_x.sql": "SELEKT 1"})
    with pytest.raises(BadMigrationFile, match="SELEKT"):
        begin(database, folder)
    assert history(database) == []
