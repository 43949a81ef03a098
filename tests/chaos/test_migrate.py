"""Kills at every statement of a migration, lost connections, many starters at once, a standby: on a real PostgreSQL.

Rules:
- A statement is a point: the process is killed before it, or the server ends the connection. All points are tried; of
  the lost connections most at night.
- Whenever it ends, a file is in the history with all that it does, or in neither; the same command again finishes.
- Each point has a schema of its own in one database, since that is what a schema is for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stella.database import apply
from stella.database.errors import ReadOnlyPending
from stella.database.model import Choice
from stella.runtime import migrate, postgres_server
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.migrate import Session
from stella.runtime.postgres import Login
from stella.runtime.postgres_server import Postgres
from stella.testing import ManualClock
from tests.migrations import AUTOMATIC, EVERY, begin, ended, history, in_child, lay, rows, session, shipped

STARTERS = 16
HANDS = 4  # tests that share the points, so that workers can share them too
ENOUGH = 200  # points; the run has fewer, and a test says so when that is no longer true

EFFECTS = {  # whether a file has done what it does: {0} is the schema, {1} the column that a release renames
    "001_item.sql": "SELECT to_regclass('{0}.item') IS NOT NULL",
    "002_index.sql": "SELECT count(*) = 1 FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('{0}.item_word')",
    "S001_seed.sql": "SELECT EXISTS (SELECT 1 FROM {0}.item WHERE id = 0)",
    "DM001_mark.sql": "SELECT NOT EXISTS (SELECT 1 FROM {0}.item WHERE {1} NOT LIKE '%!')",
    "100_rename.sql": "SELECT count(*) = 1 FROM information_schema.columns"
    " WHERE table_schema = '{0}' AND column_name = 'name'",
}
BEFORE_ENTRY = {"002_index.sql", "DM001_mark.sql"}  # done in steps of their own before the one that enters them


def everything(opened: Session, folder: Path, module: str) -> None:
    files = shipped(folder, module)
    apply.apply_pending(opened, files, apply.judge_all(opened, files), Choice.ALL)


def migrate_all(dsn: str, folder: Path, module: str) -> None:
    with session(dsn) as opened:
        everything(opened, folder, module)


def at_point(point: int, act: Callable[[], object]) -> None:
    """Let it happen before the statement of that number."""
    steps = count(1)
    migrate.observe_statements(lambda _: act() if next(steps) == point else None)


def judge_middle(dsn: str, module: str) -> None:
    """History and effects agree, file by file; no row was done twice."""
    if rows(dsn, f"SELECT to_regclass('{module}.schema_migrations')") == [(None,)]:
        return
    entered = set(history(dsn, module))
    column = "name" if "100_rename.sql" in entered else "word"
    if "001_item.sql" not in entered:
        assert not entered
        assert rows(dsn, EFFECTS["001_item.sql"].format(module)) == [(False,)]
        return
    for name, query in EFFECTS.items():
        ((done,),) = rows(dsn, query.format(module, column))
        assert done == (name in entered) or (done and name in BEFORE_ENTRY), name
    assert rows(dsn, f"SELECT 1 FROM {module}.item WHERE {column} LIKE '%!!%'") == []


def judge_end(dsn: str, module: str) -> None:
    assert history(dsn, module) == sorted(EVERY)
    found = rows(dsn, f"SELECT name, count(*) FROM {module}.item GROUP BY name ORDER BY 1")
    assert found == [("seed!", 1), ("w!", 10)]
    assert rows(dsn, f"SELECT * FROM {module}.schema_checkpoints") == []
    assert rows(dsn, f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{module}.item_word'::regclass") == [(True,)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "files", EVERY)


@pytest.fixture
def points(database: str, folder: Path) -> int:
    """Statements of an undisturbed run."""
    sent: list[str] = []
    migrate.observe_statements(sent.append)
    try:
        migrate_all(database, folder, "undisturbed")
    finally:
        migrate.observe_statements(None)
    judge_end(database, "undisturbed")
    assert 50 < len(sent) < ENOUGH
    return len(sent)


@pytest.mark.slow
@pytest.mark.parametrize("hand", range(HANDS))
def test_kill_9_before_every_statement(hand: int, points: int, database: str, folder: Path) -> None:
    for point in range(1 + hand, points + 1, HANDS):
        module = f"kill_{point}"

        def act(point: int = point, module: str = module) -> None:
            at_point(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
            migrate_all(database, folder, module)

        assert ended(in_child(act)) == -signal.SIGKILL, point
        judge_middle(database, module)
        migrate_all(database, folder, module)
        judge_end(database, module)


@pytest.mark.slow
@pytest.mark.parametrize("hand", [0, *(pytest.param(hand, marks=pytest.mark.nightly) for hand in range(1, HANDS))])
def test_a_connection_lost_before_every_statement(hand: int, points: int, database: str, folder: Path) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        for point in range(1 + hand, points + 1, HANDS):
            module = f"lost_{point}"
            with session(database) as opened:
                end = f"SELECT pg_terminate_backend({opened.connection.info.backend_pid}, 5000)"
                at_point(point, partial(admin.execute, end))
                last = point == points  # it lets go of the lock, which the end of the connection does as well
                try:
                    with contextlib.nullcontext() if last else pytest.raises(DatabaseUnavailable):
                        everything(opened, folder, module)
                finally:
                    migrate.observe_statements(None)
            judge_middle(database, module)
            migrate_all(database, folder, module)
            judge_end(database, module)


def test_a_kill_in_the_middle_of_an_index(database: str, folder: Path) -> None:
    """Its client and then its backend end while it waits for an old reader, so that it stays invalid."""
    lay(folder, {"002_index.sql": "SELECT 1"})
    begin_only = {name: text for name, text in AUTOMATIC.items() if name < "002"}
    begin(database, lay(folder.parent / "first", begin_only))
    with psycopg.connect(database) as reader, psycopg.connect(database, autocommit=True) as admin:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM box.item")
        pid = in_child(lambda: begin(database, lay(folder.parent / "second", AUTOMATIC)))
        waiting = (
            "SELECT pid FROM pg_stat_activity"
            " WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
        )
        backend = wait_for(lambda: admin.execute(waiting).fetchone())[0]
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
    invalid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('box.item_word')"
    assert rows(database, invalid) == [(False,)]
    assert [row.name for row in begin(database, folder.parent / "second").applied] == sorted(AUTOMATIC)[1:]
    assert rows(database, invalid) == [(True,)]


def wait_for(look: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise TimeoutError


def test_sixteen_starters_apply_each_file_once_and_none_fails(database: str, folder: Path) -> None:
    (folder / "100_rename.sql").unlink()
    ready, go = os.pipe()

    def starter() -> None:
        os.close(go)
        os.read(ready, 1)  # returns when the parent closes the other end
        applied = begin(database, folder).applied
        Path(folder.parent, f"applied-{os.getpid()}").write_text("".join(f"{row.name}\n" for row in applied))

    children = [in_child(starter) for _ in range(STARTERS)]
    os.close(go)
    assert [ended(pid) for pid in children] == [0] * STARTERS
    os.close(ready)
    told = [path.read_text().split() for path in folder.parent.glob("applied-*")]
    assert len(told) == STARTERS
    assert sorted(name for names in told for name in names) == sorted(AUTOMATIC)
    assert history(database) == sorted(AUTOMATIC)
    assert rows(database, "SELECT count(*) FROM box.item") == [(11,)]


@pytest.mark.slow
def test_a_standby_is_compared_and_not_changed(folder: Path) -> None:
    """The same data folder, started once as a primary and then as a standby."""
    (folder / "100_rename.sql").unlink()
    top = Path(os.environ.get("TMPDIR", "/tmp"), f"stella-standby-{os.getpid()}")  # short: it holds a socket
    (top / "run").mkdir(parents=True, mode=0o700)
    try:
        (top / "password").write_text("x")
        server = Postgres(top / "data", top / "run", top / "password")
        login = Login(server.dsn(), "x")
        postgres_server.make_cluster(server, top / "log", durable=False)
        process = postgres_server.start(server, top / "log", durable=False)
        postgres_server.wait(server, process)
        apply.start(login, {"box": folder}, "tester", ManualClock())
        postgres_server.stop(process)
        (server.data / "standby.signal").touch()
        process = postgres_server.start(server, top / "log", durable=False)
        try:
            started = wait_for(lambda: standing_by(login, folder))
            assert (started.read_only, started.applied) == (True, ())
            lay(folder, {"004_more.sql": "CREATE TABLE more (a int)"})
            with pytest.raises(ReadOnlyPending, match="box/004_more"):
                apply.start(login, {"box": folder}, "tester", ManualClock())
        finally:
            postgres_server.stop(process)
    finally:
        shutil.rmtree(top)


def standing_by(login: Login, folder: Path) -> apply.Started | None:
    try:
        return apply.start(login, {"box": folder}, "tester", ManualClock())
    except DatabaseUnavailable:
        return None
