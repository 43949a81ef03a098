"""The index of sites: who imported what, where and when, in PostgreSQL, for questions over all sites of a machine.

Rules:
- The folder of a site is the truth for how it stands; its history is bounded, and here every line of it stays.
- Lines say what happened, not what has become of it; so the index is the same whenever it was made.
- Entering what is there changes nothing. Two writers of one site wait for each other, and look at the folder when it is
  their turn: nobody enters an older state of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from stella.kernel.cursor import cut_page, read_cursor
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant
from stella.operations import Context
from stella.runtime.transaction import Row, Transaction
from stella.site.folder import SiteFolder
from stella.site.model import CustodyEvent, EventsShown, ImportRecord, ImportState, IndexSite, SeeEvents, SiteIndexed
from stella.site.service import open_site

LAST = UUID(int=2**128 - 1)  # above every event, where a list from the newest one down begins


class Event(NamedTuple):
    """A row of the index: its id, and what people see of it."""

    id: UUID
    shown: CustodyEvent


class Entered(NamedTuple):
    """What an update of the index did: lines in the history of the site, and how many were new."""

    events: int
    new: int


class SiteIndex:
    """The index of a tenant's sites, in a transaction of that tenant."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def _run(self, name: str, **values: Any) -> list[Row]:  # noqa: ANN401  # parameters of any type
        return self._transaction.all("stella.site", name, **values)

    def enter(self, store: SiteFolder, now: Instant) -> Entered:
        """Enter how a site stands and the history it has."""
        self._run("hold_site", site_id=store.state().site_id)
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

    def events(self, site: str, before: UUID, limit: int) -> list[Event]:
        """Events older than one, newest first; of the sites of that name, or (empty) of all."""
        found = self._run("list_events", site=site, before=before, limit=limit)
        return [Event(name, CustodyEvent(*row)) for name, *row in found]


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
        with ctx.tenant() as transaction:
            SiteIndex(transaction).enter(store, ctx.clock.read().wall)
    except StellaError as problem:
        return (f"not in the index yet ({problem}); when that is mended: stella site index --dir {store.shown}",)
    return ()


def index(ctx: Context, want: IndexSite) -> SiteIndexed:
    """Enter a site into the index."""
    store = open_site(ctx, want.dir)
    state = store.state()
    with ctx.tenant() as transaction:
        done = SiteIndex(transaction).enter(store, ctx.clock.read().wall)
    return SiteIndexed(site=state.site, site_id=state.site_id, dir=want.dir, entered=done.new, events=done.events)


def events(ctx: Context, want: SeeEvents) -> EventsShown:
    """Events of one site or of all, newest first."""
    query = ("site.events", want.site)
    before = read_cursor(want.cursor, query, tuple[UUID])[0] if want.cursor else LAST
    with ctx.tenant() as transaction:
        found = SiteIndex(transaction).events(want.site or "", before, want.limit + 1)
    page, following = cut_page(found, want.limit, query, lambda event: (event.id,))
    return EventsShown(rows=tuple(event.shown for event in page), next=following)
