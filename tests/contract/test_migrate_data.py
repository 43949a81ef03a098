"""Data migrations in batches on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stella.database import apply, rules
from stella.database.errors import ChecksumDrift
from stella.database.model import Choice
from stella.runtime import batches
from stella.runtime.errors import LockTimeout, StatementRefused
from stella.runtime.migrate import Limits
from stella.testing import SilentProgress
from tests.migrations import AUTOMATIC, DATA, begin, by_hand, history, lay, rows, session, shipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "files", AUTOMATIC)


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
    lay(folder, {"100_after.sql": "CREATE TABLE after (a int)"})
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
        ("100_after.sql", "applied", None),
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


def test_a_batch_that_takes_too_long_is_made_smaller(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file cannot be changed any more once it has begun, so a wrong first size must not be its end."""
    slow = DATA.replace("batch 4", "batch 8").replace("= part.id)", "= part.id RETURNING pg_sleep(0.1))")
    slow = slow.replace("count(*)", "(SELECT count(*) FROM done)")
    begin(database, lay(folder, {"DM001_mark.sql": slow}))
    monkeypatch.setattr(apply, "LIMITS", dict.fromkeys(rules.LIMITS, Limits(1_000, 450)))
    progress = Watching(lambda _: None)
    (row,) = by_hand(database, folder, Choice.DATA, progress)
    assert (row.state, row.touched, max(progress.taken)) == ("applied", 11, 4)
    assert words(database) == {"w!": 10, "seed!": 1}


def test_a_row_that_alone_takes_too_long_is_an_error(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = DATA.replace("= part.id)", "= part.id RETURNING pg_sleep(9))").replace(
        "count(*)", "(SELECT count(*) FROM done)"
    )
    begin(database, lay(folder, {"DM001_mark.sql": slow}))
    monkeypatch.setattr(apply, "LIMITS", dict.fromkeys(rules.LIMITS, Limits(1_000, 100)))
    with pytest.raises(StatementRefused, match="statement timeout"):
        by_hand(database, folder, Choice.DATA)
    assert rows(database, "SELECT size, touched FROM box.schema_checkpoints") == [(1, 0)]


def test_somebody_who_cancels_a_batch_means_it(database: str, folder: Path) -> None:
    slow = DATA.replace("= part.id)", "= part.id RETURNING pg_sleep(9))").replace(
        "count(*)", "(SELECT count(*) FROM done)"
    )
    begin(database, lay(folder, {"DM001_mark.sql": slow}))
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    stopper = threading.Thread(
        target=lambda: [time.sleep(0.01) for _ in iter(lambda: rows(database, cancel), [(True,)])]
    )
    stopper.start()
    with pytest.raises(StatementRefused, match="user request"):
        by_hand(database, folder, Choice.DATA)
    stopper.join()
    assert rows(database, "SELECT size FROM box.schema_checkpoints") == [(4,)]


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
