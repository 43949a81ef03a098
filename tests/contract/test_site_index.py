"""The index of sites on a real PostgreSQL: what happened, however often and whenever the folder was looked at."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import msgspec
import psycopg
import pytest

from stella.bundle.model import Mark
from stella.kernel.instant import Floor
from stella.operations import Context
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.postgres import Connection
from stella.runtime.settings import Settings
from stella.site import rules
from stella.site.folder import SiteFolder
from stella.site.index import Entered, SiteIndex, events, keep_current
from stella.site.model import CustodyEvent, ImportRecord, ImportState, SeeEvents, SiteState
from stella.testing import ManualClock, MemoryFolder, SilentProgress, counted_entropy

NOW = 1_790_000_000


def record(number: int, state: ImportState, generation: int | None = None, actor: str = "op") -> ImportRecord:
    """What happened in minute `number`."""
    time = f"2026-01-01T00:{number:02d}:00Z"
    return ImportRecord(id=f"bundle-{number}", state=state, time=time, actor=actor, generation=generation)


def story(length: int) -> SiteState:
    """A site after so many of: two imports, a refused bundle, a rollback, and the case let go."""
    state = SiteState(
        site="plant-7",
        site_id="id",
        channel="stable",
        channel_id="c",
        active=None,
        held=(),
        trust={},
        root_version=1,
        floor=Floor(0, "b", 0),
        anchor=0,
        history=(),
    )
    steps = [
        record(1, ImportState.ACTIVE, 1, "ann"),
        record(2, ImportState.ACTIVE, 2, "ben"),
        record(3, ImportState.QUARANTINED),
        record(4, ImportState.ACTIVE, 1, "cat"),
        record(5, ImportState.QUARANTINED),
    ]
    for step in steps[:length]:
        if step.state is ImportState.ACTIVE and step.generation:
            active = Mark(step.generation, f"{step.generation:064d}")
            state = msgspec.structs.replace(state, active=active, history=rules.activated(state.history, step))
        else:
            state = msgspec.structs.replace(state, history=rules.with_record(state.history, step))
    return state


def site(length: int) -> SiteFolder:
    store = SiteFolder(MemoryFolder(), "/srv/plant-7")
    store.flip(story(length))
    return store


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """A database with the schema of the site."""
    with psycopg.connect(database, autocommit=True) as found:
        found.execute("CREATE SCHEMA site")
        found.execute("SET search_path TO site, pg_catalog")
        for file in sorted(files("stella.site").joinpath("migrations").iterdir(), key=lambda file: file.name):
            found.execute(file.read_text())
        found.execute("RESET search_path")
        yield found


def context(connection: Connection) -> Context:
    ctx = Context(ManualClock(NOW), counted_entropy("x"), SilentProgress(), Settings(), str.encode, "operator")
    return replace(ctx, database=lambda: contextlib.nullcontext(connection))


def told(connection: Connection, name: str | None = None) -> list[CustodyEvent]:
    """Every event, newest first, page by page."""
    cursor, found = None, []
    while True:
        answer = events(context(connection), SeeEvents(site=name, limit=2, cursor=cursor))
        found += answer.rows
        cursor = answer.next
        if cursor is None:
            return found


def test_what_was_followed_step_by_step_is_what_is_made_from_the_folder_at_once(connection: Connection) -> None:
    index = SiteIndex(connection)
    assert index.enter(site(5), NOW) == Entered(5, 5)
    at_once = told(connection)
    connection.execute("DELETE FROM site.sites")
    for length in range(6):
        index.enter(site(length), NOW)
        assert index.enter(site(length), NOW) == Entered(length, 0)
    assert told(connection) == at_once
    assert [(event.bundle, event.state, event.actor, event.time[11:16]) for event in reversed(at_once)] == [
        ("bundle-1", "active", "ann", "00:01"),
        ("bundle-2", "active", "ben", "00:02"),
        ("bundle-3", "quarantined", "op", "00:03"),
        ("bundle-4", "active", "cat", "00:04"),
        ("bundle-5", "quarantined", "op", "00:05"),
    ]


def test_events_of_one_site(connection: Connection) -> None:
    SiteIndex(connection).enter(site(3), NOW)
    assert len(told(connection, "plant-7")) == 3
    for name in ("plant-8", "x\0", "\udcff"):
        assert told(connection, name) == []


def test_a_reason_may_be_any_text(connection: Connection) -> None:
    store = site(1)
    odd = msgspec.structs.replace(record(2, ImportState.QUARANTINED), why="x\0y")
    store.flip(msgspec.structs.replace(store.state(), history=(odd,)))
    SiteIndex(connection).enter(store, NOW)
    assert [event.why for event in told(connection)] == [r"x\x00y"]


def test_who_waited_enters_the_site_as_it_is_by_then(connection: Connection, database: str) -> None:
    store = site(1)
    done: list[Entered] = []

    def work() -> None:
        with psycopg.connect(database, autocommit=True) as own:
            done.append(SiteIndex(own).enter(store, NOW))

    late = threading.Thread(target=work)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('id', 1))")
        late.start()
        while connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert late.is_alive()
        store.flip(story(2))
        SiteIndex(connection).enter(store, NOW)
    late.join()
    assert done == [Entered(2, 0)]
    assert connection.execute("SELECT active FROM site.sites").fetchone() == (2,)


def test_a_database_that_goes_away_is_a_note_and_no_failure(connection: Connection, database: str) -> None:
    own = psycopg.connect(database, autocommit=True)

    class Severed(SiteFolder):
        def state(self) -> SiteState:
            connection.execute("SELECT pg_terminate_backend(%s, 9000)", [own.info.backend_pid])
            return super().state()

    store = Severed(site(2).folder, "/srv/plant-7")
    ctx = replace(context(connection), database=lambda: contextlib.closing(own))
    (note,) = keep_current(ctx, store)
    assert "stella site index --dir /srv/plant-7" in note
    assert told(connection) == []


def test_a_writer_that_hangs_is_not_waited_for_without_end(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stella.site.index.PATIENCE_MS", 50)
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('id', 1))")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            SiteIndex(connection).enter(site(1), NOW)
