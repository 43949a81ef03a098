"""The index of sites: who imported what, where and when, in PostgreSQL, for questions over all sites of a machine.

Rules:
- The folder of a site is the truth for how it stands; its history is bounded, and here every line of it stays.
- Entering what is there changes nothing. Two writers of one site wait for each other.
"""

# stella: allow-file STL002 until 2027-05-31: named statements of queries.sql, on an index that no tenant owns

from __future__ import annotations

from typing import Any, NamedTuple

from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant, format_time
from stella.operations import Context
from stella.runtime.postgres import Connection, speaking, statements
from stella.site.folder import SiteFolder
from stella.site.model import CustodyEvent, EventsShown, ImportRecord, IndexSite, SeeEvents, SiteIndexed, SiteState
from stella.site.service import open_site

LAST = 2**63 - 1  # above every event, where a list from the newest one down begins


class _Row(NamedTuple):
    event: int
    site: str
    site_id: str
    channel: str
    bundle: str
    state: str
    at: int
    actor: str
    approver: str
    generation: int | None
    root: str | None
    reason: str
    code: str
    why: str


class SiteIndex:
    """The index behind one connection in autocommit; every method is a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = statements("stella.site")

    def _run(self, name: str, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # parameters of any type
        with speaking("the index of sites"):
            found = self._connection.execute(self._sql[name].sql, values)
            return found.fetchall() if found.description else []

    def enter(self, state: SiteState, location: str, now: Instant) -> int:
        """Enter how a site stands and the history it has; how many events were new."""
        with self._connection.transaction():
            self._run("hold_site", site_id=state.site_id)
            self._run(
                "put_site",
                site_id=state.site_id,
                site=state.site,
                channel=state.channel,
                channel_id=state.channel_id,
                location=location,
                active=state.active.generation if state.active else None,
                root=state.active.root if state.active else None,
                now=now,
            )
            before = self._run("count_events", site_id=state.site_id)[0][0]
            for record in state.history:
                self._run("put_event", site_id=state.site_id, **_event(record))
            return int(self._run("count_events", site_id=state.site_id)[0][0]) - int(before)

    def events(self, site: str, before: int, limit: int) -> list[_Row]:
        """Events below a number, newest first; of the sites of that name, or (empty) of all."""
        return [_Row(*row) for row in self._run("list_events", site=site, before=before, limit=limit)]


def _event(record: ImportRecord) -> dict[str, Any]:
    return {
        "bundle": record.id,
        "state": record.state.value,
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
            SiteIndex(connection).enter(store.state(), store.shown, ctx.clock.read().wall)
    except StellaError as problem:
        return (f"not in the index yet ({problem}); when that is mended: stella site index --dir {store.shown}",)
    return ()


def index(ctx: Context, want: IndexSite) -> SiteIndexed:
    """Enter a site into the index."""
    store = open_site(ctx, want.dir)
    state = store.state()
    with ctx.database() as connection:
        entered = SiteIndex(connection).enter(state, store.shown, ctx.clock.read().wall)
    return SiteIndexed(site=state.site, site_id=state.site_id, dir=want.dir, entered=entered, events=len(state.history))


def events(ctx: Context, want: SeeEvents) -> EventsShown:
    """Events of one site or of all, newest first."""
    query = ("site.events", want.site)
    before = read_cursor(want.cursor, query, tuple[int])[0] if want.cursor else LAST
    with ctx.database() as connection:
        found = SiteIndex(connection).events(want.site or "", before, want.limit + 1)
    shown = found[: want.limit]
    return EventsShown(
        rows=tuple(_shown(row) for row in shown),
        next=make_cursor(query, (shown[-1].event,)) if len(found) > want.limit else None,
    )


def _shown(row: _Row) -> CustodyEvent:
    return CustodyEvent(
        site=row.site,
        site_id=row.site_id,
        channel=row.channel,
        bundle=row.bundle,
        state=row.state,
        time=format_time(row.at),
        actor=row.actor,
        approver=row.approver,
        generation=row.generation,
        root=row.root,
        reason=row.reason,
        code=row.code,
        why=row.why,
    )
