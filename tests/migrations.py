"""Files of migrations for tests, and short ways to apply them."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from stella.database import apply
from stella.database.apply import Started, start
from stella.database.files import load
from stella.database.model import Choice
from stella.runtime.migrate import Session
from stella.runtime.postgres import Login
from stella.testing import ManualClock

STARTUP = """\
CREATE TABLE item (id bigint PRIMARY KEY, word text NOT NULL);
COMMENT ON TABLE item IS 'for tests; with a semicolon';
INSERT INTO item SELECT n, 'w' FROM generate_series(1, 10) n;
"""
INDEX = "-- stella:no-transaction\nCREATE INDEX CONCURRENTLY item_word ON item (word);\n"
COLUMN = "ALTER TABLE item ADD COLUMN size int;\n"
SEED = "INSERT INTO item (id, word) VALUES (0, 'seed') ON CONFLICT DO NOTHING;\n"
RELEASE = "ALTER TABLE item DROP COLUMN size;\nALTER TABLE item RENAME COLUMN word TO name;\n"
DATA = """\
-- stella:batch 4
WITH part AS (SELECT id FROM item WHERE id > coalesce($1, '-1')::bigint ORDER BY id LIMIT $2),
done AS (UPDATE item SET word = word || '!' FROM part WHERE item.id = part.id)
SELECT count(*), max(id)::text FROM part;
"""
AUTOMATIC = {"001_item.sql": STARTUP, "002_index.sql": INDEX, "003_size.sql": COLUMN, "S001_seed.sql": SEED}
EVERY = AUTOMATIC | {"DM001_mark.sql": DATA, "100_rename.sql": RELEASE}


SECONDS = 120  # a child that lives longer hangs


def lay(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A folder of migrations."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def begin(dsn: str, folder: Path, module: str = "box", **options: Any) -> Started:
    """Start a release that ships these files."""
    return start(Login(dsn), {module: folder}, "tester", ManualClock(), **options)


def session(dsn: str) -> Session:
    return Session(Login(dsn), "tester", ManualClock())


def by_hand(dsn: str, folder: Path, choice: Choice, progress: Any = None) -> list[Any]:
    with session(dsn) as opened:
        files = shipped(folder)
        return apply.apply_pending(opened, files, apply.judge_all(opened, files), choice, progress)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """What a query gives, on a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def history(dsn: str, module: str = "box") -> list[str]:
    with session(dsn) as opened:
        return sorted(row.name for row in opened.history(module))


def shipped(folder: Path, module: str = "box") -> dict[str, Any]:
    return load({module: folder})


def in_child(act: Callable[[], object]) -> int:
    """Fork a child that does it; its pid. It ends with 0, or with 70 when it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child of a process with threads; it only runs `act`
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.alarm(SECONDS)
        act()
        code = 0
    except BaseException:  # noqa: BLE001  # told to whoever reads the output
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Exit code of a child; negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
