"""The index of sites on a real PostgreSQL: every line of a history once, for as long as anybody asks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, cast

import msgspec
import psycopg
import pytest

from stella.bundle.model import Mark
from stella.kernel.instant import Floor
from stella.operations import Context
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.postgres import Connection
from stella.runtime.settings import Settings
from stella.site.folder import SiteFolder
from stella.site.index import LAST, SiteIndex, events, keep_current
from stella.site.model import ImportRecord, ImportState, SeeEvents, SiteState
from stella.testing import ManualClock, SilentProgress, counted_entropy

NOW = 1_790_000_000


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


def line(number: int, state: ImportState = ImportState.ACTIVE, **more: Any) -> ImportRecord:
    when = f"2026-01-01T00:00:{number:02d}Z"
    return ImportRecord(id=f"{number:016x}", state=state, time=when, actor="me", generation=number, **more)


def standing(*history: ImportRecord, name: str = "plant-7") -> SiteState:
    return SiteState(
        site=name,
        site_id=f"id of {name}",
        channel="stable",
        channel_id="c",
        active=Mark(history[-1].generation or 1, "root") if history else None,
        held=(),
        trust={},
        root_version=1,
        floor=Floor(0, "", 0),
        anchor=0,
        history=history,
    )


def context(connection: Connection) -> Context:
    return Context(
        clock=ManualClock(),
        entropy=counted_entropy("x"),
        progress=SilentProgress(),
        settings=Settings(),
        secret=lambda _: b"",
        actor="me",
        database=lambda: contextlib.nullcontext(connection),
    )


def test_each_line_is_entered_once_and_outlives_the_history_of_the_folder(connection: Connection) -> None:
    index = SiteIndex(connection)
    assert index.enter(standing(line(1), line(2)), "/srv/D", NOW) == 2
    assert index.enter(standing(line(1), line(2)), "/srv/D", NOW) == 0
    assert index.enter(standing(line(2), line(3)), "/srv/E", NOW + 1) == 1
    assert [row.generation for row in index.events("plant-7", LAST, 9)] == [3, 2, 1]
    assert connection.execute("SELECT location, active FROM site.sites").fetchall() == [("/srv/E", 3)]


def test_pages_of_events_of_one_site_and_of_all(connection: Connection) -> None:
    index = SiteIndex(connection)
    for name in ("plant-7", "plant-8"):
        index.enter(standing(line(1), line(2, ImportState.QUARANTINED, code="X", why="no"), name=name), "/srv", NOW)
    first = events(context(connection), SeeEvents(limit=3))
    assert [(row.site, row.generation, row.code) for row in first.rows] == [
        ("plant-8", 2, "X"),
        ("plant-8", 1, ""),
        ("plant-7", 2, "X"),
    ]
    rest = events(context(connection), SeeEvents(limit=3, cursor=first.next))
    assert [(row.site, row.generation, row.time) for row in rest.rows] == [("plant-7", 1, "2026-01-01T00:00:01Z")]
    assert rest.next is None
    assert len(events(context(connection), SeeEvents(site="plant-7")).rows) == 2
    assert events(context(connection), SeeEvents(site="plant-9")).rows == ()


def test_a_folder_may_have_any_name(connection: Connection) -> None:
    SiteIndex(connection).enter(standing(line(1)), "/srv/\udcff", NOW)
    assert connection.execute("SELECT location FROM site.sites").fetchone() == ("/srv/\\xff",)


def test_a_writer_that_hangs_is_not_waited_for_without_end(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stella.site.index.PATIENCE_MS", 50)
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('id of plant-7', 1))")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            SiteIndex(connection).enter(standing(line(1)), "/srv", NOW)


class Standing(msgspec.Struct):
    """As much of a site's folder as the index looks at."""

    shown: str

    def state(self) -> SiteState:
        return standing(line(1, reason="\0"))


@pytest.mark.parametrize("broken", ["text", "table", "lost"])
def test_whatever_happens_to_the_index_is_a_note(broken: str, connection: Connection) -> None:
    """The bundle is imported when the index is written."""
    if broken == "lost":
        connection.close()
    elif broken == "table":
        connection.execute("DROP TABLE site.events")
    (note,) = keep_current(context(connection), cast("SiteFolder", Standing("/srv/D")))
    assert "not in the index yet" in note
    assert "stella site index --dir /srv/D" in note
