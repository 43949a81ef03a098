"""An import of migrations that is cut off outside of a transaction, kept by paused data, or overtaken by a start."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from stella.database import importing
from stella.database.errors import DatabaseDiffers, ResultDiffers
from stella.database.model import Choice
from stella.runtime import batches
from stella.runtime.migrate import Session
from tests.carried import Carried, carried, trial_here
from tests.database import postgres
from tests.migrations import AUTOMATIC, COLUMN, EVERY, INDEX, STARTUP

__all__ = ["carried", "postgres", "trial_here"]  # fixtures
pytestmark = pytest.mark.network  # the socket of the server


def cut_off(carried: Carried, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """End an import before a file is entered into the history."""

    def record(session: Session, entry: Any, took: int) -> int:
        if entry.name == name:
            raise KeyboardInterrupt
        return kept(session, entry, took)

    kept = Session.record
    with monkeypatch.context() as patch:
        patch.setattr(Session, "record", record)
        with pytest.raises(KeyboardInterrupt):
            carried.import_()


def test_a_file_outside_of_a_transaction_that_was_cut_off_is_gone_on_with(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried.ship({"001_item.sql": STARTUP, "002_index.sql": INDEX, "003_size.sql": COLUMN})
    carried.bundle()
    cut_off(carried, monkeypatch, "002_index.sql")
    assert carried.history() == ["001_item.sql"]
    assert carried.execute("SELECT to_regclass('box.item_word') IS NOT NULL") == [(True,)]
    assert carried.applied(carried.import_(dry_run=True)) == {
        "001_item.sql": "applied",
        "002_index.sql": "pending",
        "003_size.sql": "pending",
    }
    carried.execute("CREATE TABLE box.stray (id int)")
    with pytest.raises(DatabaseDiffers, match="its schema is"):  # what else differs is no trace of the file
        carried.import_()
    carried.execute("DROP TABLE box.stray; DROP INDEX box.item_word")
    with pytest.raises(psycopg.errors.UniqueViolation):  # leaves one that is not valid, as a kill in the middle does
        carried.execute("CREATE UNIQUE INDEX CONCURRENTLY item_word ON box.item (word)")
    assert carried.import_().complete


def test_a_file_that_drops_an_index_and_was_cut_off_is_gone_on_with(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = "-- stella:no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS item_word;\n"
    again += "CREATE INDEX CONCURRENTLY item_more ON item (word, id);\n"
    carried.ship({"001_item.sql": STARTUP, "002_index.sql": INDEX, "100_again.sql": again, "101_size.sql": COLUMN})
    carried.bundle()
    cut_off(carried, monkeypatch, "100_again.sql")
    carried.execute("DROP INDEX box.item_more")  # only the first of its statements was done
    carried.execute("GRANT SELECT ON box.item TO stella_app")
    with pytest.raises(ResultDiffers, match=r"100_again\.sql"):
        carried.import_()
    carried.execute("REVOKE SELECT ON box.item FROM stella_app")
    assert carried.import_().complete


def test_what_waits_behind_data_that_is_paused_is_not_called_applied(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried.ship(EVERY)
    carried.bundle()
    carried.run(Choice.AUTOMATIC)
    run = batches.run
    monkeypatch.setattr(batches, "run", lambda *words: run(*words)._replace(done=False))
    done = carried.import_()
    assert [(row.name, row.state) for row in done.files[-3:]] == [
        ("S001_seed.sql", "applied"),
        ("DM001_mark.sql", "paused"),
        ("100_rename.sql", "pending"),
    ]
    assert not done.complete


@pytest.mark.parametrize("at", ["001_item.sql", "002_index.sql", "S001_seed.sql"])
def test_a_start_that_is_faster_takes_files_off_an_import(
    carried: Carried, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    carried.ship(EVERY)
    carried.bundle()
    apply_one = importing.apply_one

    def overtaken(session: Any, there: Any, file: Any, *rest: Any) -> Any:
        if file.name == at:
            carried.run(Choice.AUTOMATIC)
        return apply_one(session, there, file, *rest)

    monkeypatch.setattr(importing, "apply_one", overtaken)
    done = carried.import_()
    assert done.complete
    assert {row.state for row in done.files} == {"applied"}
    assert [row.name for row in done.files] == [*sorted(AUTOMATIC), "DM001_mark.sql", "100_rename.sql"]
