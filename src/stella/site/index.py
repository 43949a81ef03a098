"""The index of sites: who imported what, where and when, in PostgreSQL, for questions over all sites of a machine.

Rules:
- The folder of a site is the truth for how it stands; its history is bounded, and here every line of it stays.
- Lines say what happened, not what has become of it; so the index is the same whenever it was made.
- Entering what is there changes nothing. Two writers of one site wait for each other, and look at the folder when it is
  their turn: nobody enters an older state of it.
"""

# stella: allow-file STL002 until 2027-05-31: named statements of queries.sql, on an index that no tenant owns

from __future__ import annotations

from typing import Any, NamedTuple

from stella.kernel.cursor import cut_page, read_cursor
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant
from stella.operations import Context
from stella.runtime.postgres import Connection, keepable, speaking, statements
from stella.site.folder import SiteFolder
from stella.site.model import CustodyEvent, EventsShown, ImportRecord, ImportState, IndexSite, SeeEvents, SiteIndexed
from stella.site.service import open_site

PATIENCE_MS = 60_000  # for another writer of the site, who has a few rows to write
LAST = 2**63 - 1  # above every event, where a list from the newest one down begins


WHAT = "the index of sites"


class Event(NamedTuple):
    """A row of the index: its number, and what people see of it."""

    number: int
    shown: CustodyEvent


class Entered(NamedTuple):
    """What an update of the index did: lines in the history of the site, and how many were new."""

    events: int
    new: int


class SiteIndex:
    """The index behind one connection in autocommit; every method is a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = statements("stella.site")

    def _run(self, name: str, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # parameters of any type
        with speaking(WHAT):
            found = self._connection.execute(self._sql[name].sql, keepable(values))
            return found.fetchall() if found.description else []

    def enter(self, store: SiteFolder, now: Instant) -> Entered:
        """Enter how a site stands and the history it has."""
        with speaking(WHAT), self._connection.transaction():
            self._run("hold_site", site_id=store.state().site_id, patience_ms=str(PATIENCE_MS))
            state = store.state()
            self._run(
                "put_site",
                site_id=state.site_id,
                site=state.site,
                channel=state.channel,
                channel_id=state.channel_id,
                location=store.shown,
                active=state.active.generation if state.active else None,
                root=state.active.root if state.active else None,
                now=now,
            )
            before = self._run("count_events", site_id=state.site_id)[0][0]
            for record in state.history:
                self._run("put_event", site_id=state.site_id, **_event(record))
            after = self._run("count_events", site_id=state.site_id)[0][0]
        return Entered(len(state.history), after - before)

    def events(self, site: str, before: int, limit: int) -> list[Event]:
        """Events below a number, newest first; of the sites of that name, or (empty) of all."""
        found = self._run("list_events", site=site, before=before, limit=limit)
        return [Event(number, CustodyEvent(*row)) for number, *row in found]


def _event(record: ImportRecord) -> dict[str, Any]:
    """What happened then: a generation that another one has replaced became active, whatever it is called today."""
    state = ImportState.ACTIVE if record.state is ImportState.SUPERSEDED else record.state
    return {
        "bundle": record.id,
        "state": state.value,
        "at": record.time,
        "actor": record.actor,
        "approver": record.approver,
        "generation": record.generation,
        "root": record.root,
        "reason": record.reason,
        "code": record.code,
        "detail": record.detail,
        "why": record.why,
    }


def keep_current(ctx: Context, store: SiteFolder) -> tuple[str, ...]:
    """Enter a site; what goes wrong comes back as a note, since the folder is whole."""
    try:
        with ctx.database() as connection:
            SiteIndex(connection).enter(store, ctx.clock.read().wall)
    except StellaError as problem:
        return (f"not in the index yet ({problem}); when that is mended: stella site index --dir {store.shown}",)
    return ()


def index(ctx: Context, want: IndexSite) -> SiteIndexed:
    """Enter a site into the index."""
    store = open_site(ctx, want.dir)
    state = store.state()
    with ctx.database() as connection:
        done = SiteIndex(connection).enter(store, ctx.clock.read().wall)
    return SiteIndexed(site=state.site, site_id=state.site_id, dir=want.dir, entered=done.new, events=done.events)


def events(ctx: Context, want: SeeEvents) -> EventsShown:
    """Events of one site or of all, newest first."""
    query = ("site.events", want.site)
    before = read_cursor(want.cursor, query, tuple[int])[0] if want.cursor else LAST
    with ctx.database() as connection:
        found = SiteIndex(connection).events(want.site or "", before, want.limit + 1)
    page, following = cut_page(found, want.limit, query, lambda event: (event.number,))
    return EventsShown(rows=tuple(event.shown for event in page), next=following)
